//! Submitting one object: a lone task, a pack, or a task under a key.

use std::time::Duration;

use super::Queue;
use super::task::Task;
use crate::error::{Error, Result};
use crate::metric;
use crate::protocol::keyed::{Keying, submit_keyed};
use crate::protocol::payload::{self, Place};
use crate::protocol::submit::{self, Submitted as Verdict};
use crate::record::{
    Keyed, Live, ObjectId, Part, Priority, Settings, Shard, Slot, Stamp, TaskId, Token,
};
use crate::state::submit::{Draft, pending};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// How many ids are tried; fifty-five random bits in one millisecond hardly ever meet.
const IDS: u32 = 4;

/// Later than this a task need not be rung for: the sweep finds it in time.
const RING_AHEAD: Duration = Duration::from_secs(30);

/// The id of a task that was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: TaskId,
    /// Whether it was there already, under the same key.
    pub existing: bool,
}

impl Queue {
    /// Submits one task: one PUT (two under a key). When it returns, the task is accepted and ends
    /// in exactly one outcome.
    ///
    /// [`Error::Invalid`] and [`Error::Unavailable`] mean that it was not accepted and never will
    /// be; [`Error::InDoubt`] names the id under which it exists if it was. Dropping the future
    /// leaves the same doubt without the id.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let first = queue.submit(Task::new("welcome", "a@x.io")?.key("welcome:a@x.io")).await?;
    /// let again = queue.submit(Task::new("welcome", "a@x.io")?.key("welcome:a@x.io")).await?;
    /// assert_eq!(first.id, again.id);
    /// assert!(!first.existing && again.existing);
    /// # Ok(()) }
    /// ```
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.name(), task_type = %task.task_type()))]
    pub async fn submit(&self, task: Task) -> Result<Submitted> {
        task.check()?;
        let settings = self.current().await;
        let (draft, due) = task.shape.resolve(&settings, self.submit_time())?;
        let submitted = match task.keyed() {
            None => {
                let id = self.put(&settings, &draft, due, &[&task], None).await?;
                Submitted {
                    id: id.task(0),
                    existing: false,
                }
            }
            Some(keyed) => {
                let new_id = || self.new_id(&settings, due, task.shape.priority, 1);
                self.put_keyed(&settings, &draft, &task, keyed, &new_id)
                    .await?
            }
        };
        if submitted.existing {
            self.count(metric::SUBMIT_EXISTING, 1);
        } else {
            self.accepted(submitted.id.object(), due);
        }
        Ok(submitted)
    }

    /// Store time, by which ids and due times go.
    pub(super) fn submit_time(&self) -> StoreTime {
        let now = self.root().now();
        if mutated(Mutant::WallClockIds) {
            // A producer whose clock is an hour fast.
            return now.plus(Duration::from_secs(3600));
        }
        now
    }

    pub(super) fn new_id(
        &self,
        settings: &Settings,
        due: StoreTime,
        priority: Priority,
        count: usize,
    ) -> ObjectId {
        let env = self.root().env();
        let shard = u16::try_from(env.below(u64::from(settings.shards))).unwrap_or(0);
        let shard = Shard::new(shard).unwrap_or_default();
        ObjectId::new(due, priority, count, shard, env.entropy.as_ref())
    }

    /// An object was accepted: counts its tasks and rings for them.
    pub(super) fn accepted(&self, id: ObjectId, due: StoreTime) {
        self.count(metric::SUBMITTED, id.count() as u64);
        if due <= self.root().now().plus(RING_AHEAD) {
            self.ring(id);
        }
    }

    /// Writes tasks that share a draft as one object, under `fixed` or a new id.
    pub(super) async fn put(
        &self,
        settings: &Settings,
        draft: &Draft,
        due: StoreTime,
        tasks: &[&Task],
        fixed: Option<ObjectId>,
    ) -> Result<ObjectId> {
        let Some(first) = tasks.first() else {
            return Err(Error::invalid("pack", "it is empty"));
        };
        for _ in 0..IDS {
            let priority = first.shape.priority;
            let id = fixed.unwrap_or_else(|| self.new_id(settings, due, priority, tasks.len()));
            let live = self.live(id, draft, tasks).await?;
            let inputs: Vec<_> = live.tasks.iter().map(|t| t.input.clone()).collect();
            let verdict = submit::submit(self.root(), self.name(), id, live, None).await;
            if !matches!(verdict, Ok(Verdict::Accepted(_) | Verdict::Doubt)) {
                for input in &inputs {
                    payload::discard(self.root(), self.name(), id, input).await;
                }
            }
            match verdict? {
                Verdict::Accepted(_) => return Ok(id),
                Verdict::Taken if fixed.is_some() => {
                    return Err(Error::Conflict(format!("{id} is there already")));
                }
                Verdict::Taken => {}
                Verdict::Refused => {
                    return Err(Error::Unavailable(
                        "it took no task, and none was accepted".into(),
                    ));
                }
                Verdict::Doubt => {
                    return Err(Error::InDoubt {
                        ids: id.tasks().collect(),
                    });
                }
            }
        }
        Err(Error::Unavailable("no id was free".into()))
    }

    /// Writes one task under its key.
    pub(super) async fn put_keyed(
        &self,
        settings: &Settings,
        draft: &Draft,
        task: &Task,
        keyed: Keyed,
        new_id: &(dyn Fn() -> ObjectId + Send + Sync),
    ) -> Result<Submitted> {
        let how = Keying {
            queue: self.name(),
            hash: &keyed.hash,
            window: keyed.window,
            purged_before: settings.purged_before,
            new_id,
        };
        let (hash, draft) = (&keyed.hash, &draft);
        let make = move |id: ObjectId, window: Duration| async move {
            // When and how urgent is what the id says, which may be another submitter's.
            let draft = Draft {
                available_at: Some(id.due()).filter(|due| *due > self.root().now()),
                key: Some(Keyed {
                    hash: hash.clone(),
                    window,
                }),
                ..(*draft).clone()
            };
            self.live(id, &draft, &[task]).await
        };
        let stands = submit_keyed(self.root(), how, make).await?;
        Ok(Submitted {
            id: stands.id.task(0),
            existing: stands.existing,
        })
    }

    /// The record of a new object; large inputs are written on the way.
    async fn live(&self, id: ObjectId, draft: &Draft, tasks: &[&Task]) -> Result<Live> {
        let entropy = self.root().env().entropy.as_ref();
        let token = Token::new(entropy);
        let mut slots: Vec<Slot> = Vec::with_capacity(tasks.len());
        for (index, task) in tasks.iter().enumerate() {
            let place = Place {
                queue: self.name(),
                id,
                token: &token,
                part: Part::Input(u16::try_from(index).unwrap_or(u16::MAX)),
            };
            let stored = payload::store(self.root(), place, task.input(), self.inner.inline).await;
            match stored {
                Ok(input) => slots.push(task.slot(input)),
                Err(e) => {
                    for slot in &slots {
                        payload::discard(self.root(), self.name(), id, &slot.input).await;
                    }
                    return Err(e);
                }
            }
        }
        // The stamp is set afresh by every send.
        Ok(pending(
            draft,
            slots,
            Stamp::first(self.root().now(), entropy),
        ))
    }
}
