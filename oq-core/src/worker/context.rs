//! What a handler knows of its task and can say while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::env::{Env, Mono};
use crate::error::{Error, Result};
use crate::record::{Json, Progress, QueueName, TaskId, TaskType, Token};
use crate::testing::mutant::{Mutant, mutated};

/// A handler's view of the attempt it is running. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) shared: Arc<Attempt>,
}

/// One attempt, shared between its handler and the runner that holds the object.
#[derive(Debug)]
pub(super) struct Attempt {
    pub env: Env,
    pub began: Mono,
    pub id: TaskId,
    pub queue: QueueName,
    pub task_type: TaskType,
    pub attempt: u32,
    pub delivery: u32,
    pub token: Token,
    pub tags: BTreeMap<String, String>,
    pub trace: Option<String>,
    pub saved: Option<Json>,
    pub cancel: CancellationToken,
    pub save_limit: usize,
    pub said: Mutex<Said>,
    pub flush: Arc<Notify>,
}

/// What the handler said since the last renewal, and how long it may go on.
#[derive(Debug)]
pub(super) struct Said {
    pub saved: Option<Json>,
    pub progress: Option<Progress>,
    pub deadline: Mono,
    /// Until when the object is held, as far as is known.
    pub lease_until: Mono,
}

impl Attempt {
    pub fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.shared.id
    }

    /// The queue it is in.
    pub fn queue(&self) -> &QueueName {
        &self.shared.queue
    }

    /// Its type.
    pub fn task_type(&self) -> &TaskType {
        &self.shared.task_type
    }

    /// Which attempt this is, from 1. Attempts that answered "later" are not counted.
    pub fn attempt(&self) -> u32 {
        self.shared.attempt
    }

    /// How often the task's object was claimed so far, this time included. It grows with every
    /// claim, so a side effect that keeps the highest delivery it saw can refuse older ones.
    pub fn delivery(&self) -> u32 {
        self.shared.delivery
    }

    /// The token of the lease under which this attempt runs.
    pub fn token(&self) -> &Token {
        &self.shared.token
    }

    /// The task's tags.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.shared.tags
    }

    /// The submitter's W3C `traceparent`.
    pub fn trace_parent(&self) -> Option<&str> {
        self.shared.trace.as_deref()
    }

    /// Whether the task is to stop: somebody cancelled it. The worker learns of it when it renews
    /// the lease, so within a third of the lease.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancel.is_cancelled()
    }

    /// Completes when the task is to stop.
    pub async fn cancelled(&self) {
        self.shared.cancel.cancelled().await;
    }

    /// Says how far the task is. Written with the next renewal of the lease; costs no request.
    pub fn progress(&self, done: u64, total: u64) {
        self.shared.said().progress = Some(Progress { done, total });
    }

    /// Saves where the next attempt is to resume. Written with the next renewal of the lease (a
    /// third of it at most), so it costs no request; see [`Context::flush`].
    ///
    /// Each renewal writes it again, so it is to be short: at most 1 MiB, in a pack shared by its
    /// tasks.
    pub fn save<T: Serialize + ?Sized>(&self, cursor: &T) -> Result<()> {
        let json = Json::of(cursor)?;
        let (size, limit) = (json.as_str().len(), self.shared.save_limit);
        if size > limit {
            return Err(Error::invalid(
                format!("a saved state of {size} bytes"),
                format!("use at most {limit}; put more into the bucket and save its key"),
            ));
        }
        self.shared.said().saved = Some(json);
        Ok(())
    }

    /// Asks for what was saved to be written now; costs one PUT.
    pub fn flush(&self) {
        self.shared.flush.notify_one();
    }

    /// What an earlier attempt, or this one, saved last; `None` if nothing was, or if it has another
    /// form than `T`.
    pub fn saved<T: DeserializeOwned>(&self) -> Option<T> {
        let said = self.shared.said().saved.clone();
        said.or_else(|| self.shared.saved.clone())?.to().ok()
    }

    /// How long this attempt may still run before its timeout ends it.
    pub fn left(&self) -> Duration {
        let deadline = self.shared.said().deadline;
        deadline.since(self.shared.env.now())
    }

    /// Lets this attempt run for `more` from now on at least, whatever its timeout was. Time that it
    /// has already is never taken away.
    pub fn extend(&self, more: Duration) {
        if mutated(Mutant::ExtensionIgnored) {
            return;
        }
        let deadline = self.shared.env.now() + more;
        let mut said = self.shared.said();
        said.deadline = said.deadline.max(deadline);
    }

    /// Waits; ends early with `false` when the task is cancelled.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.cancelled() => false,
            () = self.shared.env.sleep(duration) => true,
        }
    }
}
