//! The users of a scenario: they submit, cancel and look, and write down what they were told.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use oq_core::env::Env;
use oq_core::queue::{Cancelled, Queue, Task, TaskState};
use oq_core::record::{Retry, TaskId};
use oq_core::testing::sim_entropy::Dice;
use oq_core::{Error, Result};

use crate::effects::{Did, read, wall};
use crate::judge::{Cancel, Over, Told};
use crate::play::LEASE;
use crate::scenario::Load;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// No more tasks than this are open at a time, so that what is open is over soon after the trouble.
const OPEN: usize = 24;

/// The users of one scenario.
#[derive(Clone)]
pub struct Users {
    /// Their network fails as the workers' does.
    pub queue: Queue,
    pub env: Env,
    pub seed: u64,
    pub load: Load,
    pub effects: PathBuf,
    pub told: Arc<Mutex<Told>>,
    /// They have done enough.
    pub quit: Arc<AtomicBool>,
}

/// What a submission was told of.
struct Noted {
    ids: Vec<String>,
    accepted: bool,
}

impl Users {
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_quit(&self) -> bool {
        self.quit.load(Ordering::Relaxed)
    }

    /// What their load is about was done once at least.
    pub fn did_their_part(&self) -> bool {
        let told = self.told();
        let cancels = matches!(self.load, Load::Cancel | Load::Mixed);
        let keys = matches!(self.load, Load::Keys | Load::Mixed);
        !told.accepted.is_empty() && (!cancels || told.stopped() > 0) && (!keys || told.pairs > 0)
    }

    /// Submits tasks until it is enough.
    pub async fn submit(self) {
        let mut dice = Dice::new(self.seed, 13);
        let mut n = 0u64;
        while !self.has_quit() {
            if self.told().open() < OPEN {
                n += 1;
                let load = match self.load {
                    Load::Mixed => *dice.pick(&Load::EACH).unwrap_or(&Load::Lone),
                    load => load,
                };
                // What is submitted here can be submitted.
                let _never_invalid = self.submit_one(load, n, &mut dice).await;
            }
            self.env.sleep(dice.between(20 * MS, 200 * MS)).await;
        }
    }

    async fn submit_one(&self, load: Load, n: u64, dice: &mut Dice) -> Result<()> {
        let run = match (load, dice.below(10)) {
            (Load::Cancel, _) => dice.between(8 * S, 15 * S),
            (Load::Lone, 0 | 1) => dice.between(8 * S, 20 * S),
            (Load::Retries | Load::Later, _) => dice.between(10 * MS, 2 * S),
            (_, 2..=5) => dice.between(S, 5 * S),
            _ => dice.between(10 * MS, S),
        };
        let kind = match load {
            Load::Retries => "flaky",
            Load::Later => "later",
            _ if dice.chance(0.2) => "block",
            _ => "act",
        };
        let task = Task::new(kind, &run.as_secs_f64())?
            .lease(LEASE)
            .retry(Retry::exponential(50, 200 * MS))
            .timeout(60 * S);
        let shared = load == Load::Packed || (load == Load::Retries && dice.chance(0.3));
        if load == Load::Keys {
            self.submit_twice(task, format!("key {n}")).await;
        } else if shared {
            let tasks = vec![task; dice.range(2, 8) as usize];
            let size = tasks.len();
            let batches = self.queue.submit_many(tasks).pack(size).into_stream();
            let answers: Vec<_> = batches.map(|batch| batch.ids).collect().await;
            for answer in &answers {
                self.note(answer);
            }
        } else {
            self.submit_lone(task).await;
        }
        Ok(())
    }

    async fn submit_twice(&self, task: Task, key: String) {
        let task = task.key(key.clone());
        let (once, again) = (self.submit_lone(task.clone()), self.submit_lone(task));
        let (once, again) = futures::join!(once, again);
        let mut told = self.told();
        told.pairs += usize::from(once.accepted && again.accepted);
        let ids = told.keys.entry(key).or_default();
        ids.extend(once.ids.into_iter().chain(again.ids));
    }

    async fn submit_lone(&self, task: Task) -> Noted {
        let answer = self.queue.submit(task).await;
        self.note(&answer.map(|there| vec![there.id]))
    }

    fn note(&self, answer: &Result<Vec<TaskId>>) -> Noted {
        let (ids, accepted) = match answer {
            Ok(ids) => (&ids[..], true),
            Err(Error::InDoubt { ids }) => (&ids[..], false),
            Err(_) => (&[][..], false),
        };
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut told = self.told();
        let known = match accepted {
            true => &mut told.accepted,
            false => &mut told.doubtful,
        };
        known.extend(ids.iter().cloned());
        Noted { ids, accepted }
    }

    /// Cancels tasks while they run, until it is enough.
    pub async fn cancel(self) {
        let mut dice = Dice::new(self.seed, 15);
        if !matches!(self.load, Load::Cancel | Load::Mixed) {
            return;
        }
        while !self.has_quit() {
            self.env.sleep(dice.between(300 * MS, S)).await;
            let Some(id) = self.one_that_runs(&mut dice) else {
                continue;
            };
            let Ok(task) = id.parse::<TaskId>() else {
                continue;
            };
            self.told().asked.insert(id.clone());
            let answer = self.queue.cancel(task).await;
            let at = wall();
            let mut told = self.told();
            match answer {
                Ok(Cancelled::Requested) => {
                    told.cancelled.insert(id, Cancel { at, over: false });
                }
                Ok(Cancelled::Cancelled) => {
                    told.cancelled.insert(id, Cancel { at, over: true });
                }
                // It may have been asked for.
                Ok(Cancelled::AlreadyOver(_)) | Err(_) => {}
            }
        }
    }

    fn one_that_runs(&self, dice: &mut Dice) -> Option<String> {
        let mut running: Vec<String> = Vec::new();
        for effect in read(&self.effects) {
            running.retain(|id| *id != effect.task);
            if effect.did == Did::Start {
                running.push(effect.task);
            }
        }
        let told = self.told();
        running.retain(|id| !told.asked.contains(id) && !told.over.contains_key(id));
        dice.pick(&running).cloned()
    }

    /// Reads outcomes over and over, on a network that does not fail, and notes when each was seen
    /// first.
    pub async fn look(self, eyes: Queue) {
        loop {
            let open = self.told().open_ones();
            for id in open {
                let Ok(task) = id.parse::<TaskId>() else {
                    continue;
                };
                let Ok(view) = eyes.get(task).await else {
                    continue;
                };
                if !view.state.is_over() {
                    continue;
                }
                let at = wall();
                let output = match view.state {
                    TaskState::Completed => eyes.result::<String>(task).await.ok(),
                    _ => None,
                };
                let state = view.state;
                let over = Over { at, state, output };
                self.told().over.entry(id).or_insert(over);
            }
            self.env.sleep(150 * MS).await;
        }
    }
}
