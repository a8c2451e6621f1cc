//! The worker: finds tasks, claims them, runs their handlers and records what came of it.
//!
//! [`Worker`] is built with handlers and queues and then [`Worker::run`] until told to stop, or
//! [`Worker::drain`] until nothing is due.
//! `find` decides what to try next, `dispatch` gives it a free slot, `lane` claims it, `runner` holds
//! one object from claim to outcome, `attempt` runs one handler. `drain` stands in for `find` and
//! `dispatch` in a worker that does not stay. The parts share nothing but `Shared`.

mod attempt;
mod budget;
mod builder;
mod context;
mod deleter;
mod dispatch;
mod drain;
mod error;
mod find;
mod hooks;
mod idle;
mod lane;
mod meters;
mod registry;
mod runner;
mod suspects;
mod sweeper;
mod turns;
mod watch;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use builder::{Worker, WorkerBuilder};
pub use context::Context;
pub use drain::{Drain, Drained, Lead, LeadEnd, Stopped};
pub use error::TaskError;
pub use hooks::{Event, Hook};
pub use idle::{Idle, PRESENT};

use crate::env::Mono;
use crate::error::Result;
use crate::protocol::Root;
use crate::queue::Queue;
use crate::record::{MIN_LEASE, Token, WorkerId};
use crate::testing::mutant::{Mutant, mutated};
use budget::Budget;
use dispatch::{Dispatcher, Source};
use find::Finder;
use hooks::Hooks;
use lane::Lane;
use registry::Registry;
use suspects::Suspects;
use turns::Turns;

/// How many claims whose answer was lost a worker remembers.
const MAX_DOUBTFUL: usize = 1000;

/// How long giving back may take once the grace period is over: one request that is not answered, and
/// another try. The store may be slow, and a handler that blocks its thread cannot be stopped at all.
const LAST: Duration = Duration::from_secs(6);

/// What all parts of one running worker share.
struct Shared {
    id: WorkerId,
    registry: Arc<Registry>,
    hooks: Hooks,
    /// How many tasks run at once.
    concurrency: u16,
    slots: Arc<Semaphore>,
    budget: Budget,
    suspects: Suspects,
    finishing: Arc<Semaphore>,
    /// Cancelled when handlers are to be stopped and their tasks given back.
    release: CancellationToken,
    inline_limit: usize,
    cancel_grace: Duration,
    longest_lease: Duration,
    /// When this worker has to be gone.
    deadline: Option<Mono>,
    /// A task that ran for so long when the deadline came had its chance.
    chance: Option<Duration>,
    doubtful: Mutex<BTreeSet<Token>>,
}

impl Shared {
    fn new(worker: &Worker, hooks: Hooks, within: Option<Duration>) -> Shared {
        let env = worker.queues[0].0.root().env();
        let now = env.now();
        Shared {
            id: WorkerId::new(env.entropy.as_ref()),
            registry: worker.registry.clone(),
            hooks,
            concurrency: u16::try_from(worker.concurrency).unwrap_or(u16::MAX),
            slots: Arc::new(Semaphore::new(worker.concurrency)),
            budget: Budget::new(worker.input_budget),
            suspects: Suspects::default(),
            finishing: Arc::new(Semaphore::new((worker.concurrency * 2).max(64))),
            release: CancellationToken::new(),
            inline_limit: worker.inline_limit,
            cancel_grace: worker.cancel_grace,
            longest_lease: worker.longest_lease,
            deadline: within.map(|time| now + time),
            chance: within.map(|time| time * 2 / 3),
            doubtful: Mutex::new(BTreeSet::new()),
        }
    }

    /// The longest lease to ask for now: not beyond the deadline, if that leaves a lease at all.
    fn longest_lease(&self, now: Mono) -> Duration {
        let left = self.deadline.map_or(Duration::MAX, |at| at.since(now));
        if mutated(Mutant::LeaseBeyondDeadline) {
            return self.longest_lease;
        }
        self.longest_lease.min(left.max(MIN_LEASE))
    }

    /// Whether a task that is stopped now, having run for so long, had its chance: this worker could
    /// hardly have given it more time.
    fn had_its_chance(&self, now: Mono, ran: Duration) -> bool {
        let over = |at: Mono| at.since(now) <= drain::MOST_RESERVE;
        self.deadline.is_some_and(over) && self.chance.is_some_and(|chance| ran >= chance)
    }

    fn releasing(&self) -> bool {
        self.release.is_cancelled()
    }

    fn doubtful(&self, token: Token) {
        let mut doubtful = self.doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        doubtful.insert(token);
        if doubtful.len() > MAX_DOUBTFUL {
            doubtful.pop_first();
        }
    }

    fn is_doubtful(&self, token: &Token) -> bool {
        self.doubtful
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(token)
    }

    fn not_doubtful(&self, token: &Token) {
        self.doubtful
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token);
    }
}

impl Worker {
    /// Tells a function of everything that happens, beside those that were given before.
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Worker {
        self.hooks.0.push(Arc::new(hook));
        self
    }

    /// The queues it takes tasks from.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().map(|(queue, _)| queue)
    }

    /// Works until `shutdown` completes; then claims nothing more, lets what runs run for the grace
    /// period, gives the rest back and returns. Dropping the future stops everything at once, as a
    /// crash would: what was running is taken over by others when its lease ends.
    ///
    /// A store that fails is tried again for as long as it takes, and [`Event::StoreFailing`] tells
    /// of it once.
    ///
    /// # Errors
    ///
    /// What the store has refused for two minutes and never allowed (listing, say, or writing), as
    /// [`Error::Denied`](crate::Error::Denied) or [`Error::Unusable`](crate::Error::Unusable); and
    /// [`Error::Unusable`](crate::Error::Unusable) if a part of the worker broke. What it held is
    /// given back before.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let env = self.queues[0].0.root().env().clone();
        let shared = Arc::new(Shared::new(&self, self.hooks.clone(), None));
        let mut finding = JoinSet::new();
        let mut deleting = JoinSet::new();
        let turns = Turns::new(self.queues.iter().map(|(_, weight)| *weight).collect());
        let mut sources = Vec::new();
        for (queue, _) in &self.queues {
            let (root, queue) = (queue.root().clone(), queue.name().clone());
            let finder = Finder::new(
                root.clone(),
                queue.clone(),
                shared.id.clone(),
                self.find.clone(),
            );
            let found = finder.clone();
            let (lane, deletions) = Lane::new(root.clone(), queue.clone());
            deleting.spawn(deletions);
            finding.spawn(async move { found.run().await });
            finding.spawn(sweeper::run(root, queue, finder.clone()));
            sources.push(Arc::new(Source { lane, finder }));
        }
        shared.hooks.tell(|| Event::Started {
            worker: shared.id.clone(),
        });
        tracing::info!(worker = %shared.id, "started");
        let mut dispatcher = Dispatcher::new(shared.clone(), sources, turns);
        let roots = distinct(self.queues().map(|queue| queue.root().clone()));
        let ended = tokio::select! {
            biased;
            () = shutdown => Ok(()),
            error = self.outages.watch(&roots, &shared.hooks) => Err(error),
            error = watch::parts(&mut finding, &mut deleting) => Err(error),
            () = dispatcher.claim_on() => Ok(()),
        };
        if let Err(error) = &ended {
            tracing::error!(worker = %shared.id, %error, "the worker cannot go on");
        }
        shared.hooks.tell(|| Event::Stopping);
        tracing::info!(worker = %shared.id, running = dispatcher.running(), "stopping");
        // Also when the store answers nothing any more, this is over after the grace period and LAST.
        let end = env.now() + self.grace + LAST;
        finding.shutdown().await;
        let finders = dispatcher.sources.iter().map(|s| s.finder.clone());
        let finders: Vec<Arc<Finder>> = finders.collect();
        let withdrawn = join_all(finders.iter().map(|finder| finder.withdraw()));
        let let_go = async {
            if env.within(self.grace, dispatcher.idle()).await.is_some() {
                return;
            }
            shared.release.cancel();
            if env.within(LAST, dispatcher.idle()).await.is_none() {
                tracing::error!(
                    running = dispatcher.running(),
                    "not everything could be given back: the store does not answer, or a handler blocks its thread; it is taken over when its leases end"
                );
            }
        };
        join(let_go, env.within(self.grace + LAST, withdrawn)).await;
        let flushed = join_all(finders.iter().map(|finder| finder.flush()));
        env.within(end.since(env.now()), flushed).await;
        drop(dispatcher);
        // What is not deleted by then is found by whoever lists it.
        let deleted = async { while deleting.join_next().await.is_some() {} };
        env.within(end.since(env.now()), deleted).await;
        shared.hooks.tell(|| Event::Stopped);
        tracing::info!(worker = %shared.id, "stopped");
        ended
    }
}

/// Queues of one store share a root.
fn distinct(roots: impl Iterator<Item = Root>) -> Vec<Root> {
    let mut all: Vec<Root> = Vec::new();
    for root in roots {
        if !all.iter().any(|other| other.is(&root)) {
            all.push(root);
        }
    }
    all
}
