//! Cancelling tasks.

use futures::future::join_all;

use super::Queue;
use super::filter::Filter;
use super::list::Listed;
use crate::error::{Error, Result};
use crate::protocol::finish::{self, Finished};
use crate::protocol::lookup::{Found, lookup};
use crate::protocol::write::{Settled, update};
use crate::record::{Done, Ending, Key, Live, LiveState, Seen, TaskId};
use crate::state::cancel::{Cancel, cancel};

/// What a request to cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled, that is recorded, and it will not be started.
    Cancelled,
    /// A worker holds it, or it shares its object with others: the worker will see the request at
    /// its next write, or whoever claims the object next. It may still end in another way.
    Requested,
    /// It was over before.
    AlreadyOver(Ending),
}

/// How often others may change the object in between.
const ROUNDS: u32 = 10;

/// How many objects are asked for at a time.
pub(super) const AT_A_TIME: usize = 16;

/// What a request to cancel many tasks came to.
#[derive(Debug, Clone, Default)]
pub struct CancelledMany {
    /// How many are cancelled.
    pub cancelled: u64,
    /// How many were asked for; their workers decide.
    pub requested: u64,
    /// How many were over before they could be asked for.
    pub already_over: u64,
    /// How many may not have been asked for, because the store did not answer.
    pub failed: u64,
    /// How many objects could not be understood, and were left as they are.
    pub unreadable: u64,
    /// What ended it early; what is counted was done before.
    pub error: Option<Error>,
}

impl CancelledMany {
    /// How many tasks have an answer.
    pub fn asked(&self) -> u64 {
        self.cancelled + self.requested + self.already_over + self.failed
    }

    fn add(&mut self, tasks: u64, answer: Result<Cancelled>) {
        match answer {
            Ok(Cancelled::Cancelled) => self.cancelled += tasks,
            Ok(Cancelled::Requested) => self.requested += tasks,
            Ok(Cancelled::AlreadyOver(_)) | Err(Error::NotFound(_)) => self.already_over += tasks,
            Err(Error::Unavailable(_) | Error::InDoubt { .. }) => self.failed += tasks,
            Err(Error::Unreadable { .. }) => self.unreadable += 1,
            Err(e) => {
                self.failed += tasks;
                self.error.get_or_insert(e);
            }
        }
    }
}

impl Queue {
    /// Asks to cancel one task: two GET, and one PUT, or two and a DELETE if nobody holds it.
    ///
    /// ```
    /// # use oq_core::queue::{Cancelled, Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
    /// assert_eq!(queue.cancel(task.id).await?, Cancelled::Cancelled);
    /// # Ok(()) }
    /// ```
    pub async fn cancel(&self, id: TaskId) -> Result<Cancelled> {
        self.cancel_because(id, None).await
    }

    /// The same, with a reason for the task's history.
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.name(), %id))]
    pub async fn cancel_because(&self, id: TaskId, reason: Option<&str>) -> Result<Cancelled> {
        self.cancel_tasks(id, &[id.index()], reason).await
    }

    /// Asks to cancel these tasks of the object of `id`; answers for `id`.
    pub(super) async fn cancel_tasks(
        &self,
        id: TaskId,
        which: &[usize],
        reason: Option<&str>,
    ) -> Result<Cancelled> {
        let key = Key::Live(self.name().clone(), id.object());
        let reason = reason.map(str::to_owned);
        for round in 1..=ROUNDS {
            let (live, seal) = match lookup(self.root(), self.name(), id.object()).await? {
                None => return Err(Error::NotFound(id.to_string())),
                Some(Found::Done { done, .. }) => return over(id, &done.record),
                Some(Found::Live { live, seal }) => (live, seal.map(|seal| *seal)),
            };
            if live.record.state == LiveState::Terminal {
                if self.settle(id, &live.record, seal).await? == Finished::Doubt {
                    return Ok(Cancelled::Requested);
                }
                continue;
            }
            match cancel(&live.record, which, reason.clone(), self.root().now()) {
                Cancel::Nothing => return nothing(id, &live.record),
                Cancel::Requested(next) => match update(self.root(), &key, &live, *next).await? {
                    Settled::Won { .. } => return Ok(Cancelled::Requested),
                    Settled::Lost(_) => {}
                    Settled::Doubt => return Err(unanswered(id)),
                },
                Cancel::Over(next) => match update(self.root(), &key, &live, *next).await? {
                    // Won, but "cancelled" is true only when the outcome says so: an older
                    // holder's outcome may have been there first.
                    Settled::Won { seen, .. } => {
                        let recorded = self.record_over(id, &seen.record, seal).await;
                        return match recorded {
                            Ok(Some(done)) => match over(id, &done)? {
                                Cancelled::AlreadyOver(Ending::Cancelled) => {
                                    Ok(Cancelled::Cancelled)
                                }
                                other => Ok(other),
                            },
                            Ok(None) => Ok(Cancelled::Requested),
                            // It was asked for all the same, and whoever meets it goes on.
                            Err(error) => {
                                tracing::warn!(queue = %self.name(), %id, %error, "a cancelled task could not be recorded yet");
                                Ok(Cancelled::Requested)
                            }
                        };
                    }
                    Settled::Lost(_) => {}
                    Settled::Doubt => return Err(unanswered(id)),
                },
            }
            self.root().back_off(round).await;
        }
        Err(Error::Unavailable(format!(
            "{id} could not be cancelled: it keeps changing"
        )))
    }

    /// Asks to cancel all live tasks that match a filter; those of one object in one write.
    ///
    /// What is submitted meanwhile may be missed. The filter's states are narrowed to live ones. An
    /// error ends it early and is told with what was done before.
    ///
    /// ```
    /// # use oq_core::queue::{Filter, Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// queue.submit(Task::new("resize", "cat.png")?.tag("customer", "c1")).await?;
    /// let done = queue.cancel_many(Filter::new().tag("customer", "c1"), Some("left us")).await;
    /// assert_eq!((done.cancelled, done.error.is_some()), (1, false));
    /// # Ok(()) }
    /// ```
    pub async fn cancel_many(&self, filter: Filter, reason: Option<&str>) -> CancelledMany {
        self.cancel_many_told(filter, reason, |_| {}).await
    }

    /// The same; `told` gets the sum so far, again and again, to show how far it is.
    pub async fn cancel_many_told(
        &self,
        filter: Filter,
        reason: Option<&str>,
        told: impl FnMut(&CancelledMany),
    ) -> CancelledMany {
        let mut sum = CancelledMany::default();
        if let Err(e) = self.cancel_listed(filter, reason, &mut sum, told).await {
            sum.error = Some(e);
        }
        sum
    }

    async fn cancel_listed(
        &self,
        filter: Filter,
        reason: Option<&str>,
        sum: &mut CancelledMany,
        mut told: impl FnMut(&CancelledMany),
    ) -> Result<()> {
        let mut listing = self.list(filter.live())?;
        let mut next = listing.next().await?;
        while next.is_some() {
            let mut objects: Vec<Vec<TaskId>> = Vec::new();
            while let Some(found) = next.take() {
                match found {
                    Listed::Unreadable { .. } => sum.unreadable += 1,
                    Listed::Task(view) if view.cancel_requested => sum.requested += 1,
                    Listed::Task(view) => {
                        let last = objects.last().map(|ids| ids[0].object());
                        if last != Some(view.id.object()) {
                            if objects.len() == AT_A_TIME {
                                next = Some(Listed::Task(view));
                                break;
                            }
                            objects.push(Vec::new());
                        }
                        if let Some(ids) = objects.last_mut() {
                            ids.push(view.id);
                        }
                    }
                }
                next = listing.next().await?;
            }
            let asked = objects.iter().map(|ids| self.cancel_together(ids, reason));
            for (ids, answer) in objects.iter().zip(join_all(asked).await) {
                sum.add(ids.len() as u64, answer);
            }
            if sum.error.is_some() {
                break;
            }
            told(sum);
        }
        Ok(())
    }

    async fn cancel_together(&self, ids: &[TaskId], reason: Option<&str>) -> Result<Cancelled> {
        let which: Vec<usize> = ids.iter().map(|id| id.index()).collect();
        self.cancel_tasks(ids[0], &which, reason).await
    }

    async fn settle(&self, id: TaskId, live: &Live, seal: Option<Seen<Done>>) -> Result<Finished> {
        finish::terminal(self.root(), self.name(), id.object(), live, seal).await
    }

    /// Records what a terminal record says; returns what is recorded then, if that is known.
    async fn record_over(
        &self,
        id: TaskId,
        live: &Live,
        seal: Option<Seen<Done>>,
    ) -> Result<Option<Done>> {
        if self.settle(id, live, seal).await? == Finished::Doubt {
            return Ok(None);
        }
        Ok(match lookup(self.root(), self.name(), id.object()).await? {
            Some(Found::Done { done, .. }) => Some(done.record),
            _ => None,
        })
    }
}

pub(super) fn over(id: TaskId, done: &Done) -> Result<Cancelled> {
    let task = done.tasks.get(id.index());
    let task = task.ok_or_else(|| Error::NotFound(id.to_string()))?;
    Ok(Cancelled::AlreadyOver(task.outcome.ending))
}

/// The task of a held object was asked for before, or has an outcome that is not recorded yet.
pub(super) fn nothing(id: TaskId, live: &Live) -> Result<Cancelled> {
    let slot = live.tasks.get(id.index());
    let slot = slot.ok_or_else(|| Error::NotFound(id.to_string()))?;
    Ok(match &slot.outcome {
        Some(outcome) => Cancelled::AlreadyOver(outcome.ending),
        None => Cancelled::Requested,
    })
}

pub(super) fn unanswered(id: TaskId) -> Error {
    Error::InDoubt { ids: vec![id] }
}
