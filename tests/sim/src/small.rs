//! A small worker straight on the protocol, without discovery: it lists everything and tries what
//! is due. It shows faults of the protocol without those of the worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::env::Mono;
use oq_core::protocol::Root;
use oq_core::protocol::claim::{Claimed, Claiming, claim};
use oq_core::protocol::finish;
use oq_core::protocol::hold::{Hold, Renewed};
use oq_core::protocol::payload::{self, DEFAULT_INLINE, Place};
use oq_core::record::{
    Data, Failure, Json, Key, MAX_LEASE, ObjectId, Part, QueueName, Step, TaskId, Token, WorkerId,
    prefix,
};
use oq_core::state::claim::{Claimant, widen};
use oq_core::state::run::{Rest, Verdict, rest, settle, settle_overdue};
use oq_core::store::{Etag, List};
use oq_core::testing::mutant::{Mutant, mutated};
use oq_core::testing::sim_clock::SimHost;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stage::{Call, Reply, Stage};

/// One small worker.
#[derive(Debug, Clone)]
pub struct Small {
    pub root: Root,
    pub host: Arc<SimHost>,
    pub stage: Arc<Stage>,
    pub queues: Vec<QueueName>,
    pub concurrency: usize,
    pub poll: Duration,
}

/// What is known of objects that need not be tried yet.
type Memory = BTreeMap<ObjectId, (Etag, StoreTime)>;

impl Small {
    /// Works until `stop` says so, then gives everything back.
    pub async fn run(self, stop: CancellationToken) {
        let id = WorkerId::new(self.root.env().entropy.as_ref());
        let doubtful: Arc<Mutex<Vec<Token>>> = Arc::default();
        let mut memory: Vec<Memory> = vec![Memory::new(); self.queues.len()];
        let mut runs = JoinSet::new();
        while !stop.is_cancelled() {
            for (q, queue) in self.queues.iter().enumerate() {
                let Some(found) = self.list(queue).await else {
                    continue;
                };
                let memory = &mut memory[q];
                for (object, etag) in found {
                    while runs.try_join_next().is_some() {}
                    if runs.len() >= self.concurrency || stop.is_cancelled() {
                        break;
                    }
                    let now = self.root.now();
                    let known = memory.get(&object).filter(|(e, _)| *e == etag);
                    if object.due() > now || known.is_some_and(|(_, until)| *until > now) {
                        continue;
                    }
                    let who = Claimant {
                        worker: id.clone(),
                        token: Token::new(self.root.env().entropy.as_ref()),
                        longest_lease: MAX_LEASE,
                        slots: 1,
                    };
                    let tokens = doubtful.clone();
                    let how = Claiming {
                        queue,
                        wants: &|_| true,
                        purged_before: None,
                        doubtful: &move |t| lock(&tokens).contains(t),
                        admits: &|_| true,
                    };
                    match claim(&self.root, how, object, Some(&etag), &who).await {
                        Ok(Claimed::Held(hold)) => {
                            let token = hold.token().clone();
                            lock(&doubtful).retain(|t| *t != token);
                            let run = Run {
                                worker: self.clone(),
                                queue: q,
                                lease_until: Arc::new(Mutex::new(hold.lease_until())),
                                hold: *hold,
                            };
                            runs.spawn(run.run(stop.clone()));
                        }
                        Ok(Claimed::Waiting { until, etag } | Claimed::Running { until, etag }) => {
                            memory.insert(object, (etag, until));
                        }
                        Ok(Claimed::Doubt(token)) => lock(&doubtful).push(token),
                        Ok(_) | Err(_) => {}
                    }
                }
            }
            self.root.env().sleep(self.poll).await;
        }
        while runs.join_next().await.is_some() {}
    }

    async fn list(&self, queue: &QueueName) -> Option<Vec<(ObjectId, Etag)>> {
        let mut found = Vec::new();
        let mut list = List::prefix(prefix::live(queue));
        loop {
            let page = self.root.list(&list).await.ok()?.value;
            for entry in page.entries {
                if let Some(Key::Live(_, id)) = Key::parse(entry.key.as_str()) {
                    found.push((id, entry.etag));
                }
            }
            match page.next {
                Some(next) => list = list.after(next),
                None => return Some(found),
            }
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Run {
    worker: Small,
    queue: usize,
    hold: Hold,
    lease_until: Arc<Mutex<Mono>>,
}

impl Run {
    async fn run(mut self, stop: CancellationToken) {
        let env = self.worker.root.env().clone();
        let mut running: JoinSet<(usize, Verdict)> = JoinSet::new();
        let now = self.worker.root.now();
        settle_overdue(self.hold.live_mut(), now);
        let mut due: Vec<usize> = self.declared();
        loop {
            if self.hold.is_lost() {
                return;
            }
            *lock(&self.lease_until) = self.hold.lease_until();
            for index in due.drain(..) {
                if self.hold.live().tasks[index].cancel_requested {
                    let now = self.worker.root.now();
                    settle(self.hold.live_mut(), index, Verdict::Released, now);
                    settle_overdue(self.hold.live_mut(), now);
                    continue;
                }
                let attempt = self.attempt(index);
                running.spawn(async move { (index, attempt.run().await) });
            }
            match rest(self.hold.live(), self.worker.root.now()) {
                Rest::Running => {}
                Rest::Due => {
                    widen(self.hold.live_mut());
                    match self.hold.declare().await {
                        Ok((Renewed::Held, declared)) if !declared.is_empty() => due = declared,
                        _ => return,
                    }
                    continue;
                }
                Rest::Wait(_) => {
                    // What is not given back is taken over.
                    let _ = self.hold.give_back(Step::Retried, None).await;
                    return;
                }
                Rest::AllCompleted => {
                    if let Ok(finish::Finished::Recorded) = finish::completed(&mut self.hold).await
                    {
                        let key = Key::Live(self.hold.queue().clone(), self.hold.id());
                        let _ = self.worker.root.delete(&key.store_key()).await;
                    }
                    return;
                }
                Rest::AllOver => {
                    let _ = finish::over(&mut self.hold).await;
                    return;
                }
            }
            let renew_at = self.hold.lease_until() - self.hold.lease() * 2 / 3;
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    drop(running);
                    let _ = self.hold.give_back(Step::Released, None).await;
                    return;
                }
                Some(Ok((index, verdict))) = running.join_next() => {
                    let now = self.worker.root.now();
                    settle(self.hold.live_mut(), index, verdict, now);
                    settle_overdue(self.hold.live_mut(), now);
                }
                () = env.sleep(renew_at.since(env.now())) => {
                    let left = self.hold.left();
                    match env.within(left, self.hold.renew()).await {
                        Some(Ok(Renewed::Held)) => {}
                        Some(Ok(Renewed::Lost)) | None => return,
                        Some(Ok(Renewed::Doubt) | Err(_)) => {
                            env.sleep((self.hold.lease() / 12).min(self.hold.left())).await;
                        }
                    }
                }
            }
        }
    }

    fn declared(&self) -> Vec<usize> {
        let slots = self.hold.live().tasks.iter().enumerate();
        slots.filter(|(_, s)| s.running).map(|(i, _)| i).collect()
    }

    fn attempt(&self, index: usize) -> Attempt {
        let live = self.hold.live();
        let slot = &live.tasks[index];
        Attempt {
            worker: self.worker.clone(),
            queue: self.queue,
            task: self.hold.id().task(index),
            attempt: slot.attempts(),
            delivery: live.delivery,
            token: self.hold.token().clone(),
            input: slot.input.clone(),
            lease_until: self.lease_until.clone(),
        }
    }
}

/// One attempt of one task.
struct Attempt {
    worker: Small,
    queue: usize,
    task: TaskId,
    attempt: u32,
    delivery: u32,
    token: Token,
    input: Data,
    lease_until: Arc<Mutex<Mono>>,
}

impl Attempt {
    async fn run(self) -> Verdict {
        let (root, object) = (&self.worker.root, self.task.object());
        let queue = &self.worker.queues[self.queue];
        let broken = |what: &str| Verdict::Failed(Failure::new("payload", what), 0.5);
        let input = match payload::load(root, queue, object, &self.input).await {
            Ok(input) => input,
            Err(e) => return broken(&e.to_string()),
        };
        let held = *lock(&self.lease_until);
        if root.env().now() >= held && !mutated(Mutant::StartWithoutLease) {
            return Verdict::Released;
        }
        let Ok(input) = input.to() else {
            return broken("it is nothing that anybody submitted");
        };
        let call = Call {
            host: self.worker.host.clone(),
            env: self.worker.host.beside(root.env()),
            queue: self.queue,
            task: self.task,
            attempt: self.attempt,
            delivery: self.delivery,
            token: self.token.clone(),
            input,
            context: None,
        };
        let stage = &self.worker.stage;
        let failed = |kind| Failure::new(kind, "as the script says");
        let reply = stage.play(call, std::future::pending()).await;
        self.worker.host.awake().await;
        let result = match reply {
            Reply::Done(result) => Json::of(&result),
            Reply::Fail => return Verdict::Failed(failed("error"), 0.5),
            Reply::Fatal => return Verdict::Failed(failed("fatal").fatal(), 0.5),
            Reply::Panic => return Verdict::Failed(failed(Failure::PANIC), 0.5),
            Reply::Later(delay) => return Verdict::Later(delay),
            Reply::Cancelled => return Verdict::Cancelled,
        };
        let token = &Token::new(root.env().entropy.as_ref());
        let place = Place {
            queue,
            id: object,
            token,
            part: Part::Output(self.task.index() as u16),
        };
        let inline = stage.scenario.inline.unwrap_or(DEFAULT_INLINE);
        match payload::store(root, place, &result.expect("it is JSON"), inline).await {
            Ok(data) => Verdict::Completed(Some(data)),
            Err(e) => broken(&e.to_string()),
        }
    }
}
