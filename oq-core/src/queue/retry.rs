//! Trying a dead task again: a new task that names the old one.

use sha2::{Digest, Sha256};

use super::Queue;
use super::submit::Submitted;
use super::task::Task;
use crate::error::{Error, Result};
use crate::metric;
use crate::protocol::lookup::{Found, lookup};
use crate::protocol::payload;
use crate::record::{Done, Ending, Key, ObjectId, Seen, Settings, Shard, TaskId};
use crate::state::submit::Draft;

impl Queue {
    /// Submits a task anew that failed, was cancelled or expired: same type, input, options and
    /// tags, a new id, and `retry_of` naming the old one. Its dead letter is removed.
    ///
    /// The new id is derived from the old one, so trying twice, even at the same time or after a
    /// lost answer, makes one task: the second answer is `existing`. What failed again is tried
    /// again under *its* id. A task with an idempotency key is tried again under that key, and not while
    /// the key stands for another one.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] for what is not over or completed, and for a key that stands for another task;
    /// [`Error::NotFound`] for what is not known any more.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
    /// queue.cancel(task.id).await?;
    /// let again = queue.retry(task.id).await?;
    /// assert_eq!(queue.get(again.id).await?.retry_of, Some(task.id));
    /// assert_eq!(queue.retry(task.id).await?.id, again.id);
    /// # Ok(()) }
    /// ```
    pub async fn retry(&self, id: TaskId) -> Result<Submitted> {
        self.retry_because(id, None).await
    }

    /// The same, with a reason for the new task's history.
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.name(), %id))]
    pub async fn retry_because(&self, id: TaskId, reason: Option<&str>) -> Result<Submitted> {
        let done = match lookup(self.root(), self.name(), id.object()).await? {
            Some(Found::Done { done, .. }) => done,
            Some(Found::Live { .. }) => {
                return Err(Error::Conflict(format!("{id} is not over yet")));
            }
            None => return Err(Error::NotFound(id.to_string())),
        };
        let settings = self.current().await;
        let new = successor(id, &done, &settings)?;
        let submitted = match lookup(self.root(), self.name(), new).await? {
            Some(found) => {
                is_successor(&found, id, new)?;
                Submitted {
                    id: new.task(0),
                    existing: true,
                }
            }
            None => {
                self.submit_again(id, &done.record, new, &settings, reason)
                    .await?
            }
        };
        self.root()
            .delete(&Key::Dead(self.name().clone(), id).store_key())
            .await?;
        Ok(submitted)
    }

    async fn submit_again(
        &self,
        id: TaskId,
        done: &Done,
        new: ObjectId,
        settings: &Settings,
        reason: Option<&str>,
    ) -> Result<Submitted> {
        let old = &done.tasks[id.index()];
        let input = old.input.as_ref().ok_or_else(|| {
            Error::Conflict(format!("{id} cannot be tried again: its input is gone"))
        })?;
        // Read and written again: the old object's payloads go with its outcome.
        let input = payload::load(self.root(), self.name(), id.object(), input).await?;
        let task = Task::again(done, old, input, new.priority());
        let (draft, _) = task.shape.resolve(settings, self.submit_time())?;
        let draft = Draft {
            retry_of: Some(id),
            reason: reason.map(str::to_owned),
            ..draft
        };
        let due = self.root().now();
        let submitted = match done.key.clone() {
            Some(keyed) => {
                let new_id = || new;
                let stands = self.put_keyed(settings, &draft, &task, keyed, &new_id);
                let stands = stands.await?;
                if stands.id != new.task(0) {
                    return Err(Error::Conflict(format!(
                        "the key of {id} stands for another task now, {}: cancel that one first, or submit \
                         this one's work under another key",
                        stands.id
                    )));
                }
                stands
            }
            None => match self.put(settings, &draft, due, &[&task], Some(new)).await {
                Ok(_) => Submitted {
                    id: new.task(0),
                    existing: false,
                },
                // Somebody else tried it again at the same time.
                Err(Error::Conflict(_)) => Submitted {
                    id: new.task(0),
                    existing: true,
                },
                Err(e) => return Err(e),
            },
        };
        if !submitted.existing {
            self.count(metric::RESUBMITTED, 1);
            self.accepted(new, due);
        }
        Ok(submitted)
    }
}

/// The one id under which a task that is over can be tried again.
fn successor(id: TaskId, done: &Seen<Done>, settings: &Settings) -> Result<ObjectId> {
    let old = done.record.tasks.get(id.index());
    let old = old.ok_or_else(|| Error::NotFound(id.to_string()))?;
    if old.outcome.ending == Ending::Completed {
        return Err(Error::Conflict(format!("{id} completed")));
    }
    let mut random = [0; 8];
    random.copy_from_slice(&Sha256::digest(format!("retry {id}").as_bytes())[..8]);
    let shard = id.object().shard();
    let shard = if shard.value() < settings.shards_high {
        shard
    } else {
        Shard::new(shard.value() % settings.shards.max(1))?
    };
    Ok(ObjectId::from_parts(
        old.outcome.at,
        u64::from_be_bytes(random),
        id.object().priority(),
        1,
        shard,
    ))
}

/// What is there must be the old task's successor, not an accident of hashing.
fn is_successor(found: &Found, old: TaskId, new: ObjectId) -> Result<()> {
    let named = match found {
        Found::Live { live, .. } => live.record.retry_of,
        Found::Done { done, .. } => done.record.retry_of,
    };
    if named == Some(old) {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{new} is there and is another task"
    )))
}
