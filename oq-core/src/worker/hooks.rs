//! What a worker tells the program it runs in.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::record::{Ending, Failure, Live, ObjectId, QueueName, TaskId, TaskType, WorkerId};

/// Something that happened in a worker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The worker began to look for tasks.
    Started {
        /// Its id.
        worker: WorkerId,
    },
    /// An object was claimed.
    Claimed {
        /// The queue.
        queue: QueueName,
        /// The object.
        id: ObjectId,
        /// Its type.
        task_type: TaskType,
        /// How often it was claimed so far.
        delivery: u32,
        /// Whether it was taken over from a worker that fell silent.
        taken_over: bool,
    },
    /// An attempt begins: its input is read, then its handler called.
    TaskStarted {
        /// The queue.
        queue: QueueName,
        /// The task.
        id: TaskId,
        /// Its type.
        task_type: TaskType,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// A task has an outcome, which is recorded: by the worker that ran it, or by one that met it
    /// when it had expired or its worker was gone. It may be told twice, by this worker and by the
    /// one that went on with it.
    Finished {
        /// The queue.
        queue: QueueName,
        /// The task.
        id: TaskId,
        /// Its type.
        task_type: TaskType,
        /// How it ended.
        ending: Ending,
        /// How many attempts it was charged with.
        attempts: u32,
        /// How long its last attempt ran, if this worker ran one.
        ran: Option<Duration>,
        /// What went wrong, if anything.
        failure: Option<Failure>,
    },
    /// A task is tried again later.
    Retried {
        /// The queue.
        queue: QueueName,
        /// The task.
        id: TaskId,
        /// Its type.
        task_type: TaskType,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// In how long the next one may begin.
        delay: Duration,
        /// What went wrong.
        failure: Failure,
    },
    /// A handler answered "later".
    Rescheduled {
        /// The queue.
        queue: QueueName,
        /// The task.
        id: TaskId,
        /// Its type.
        task_type: TaskType,
        /// In how long.
        delay: Duration,
    },
    /// An object was given back because the worker stops; others run what is left of it.
    Released {
        /// The queue.
        queue: QueueName,
        /// The object.
        id: ObjectId,
        /// How many of its tasks have no outcome.
        tasks: usize,
    },
    /// The worker lost a lease; what it ran was stopped, and others run it again.
    Lost {
        /// The queue.
        queue: QueueName,
        /// The object.
        id: ObjectId,
    },
    /// An object could not be read. It was left as it is.
    Unreadable {
        /// The queue.
        queue: QueueName,
        /// What is wrong.
        why: String,
    },
    /// The store began to fail: it does not answer, or it refuses. Told once for each outage; the
    /// worker goes on trying.
    StoreFailing {
        /// How it fails.
        error: Error,
    },
    /// The store has answered well for a while again.
    StoreRecovered {
        /// How long the outage was, from its first sign to its last.
        after: Duration,
    },
    /// The worker stopped claiming.
    Stopping,
    /// The worker is done.
    Stopped,
}

/// A function that is told of every [`Event`].
pub type Hook = Arc<dyn Fn(&Event) + Send + Sync>;

/// The hooks of a worker.
#[derive(Clone, Default)]
pub(super) struct Hooks(pub Vec<Hook>);

impl Hooks {
    /// Tells every hook. Without hooks the event is not even made.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if self.0.is_empty() {
            return;
        }
        let event = event();
        for hook in &self.0 {
            // A hook that panics must not take the worker down with it.
            let call = std::panic::AssertUnwindSafe(|| hook(&event));
            if std::panic::catch_unwind(call).is_err() {
                tracing::error!(?event, "a hook panicked");
            }
        }
    }
}

impl Hooks {
    /// Tells that the tasks of an object have outcomes, which are recorded. `ran` says how long.
    pub fn tell_finished(
        &self,
        queue: &QueueName,
        id: ObjectId,
        live: &Live,
        ran: impl Fn(usize) -> Option<Duration>,
    ) {
        for (index, slot) in live.tasks.iter().enumerate() {
            let Some(outcome) = &slot.outcome else {
                continue;
            };
            self.tell(|| Event::Finished {
                queue: queue.clone(),
                id: id.task(index),
                task_type: live.task_type.clone(),
                ending: outcome.ending,
                attempts: outcome.attempts,
                ran: ran(index),
                failure: outcome.failure.clone(),
            });
        }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} hooks", self.0.len())
    }
}
