//! Cancelling tasks that are named one by one: those of one object in one write.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};

use super::Queue;
use super::cancel::{AT_A_TIME, Cancelled, nothing, over, unanswered};
use crate::error::{Error, Result};
use crate::protocol::lookup::{Found, lookup};
use crate::record::{Ending, ObjectId, TaskId};

impl Queue {
    /// Asks to cancel these tasks and answers for each, in their order. Tasks of one object take one
    /// write, several objects are asked for at a time.
    ///
    /// ```
    /// # use oq_core::queue::{Cancelled, Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let tasks = (0..3).map(|n| Task::new("resize", &n).unwrap());
    /// let ids = queue.submit_many(tasks).ids().await?;
    /// for (id, answer) in queue.cancel_ids(&ids, Some("not wanted")).await {
    ///     println!("{id}: {:?}", answer?);
    /// }
    /// # Ok(()) }
    /// ```
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.name(), tasks = ids.len()))]
    pub async fn cancel_ids(
        &self,
        ids: &[TaskId],
        reason: Option<&str>,
    ) -> Vec<(TaskId, Result<Cancelled>)> {
        let mut objects: BTreeMap<ObjectId, Vec<TaskId>> = BTreeMap::new();
        for id in ids {
            let tasks = objects.entry(id.object()).or_default();
            if !tasks.contains(id) {
                tasks.push(*id);
            }
        }
        let asked = objects
            .values()
            .map(|ids| self.cancel_of_one(ids, reason))
            .collect::<Vec<_>>();
        let answers: BTreeMap<TaskId, Result<Cancelled>> = stream::iter(asked)
            .buffer_unordered(AT_A_TIME)
            .flat_map(stream::iter)
            .collect()
            .await;
        let answer = |id: &TaskId| {
            let unknown = || Err(Error::NotFound(id.to_string()));
            (*id, answers.get(id).cloned().unwrap_or_else(unknown))
        };
        ids.iter().map(answer).collect()
    }

    /// Tasks of one object, in one write; what became of each is looked up once.
    async fn cancel_of_one(
        &self,
        ids: &[TaskId],
        reason: Option<&str>,
    ) -> Vec<(TaskId, Result<Cancelled>)> {
        let which: Vec<usize> = ids.iter().map(|id| id.index()).collect();
        let first = self.cancel_tasks(ids[0], &which, reason).await;
        let (Ok(answer), [_, _, ..]) = (&first, ids) else {
            return ids.iter().map(|id| (*id, first.clone())).collect();
        };
        let of = |id: &TaskId, found: &Option<Found>| match found {
            Some(Found::Done { done, .. }) => match over(*id, &done.record)? {
                Cancelled::AlreadyOver(Ending::Cancelled) if *answer == Cancelled::Cancelled => {
                    Ok(Cancelled::Cancelled)
                }
                over => Ok(over),
            },
            Some(Found::Live { live, .. }) => nothing(*id, &live.record),
            None => Err(Error::NotFound(id.to_string())),
        };
        match lookup(self.root(), self.name(), ids[0].object()).await {
            Ok(found) => ids.iter().map(|id| (*id, of(id, &found))).collect(),
            // It was asked for; only what came of it is not known.
            Err(_) => ids.iter().map(|id| (*id, Err(unanswered(*id)))).collect(),
        }
    }
}
