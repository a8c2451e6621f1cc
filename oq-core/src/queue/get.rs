//! Looking tasks up and waiting for them.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Queue;
use super::view::{TaskState, TaskView};
use crate::error::{Error, Result};
use crate::protocol::lookup::{lookup, read_done};
use crate::protocol::payload;
use crate::record::{Data, Done, Event, Json, Key, Seen, TaskId};
use crate::store::{Changed, Etag};

/// The first and the longest pause between two looks of [`Queue::wait`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Every so many looks at the outcome alone, the live object is looked at as well, so that waiting
/// for a task that was purged ends.
const FULL_LOOK: u32 = 16;

impl Queue {
    /// One task: two GET in parallel, a third when nothing was found.
    ///
    /// [`Error::NotFound`] when it is unknown: never accepted, purged, or its outcome is past its
    /// retention.
    pub async fn get(&self, id: TaskId) -> Result<TaskView> {
        let found = lookup(self.root(), self.name(), id.object()).await?;
        let now = self.root().now();
        found
            .and_then(|found| TaskView::of(id, &found, now))
            .ok_or_else(|| Error::NotFound(id.to_string()))
    }

    /// What became of a task's object so far, the oldest first; the last twenty steps are kept.
    pub async fn history(&self, id: TaskId) -> Result<Vec<Event>> {
        self.get(id).await.map(|view| view.history)
    }

    /// What the task's handler returned; one GET if it is large, else none.
    pub async fn output(&self, view: &TaskView) -> Result<Option<Json>> {
        self.load(view.id, view.output.as_ref()).await
    }

    /// The task's input, unless it completed; one GET if it is large, else none.
    pub async fn input(&self, view: &TaskView) -> Result<Option<Json>> {
        self.load(view.id, view.input.as_ref()).await
    }

    async fn load(&self, id: TaskId, data: Option<&Data>) -> Result<Option<Json>> {
        match data {
            None => Ok(None),
            Some(data) => payload::load(self.root(), self.name(), id.object(), data)
                .await
                .map(Some),
        }
    }

    /// What the task's handler returned, read as a type. [`Error::Conflict`] says why there is no
    /// result: it is not over, or ended in another way.
    pub async fn result<T: DeserializeOwned>(&self, id: TaskId) -> Result<T> {
        let view = self.get(id).await?;
        if view.state != TaskState::Completed {
            let why = view.failure.as_ref().filter(|_| view.state.is_over());
            let why = why.map_or(String::new(), |f| format!(" ({}: {})", f.kind, f.message));
            return Err(Error::Conflict(format!(
                "{id} has no result: it is {}{why}",
                view.state
            )));
        }
        let output = self.output(&view).await?.unwrap_or_else(Json::null);
        output.to().map_err(|e| {
            Error::invalid(
                format!("result of {id}"),
                format!("it is of another type: {e}"),
            )
        })
    }

    /// Waits until the task's outcome is recorded, for at most `timeout`
    /// ([`Error::TimedOut`]; the task goes on).
    ///
    /// It looks at once (two GET), then at the outcome alone (one GET a look) after 50 ms, growing
    /// by a quarter to 2 s: about 20 GET for the first ten seconds and 32 for every minute after
    /// that, $0.000013 a minute on S3.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
    /// let waited = queue.wait(task.id, Duration::from_millis(100)).await;
    /// assert!(matches!(waited, Err(oq_core::Error::TimedOut(_)))); // nobody runs it
    /// # Ok(()) }
    /// ```
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.name(), %id))]
    pub async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskView> {
        let env = self.root().env().clone();
        let start = env.now();
        let mut pause = FIRST_PAUSE;
        let mut seal: Option<Etag> = None;
        for look in 0u32.. {
            let view = if look % FULL_LOOK == 0 {
                Some(self.get(id).await?)
            } else {
                self.ended(id, &mut seal).await?
            };
            if let Some(view) = view.filter(|v| v.state.is_over()) {
                return Ok(view);
            }
            let left = timeout.saturating_sub(env.now().since(start));
            if left.is_zero() {
                break;
            }
            env.sleep(pause.min(left)).await;
            pause = (pause + pause / 4).min(LONGEST_PAUSE);
        }
        Err(Error::TimedOut(timeout))
    }

    /// The task if its outcome is recorded. `seal` remembers a seal that is there meanwhile.
    async fn ended(&self, id: TaskId, seal: &mut Option<Etag>) -> Result<Option<TaskView>> {
        let key = Key::Done(self.name().clone(), id.object()).store_key();
        let object = match seal {
            None => self.root().get(&key).await?.value,
            Some(etag) => match self.root().get_if_changed(&key, etag).await?.value {
                Changed::Same => return Ok(None),
                Changed::Missing => None,
                Changed::Now(object) => Some(object),
            },
        };
        let done: Option<Seen<Done>> = read_done(id.object(), &key, object)?;
        *seal = done.as_ref().map(|d| d.etag.clone());
        Ok(done
            .filter(|d| !d.record.is_seal())
            .and_then(|d| TaskView::of_done(id, &d.record)))
    }
}
