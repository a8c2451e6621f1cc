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
use crate::judge::{Over, Told};
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
        !told.accepted.is_empty()
            && (!cancels || !told.cancelled.is_empty())
            && (!keys || told.pairs > 0)
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
            self.submit_twice(task.key(format!("key {n}"))).await;
        } else if shared {
            let tasks = vec![task; dice.range(2, 8) as usize];
            let size = tasks.len();
            let batches = self.queue.submit_many(tasks).pack(size).into_stream();
            let answers: Vec<_> = batches.map(|batch| batch.ids).collect().await;
            answers.iter().for_each(|answer| self.note(answer));
        } else {
            self.note(&self.queue.submit(task).await.map(|there| vec![there.id]));
        }
        Ok(())
    }

    async fn submit_twice(&self, task: Task) {
        let once = async {
            self.queue
                .submit(task.clone())
                .await
                .map(|there| vec![there.id])
        };
        let again = async {
            self.queue
                .submit(task.clone())
                .await
                .map(|there| vec![there.id])
        };
        let (once, again) = futures::join!(once, again);
        self.note(&once);
        self.note(&again);
        if let (Ok(once), Ok(again)) = (once, again) {
            let mut told = self.told();
            told.pairs += 1;
            told.split += usize::from(once != again);
        }
    }

    fn note(&self, answer: &Result<Vec<TaskId>>) {
        let mut told = self.told();
        match answer {
            Ok(ids) => told.accepted.extend(ids.iter().map(ToString::to_string)),
            Err(Error::InDoubt { ids }) => {
                told.doubtful.extend(ids.iter().map(ToString::to_string));
            }
            Err(_) => told.refused += 1,
        }
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
                    told.cancelled.insert(id, at);
                }
                Ok(Cancelled::Cancelled) => {
                    told.cancelled.insert(id.clone(), at);
                    let (state, output) = (TaskState::Cancelled, None);
                    told.over.entry(id).or_insert(Over { at, state, output });
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
