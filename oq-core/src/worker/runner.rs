//! Runs one held object from claim to outcome: starts what was declared, renews the lease, keeps
//! what handlers say, and lets go in the one right way, which is in `end`. It is the only user of the
//! [`Hold`].

mod end;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(super) use self::end::Ended;
use super::Shared;
use super::attempt::{self, Work};
use super::budget::Turn;
use super::context::{Attempt, Said};
use super::hooks::Event;
use super::meters::Meters;
use crate::env::Mono;
use crate::protocol::hold::{Hold, Renewed};
use crate::record::{Failure, Step, TaskId};
use crate::span;
use crate::state::claim::{shorten_lease, widen};
use crate::state::run::{self, Rest, Verdict, rest, settle, settle_overdue};

/// How many bytes of results one record holds; each task has its share. As much again of what
/// handlers saved, and of what their errors say.
const PACK_RESULTS: usize = 1 << 20;

/// The runner of one held object.
pub(super) struct Runner {
    shared: Arc<Shared>,
    meters: Meters,
    hold: Hold,
    slots: Vec<OwnedSemaphorePermit>,
    /// Memory for the input of the task that is the next to start.
    memory: Option<OwnedSemaphorePermit>,
    /// Its turn to get that. Kept while leases are renewed: who queues anew each time may wait for ever.
    turn: Option<Turn>,
    waiting: VecDeque<usize>,
    running: JoinSet<(usize, Verdict, Duration)>,
    attempts: BTreeMap<usize, Arc<Attempt>>,
    /// How long the last attempt of each task ran.
    ran: BTreeMap<usize, Duration>,
    flush: Arc<Notify>,
    renew_at: Mono,
    step: Step,
    /// Why the object is to be given back, for its history.
    reason: Option<String>,
}

impl Runner {
    pub fn new(
        shared: Arc<Shared>,
        meters: Meters,
        hold: Hold,
        slot: OwnedSemaphorePermit,
    ) -> Runner {
        let renew_at = next_renewal(&hold);
        let declared = hold
            .live()
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, s)| s.running);
        let waiting = declared.map(|(i, _)| i).collect();
        Runner {
            shared,
            meters,
            hold,
            slots: vec![slot],
            memory: None,
            turn: None,
            waiting,
            running: JoinSet::new(),
            attempts: BTreeMap::new(),
            ran: BTreeMap::new(),
            flush: Arc::new(Notify::new()),
            renew_at,
            step: Step::Released,
            reason: None,
        }
    }

    /// Runs until the object is finished, given back or lost.
    pub async fn run(mut self) -> Ended {
        loop {
            if self.hold.is_lost() {
                return self.lost();
            }
            self.start();
            if self.running.is_empty() && self.waiting.is_empty() {
                let now = self.hold.root().now();
                settle_overdue(self.hold.live_mut(), now);
            }
            match rest(self.hold.live(), self.hold.root().now()) {
                Rest::Running => self.wait().await,
                Rest::Due if self.shared.releasing() => return self.give_back("shutdown").await,
                Rest::Due => {
                    widen(self.hold.live_mut());
                    if !self.declare().await {
                        return self.give_back("nothing could be started").await;
                    }
                }
                Rest::Wait(_) => return self.give_back("what is left must wait").await,
                Rest::AllCompleted | Rest::AllOver => return self.finish().await,
            }
        }
    }

    /// Starts what was declared, with as many slots and as much memory as are free.
    fn start(&mut self) {
        while let Some(index) = self.waiting.front().copied() {
            let slot = &self.hold.live().tasks[index];
            if slot.cancel_requested || self.shared.releasing() {
                self.waiting.pop_front();
                (self.memory, self.turn) = (None, None);
                self.settle(index, Verdict::Released);
                continue;
            }
            let budget = &self.shared.budget;
            let memory = match (self.memory.take(), &self.turn) {
                (None, None) => budget.try_take(budget.share(&slot.input)),
                (memory, _) => memory,
            };
            let Some(memory) = memory else {
                break;
            };
            if self.running.len() >= self.slots.len() {
                match self.shared.slots.clone().try_acquire_owned() {
                    Ok(slot) => self.slots.push(slot),
                    Err(_) => break,
                }
            }
            self.waiting.pop_front();
            self.spawn(index, memory);
        }
        // What this object no longer needs serves others.
        self.slots.truncate(self.running.len().max(1));
    }

    fn share(&self) -> usize {
        PACK_RESULTS / self.hold.id().count()
    }

    fn spawn(&mut self, index: usize, memory: OwnedSemaphorePermit) {
        let live = self.hold.live();
        let slot = &live.tasks[index];
        let env = self.hold.root().env().clone();
        let Some(handler) = self.shared.registry.get(&live.task_type) else {
            self.settle(index, Verdict::Released);
            return;
        };
        let deadline = env.now() + live.options.timeout;
        let attempt = Arc::new(Attempt {
            id: self.hold.id().task(index),
            queue: self.hold.queue().clone(),
            task_type: live.task_type.clone(),
            attempt: slot.attempts(),
            delivery: live.delivery,
            token: self.hold.token().clone(),
            tags: slot.tags.clone(),
            trace: slot.trace.clone(),
            saved: slot.saved.clone(),
            cancel: CancellationToken::new(),
            save_limit: self.share(),
            said: Mutex::new(Said {
                saved: None,
                progress: None,
                deadline,
                lease_until: self.hold.lease_until(),
            }),
            flush: self.flush.clone(),
            began: env.now(),
            env: env.clone(),
        });
        let work = Work {
            root: self.hold.root().clone(),
            attempt: attempt.clone(),
            handler,
            input: slot.input.clone(),
            // A pack's results share one record, which has to stay quick to write.
            inline_limit: self.shared.inline_limit.min(self.share()),
            cancel_grace: self.shared.cancel_grace,
        };
        let span = tracing::info_span!(
            "task",
            id = %attempt.id,
            r#type = %attempt.task_type,
            attempt = attempt.attempt,
            traceparent = attempt.trace.as_deref(),
        );
        self.shared.hooks.tell(|| Event::TaskStarted {
            queue: attempt.queue.clone(),
            id: attempt.id,
            task_type: attempt.task_type.clone(),
            attempt: attempt.attempt,
        });
        self.attempts.insert(index, attempt);
        self.meters.running.increment(1);
        let run = async move {
            let began = env.now();
            let verdict = attempt::run(work).await;
            drop(memory);
            (index, verdict, env.now().since(began))
        };
        self.running
            .spawn(tracing::Instrument::instrument(run, span));
    }

    /// Waits for the next thing to happen, and takes note of it.
    async fn wait(&mut self) {
        let env = self.hold.root().env().clone();
        let renewal = env.sleep(self.renew_at.since(env.now()));
        // One that runs already comes here again when a task of it ends.
        let shared = self.shared.clone();
        let next = self.waiting.front().filter(|_| self.running.is_empty());
        if let Some(index) = next
            && self.turn.is_none()
        {
            let share = shared.budget.share(&self.hold.live().tasks[*index].input);
            self.turn = Some(shared.budget.take(share));
        }
        let memory = async {
            match &mut self.turn {
                Some(turn) => turn.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.release.cancelled(), if !(self.running.is_empty() && self.waiting.is_empty()) => {
                self.stop_all().await;
            }
            memory = memory => (self.memory, self.turn) = (memory, None),
            Some(ended) = self.running.join_next() => {
                self.ended(ended);
                while let Some(ended) = self.running.try_join_next() {
                    self.ended(ended);
                }
            }
            () = renewal => { self.declare().await; }
            () = self.flush.notified() => { self.declare().await; }
        }
    }

    /// Takes note of a handler that came to its end.
    fn ended(&mut self, ended: Result<(usize, Verdict, Duration), tokio::task::JoinError>) {
        self.meters.running.decrement(1);
        // Handlers catch their own panics; what is left is a task aborted by `stop_all`.
        let Ok((index, verdict, took)) = ended else {
            return;
        };
        self.meters.run_time.record(took.as_secs_f64());
        self.ran.insert(index, took);
        self.keep_said(index);
        self.attempts.remove(&index);
        self.settle(index, verdict);
    }

    /// Stops all handlers; what they ran is released and not charged.
    async fn stop_all(&mut self) {
        self.running.abort_all();
        while let Some(ended) = self.running.join_next().await {
            self.ended(ended);
        }
        for index in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.keep_said(index);
            let verdict = self.cut_short(index);
            self.settle(index, verdict);
        }
        self.attempts.clear();
    }

    /// What is stopped is not charged, with one exception: a task that nearly had all the time that
    /// this worker has and left nothing to go on from would come back for ever.
    fn cut_short(&self, index: usize) -> Verdict {
        let Some(attempt) = self.attempts.get(&index) else {
            return Verdict::Released;
        };
        let now = attempt.env.now();
        let ran = now.since(attempt.began);
        let saved = attempt.said().saved.clone();
        let went_on = saved.is_some() && saved != attempt.saved;
        if went_on || !self.shared.had_its_chance(now, ran) {
            return Verdict::Released;
        }
        let why = format!(
            "it had not ended after {} s, when its worker's time was over: give the worker more time, or save in the handler where the next attempt goes on",
            ran.as_secs()
        );
        attempt::failed(self.hold.root(), Failure::new(Failure::TIMEOUT, why))
    }

    fn settle(&mut self, index: usize, mut verdict: Verdict) {
        let now = self.hold.root().now();
        if let Verdict::Failed(failure, _) = &mut verdict {
            failure.shorten(self.share());
        }
        let delay = if let Verdict::Later(delay) = verdict {
            Some(delay)
        } else {
            None
        };
        settle(self.hold.live_mut(), index, verdict, now);
        let (queue, id) = (self.hold.queue(), self.hold.id().task(index));
        let slot = &self.hold.live().tasks[index];
        if slot.outcome.is_some() || slot.available_at.is_none() {
            return;
        }
        match (delay, &slot.failure) {
            (Some(delay), _) => {
                self.step = Step::Rescheduled;
                self.reason = Some(format!("{}later, in {}", nth(id), span::exact(delay)));
                self.meters.rescheduled.increment(1);
                self.shared.hooks.tell(|| Event::Rescheduled {
                    queue: queue.clone(),
                    id,
                    task_type: self.hold.live().task_type.clone(),
                    delay,
                });
            }
            (None, Some(failure)) => {
                self.step = Step::Retried;
                self.reason = Some(format!("{}{}", nth(id), failure.brief()));
                self.meters.retried.increment(1);
                self.shared.hooks.tell(|| Event::Retried {
                    queue: queue.clone(),
                    id,
                    task_type: self.hold.live().task_type.clone(),
                    attempt: slot.attempts(),
                    delay: slot.available_at.unwrap_or(now).since(now),
                    failure: failure.clone(),
                });
            }
            (None, None) => {}
        }
    }

    /// Moves what a handler said into what the next write keeps.
    fn keep_said(&mut self, index: usize) {
        let Some(attempt) = self.attempts.get(&index) else {
            return;
        };
        let (saved, progress) = {
            let said = attempt.said();
            (said.saved.clone(), said.progress)
        };
        let live = self.hold.live_mut();
        if let Some(saved) = saved {
            run::save(live, index, saved);
        }
        if let Some(progress) = progress {
            run::progress(live, index, progress);
        }
    }

    /// Renews the lease, writes what is known, declares what is due and learns of cancellations.
    /// Returns whether there is anything new to start.
    async fn declare(&mut self) -> bool {
        for index in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.keep_said(index);
        }
        let root = self.hold.root().clone();
        let env = root.env();
        settle_overdue(self.hold.live_mut(), root.now());
        let longest = self.shared.longest_lease(env.now());
        shorten_lease(self.hold.live_mut(), longest);
        // A renewal that is not answered must not keep us from noticing that the lease is over.
        let left = self.hold.left();
        let answer = env.within(left, self.hold.declare()).await;
        // Not later than the lease ends, or handlers would go on without one.
        let soon = (env.now() + self.hold.lease() / 12).min(self.hold.lease_until());
        let declared = match answer {
            Some(Ok((Renewed::Held, declared))) => {
                self.renew_at = next_renewal(&self.hold);
                let until = self.hold.lease_until();
                for attempt in self.attempts.values() {
                    attempt.said().lease_until = until;
                }
                declared
            }
            Some(Ok((Renewed::Lost, _))) | None => return false,
            Some(Ok((Renewed::Doubt, _))) => {
                self.renew_at = soon;
                return false;
            }
            Some(Err(error)) => {
                tracing::warn!(id = %self.hold.id(), %error, "a lease could not be renewed");
                self.renew_at = soon;
                return false;
            }
        };
        for (index, attempt) in &self.attempts {
            if self.hold.live().tasks[*index].cancel_requested {
                attempt.cancel.cancel();
            }
        }
        let new = !declared.is_empty();
        self.waiting.extend(declared);
        new
    }
}

/// Which task of a pack it is about.
fn nth(id: TaskId) -> String {
    match id.object().count() {
        1 => String::new(),
        _ => format!("task {}: ", id.index()),
    }
}

/// A third of the lease after the send of the last renewal.
fn next_renewal(hold: &Hold) -> Mono {
    hold.lease_until() - hold.lease() * 2 / 3
}
