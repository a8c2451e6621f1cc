//! The run of a drain: leads first, then passes over the queues until one finds nothing, each
//! object in a slot of its own; and an end in time.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::super::lane::{Lane, Tried};
use super::super::turns::Turns;
use super::super::{LAST, Shared};
use super::pass::{Left, Line, Pass};
use super::report::{count, lock};
use super::tries::Try;
use super::{Drain, Drained, Lead, LeadEnd, Stopped};
use crate::env::{Env, Mono};
use crate::error::Error;
use crate::queue::Queue;
use crate::record::{MIN_LEASE, Shard};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;
use crate::worker::Worker;

/// The settings that a drain goes by are at most this old, like any worker's.
const SETTINGS: Duration = Duration::from_secs(60);

/// While tasks run and nothing else is due, a look for more comes after this time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Without a deadline.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// After so many failures in a row a drain gives up.
const FAILURES: u32 = 3;

/// What is left of the time for giving back: a tenth, within these bounds.
const LEAST_RESERVE: Duration = Duration::from_secs(1);
pub(in crate::worker) const MOST_RESERVE: Duration = Duration::from_secs(5);

/// Drains as told.
pub(super) async fn drain(
    worker: &Worker,
    how: Drain,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let env = worker.queues[0].0.root().env().clone();
    let began = env.now();
    let bound = how
        .within
        .filter(|_| !mutated(Mutant::DrainWithoutDeadline));
    let times = bound.map(|time| Times::new(began, time));
    let report = Arc::new(Mutex::new(Drained::default()));
    let mut hooks = worker.hooks.clone();
    let counted = report.clone();
    hooks.0.push(Arc::new(move |event| count(&counted, event)));
    let shared = Arc::new(Shared::new(worker, hooks, how.within));
    let mut deleting = JoinSet::new();
    let mut sources = Vec::new();
    let chosen = || {
        worker
            .queues
            .iter()
            .filter(|(q, _)| how.takes_from(q.name()))
    };
    for (queue, _) in chosen() {
        let (lane, deletions) = Lane::new(queue.root().clone(), queue.name().clone());
        deleting.spawn(deletions);
        sources.push(Source {
            lane: Arc::new(lane),
            queue: queue.clone(),
            left: Left::default(),
            paused: false,
            purged_before: None,
            shards: 0,
        });
    }
    let weights = chosen().map(|(_, weight)| *weight).collect();
    let mut drainer = Drainer {
        env: env.clone(),
        shared: shared.clone(),
        sources,
        turns: Turns::new(weights),
        runs: JoinSet::new(),
        stop_at: times.map(|t| t.stop),
        tasks_left: how.max_tasks.unwrap_or(u64::MAX),
        failures: 0,
        error: None,
        leads: Vec::new(),
        next: None,
        beaten: BTreeSet::new(),
        report: report.clone(),
    };

    let mut shutdown = pin!(shutdown);
    let left = |at: fn(&Times) -> Mono| times.map_or(FOREVER, |times| at(&times).since(env.now()));
    let mut stopped = tokio::select! {
        biased;
        () = &mut shutdown => Stopped::Asked,
        // A listing that is not answered must not keep what runs from being given back.
        worked = env.within(left(|t| t.release), drainer.work(&how)) => {
            worked.unwrap_or(Stopped::Deadline)
        }
    };
    if stopped != Stopped::Asked {
        tokio::select! {
            biased;
            () = &mut shutdown => stopped = Stopped::Asked,
            idle = env.within(left(|t| t.release), drainer.idle()) => {
                if idle.is_none() {
                    stopped = Stopped::Deadline;
                }
            }
        }
    }
    if stopped == Stopped::Asked {
        let grace = worker.grace.min(left(|t| t.release));
        env.within(grace, drainer.idle()).await;
    }
    if !drainer.runs.is_empty() {
        shared.release.cancel();
        env.within(LAST.min(left(|t| t.end)), drainer.idle()).await;
    }
    if stopped == Stopped::Empty
        && let Some(calls) = how.sweep_one_in
    {
        let time = left(|t| t.release);
        tokio::select! {
            biased;
            () = &mut shutdown => {}
            _ = env.within(time, drainer.sweep(calls)) => {}
        }
    }
    let Drainer {
        sources,
        runs,
        leads,
        next,
        error,
        ..
    } = drainer;
    // What could not be stopped is given up, and taken over when its lease ends.
    drop(runs);
    let paused = sources.iter().filter(|s| s.paused);
    let paused = paused.map(|s| s.queue.name().clone()).collect();
    drop(sources);
    let deleted = async { while deleting.join_next().await.is_some() {} };
    env.within(left(|t| t.end).clamp(LEAST_RESERVE, LAST), deleted)
        .await;
    let report = lock(&report).clone();
    Drained {
        paused,
        leads,
        next,
        error: error.filter(|_| stopped == Stopped::Failing),
        stopped,
        ..report
    }
}

/// When what is to end.
#[derive(Clone, Copy)]
struct Times {
    /// Nothing is claimed any more: no lease would be over in time.
    stop: Mono,
    /// What still runs is given back.
    release: Mono,
    end: Mono,
}

impl Times {
    fn new(began: Mono, time: Duration) -> Times {
        let end = began + time;
        let reserve = (time / 10).clamp(LEAST_RESERVE, MOST_RESERVE);
        Times {
            stop: end - MIN_LEASE,
            release: end - reserve,
            end,
        }
    }
}

/// One queue.
pub(super) struct Source {
    pub lane: Arc<Lane>,
    pub queue: Queue,
    pub left: Left,
    pub paused: bool,
    pub purged_before: Option<StoreTime>,
    pub shards: u16,
}

pub(super) struct Drainer {
    pub env: Env,
    pub shared: Arc<Shared>,
    pub sources: Vec<Source>,
    turns: Turns,
    pub runs: JoinSet<(Try, Tried)>,
    stop_at: Option<Mono>,
    /// How many more may be claimed, what is being tried taken for claimed.
    pub tasks_left: u64,
    pub failures: u32,
    pub error: Option<Error>,
    pub leads: Vec<(Lead, LeadEnd)>,
    next: Option<StoreTime>,
    pub beaten: BTreeSet<(usize, Shard)>,
    pub report: Arc<Mutex<Drained>>,
}

/// What was submitted just now may seem to be due only this much later: of dates without fractions
/// two programs read the store's time so differently.
const CLOCKS: Duration = Duration::from_millis(1500);

/// What becomes due one after the other is looked for together: each look is a LIST.
const TOGETHER: Duration = Duration::from_millis(250);

impl Drainer {
    /// Claims until there is a reason to stop; what was claimed may still run then.
    async fn work(&mut self, how: &Drain) -> Stopped {
        // A worker's own writes need not even the settings.
        if !self.note(&how.leads) && !how.look && self.soonest(how.linger).is_none() {
            return Stopped::Empty;
        }
        self.read_settings().await;
        if let Err(stopped) = self.follow().await {
            return stopped;
        }
        if !how.look {
            return match how.linger.is_zero() {
                true => Stopped::Empty,
                false => self.linger(how.linger).await,
            };
        }
        loop {
            match self.pass().await {
                Err(stopped) => return stopped,
                Ok(true) => {
                    // What was just begun must be known before it is listed again.
                    self.env.clone().within(LOOK_AGAIN, self.idle()).await;
                }
                Ok(false) if !self.runs.is_empty() => {
                    self.env.clone().within(LOOK_AGAIN, self.idle()).await;
                }
                Ok(false) => match self.worth_waiting(how.linger) {
                    Some(wait) => self.env.sleep(wait).await,
                    None => return Stopped::Empty,
                },
            }
        }
    }

    /// Sees to it that the settings that tasks are claimed by are not older than any worker's.
    async fn read_settings(&mut self) {
        for source in &mut self.sources {
            let settings = source.queue.settings_within(SETTINGS).await;
            source.paused = settings.paused;
            source.purged_before = settings.purged_before;
            source.shards = settings.shards_high;
        }
    }

    /// How long to wait for what becomes due, if it does so soon enough.
    fn worth_waiting(&self, linger: Duration) -> Option<Duration> {
        let (now, left) = (self.sources[0].lane.root.now(), self.time_left());
        let wait = self.next?.since(now);
        (wait <= linger.max(CLOCKS) && wait < left).then_some(wait.max(TOGETHER).min(left))
    }

    pub fn time_left(&self) -> Duration {
        self.stop_at.map_or(FOREVER, |at| at.since(self.env.now()))
    }

    /// One pass over all queues; whether anything was tried.
    async fn pass(&mut self) -> Result<bool, Stopped> {
        let mut passes: Vec<Option<Pass>> = self
            .sources
            .iter()
            .map(|s| (!s.paused).then(|| Pass::new(s.lane.root.clone(), s.queue.name().clone())))
            .collect();
        self.next = None;
        self.beaten.clear();
        let mut tried = false;
        loop {
            let slot = self.slot().await?;
            self.read_settings().await;
            for (pass, source) in passes.iter_mut().zip(&self.sources) {
                pass.take_if(|_| source.paused);
            }
            let Some((source, line)) = self.take(&mut passes).await? else {
                return Ok(tried);
            };
            tried = true;
            self.spawn(source, line.id, Some(line.etag), None, slot);
        }
    }

    /// The next object, of the queue whose turn it is.
    async fn take(
        &mut self,
        passes: &mut [Option<Pass>],
    ) -> Result<Option<(usize, Line)>, Stopped> {
        for (source, shard) in std::mem::take(&mut self.beaten) {
            if let Some(pass) = &mut passes[source] {
                pass.beaten(shard);
            }
        }
        for i in self.turns.order() {
            let Some(pass) = &mut passes[i] else {
                continue;
            };
            match pass.next(&self.sources[i].left).await {
                Ok(Some(line)) => {
                    self.turns.took(i);
                    return Ok(Some((i, line)));
                }
                Ok(None) => {
                    self.next = self.next.into_iter().chain(pass.next).min();
                    passes[i] = None;
                }
                Err(error) => {
                    tracing::warn!(queue = %self.sources[i].queue.name(), %error, "a queue could not be listed");
                    self.error = Some(error);
                    return Err(Stopped::Failing);
                }
            }
        }
        Ok(None)
    }

    /// A free slot, unless there is a reason to claim nothing more.
    pub async fn slot(&mut self) -> Result<OwnedSemaphorePermit, Stopped> {
        loop {
            while let Some(ended) = self.runs.try_join_next() {
                self.ended(ended);
            }
            if self.failures >= FAILURES {
                return Err(Stopped::Failing);
            }
            if self.time_left().is_zero() {
                return Err(Stopped::Deadline);
            }
            if self.tasks_left > 0
                && self.shared.budget.has_room()
                && let Ok(slot) = self.shared.slots.clone().try_acquire_owned()
            {
                return Ok(slot);
            }
            // What is being tried may turn out to be somebody else's.
            if self.tasks_left == 0 && self.runs.is_empty() {
                return Err(Stopped::Limit);
            }
            let (shared, room) = (self.shared.clone(), self.tasks_left > 0);
            let place = async {
                shared.budget.room().await;
                drop(shared.slots.acquire().await);
            };
            let (env, left) = (self.env.clone(), self.time_left());
            let ended = tokio::select! {
                biased;
                ended = self.runs.join_next(), if !self.runs.is_empty() => ended,
                () = place, if room => None,
                () = env.sleep(left) => None,
            };
            if let Some(ended) = ended {
                self.ended(ended);
            }
        }
    }
}
