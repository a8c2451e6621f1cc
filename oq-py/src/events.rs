//! What a worker tells its program, as Python sees it.

use oq_core::record::Failure;
use oq_core::worker;
use pyo3::prelude::*;

/// Something that became of a task, and is recorded.
#[pyclass(frozen, get_all, module = "oq._oq")]
pub struct Event {
    /// `completed`, `failed`, `cancelled`, `expired`, `retried` or `snoozed`.
    what: &'static str,
    /// The queue.
    queue: String,
    /// The task.
    id: String,
    /// Its type; empty where the core does not say.
    task: String,
    /// What kind of failure it was.
    kind: Option<String>,
    /// Its message.
    message: Option<String>,
}

impl Event {
    /// The event, if it is one of a task.
    pub fn of(event: &worker::Event) -> Option<Event> {
        use worker::Event as Of;
        let (what, queue, id, task, failure): (_, _, _, _, Option<&Failure>) = match event {
            Of::Finished {
                queue,
                id,
                task_type,
                ending,
                failure,
                ..
            } => (
                ending.as_str(),
                queue,
                id,
                Some(task_type),
                failure.as_ref(),
            ),
            Of::Retried {
                queue,
                id,
                task_type,
                failure,
                ..
            } => ("retried", queue, id, Some(task_type), Some(failure)),
            Of::Rescheduled { queue, id, .. } => ("snoozed", queue, id, None, None),
            _ => return None,
        };
        Some(Event {
            what,
            queue: queue.to_string(),
            id: id.to_string(),
            task: task.map(ToString::to_string).unwrap_or_default(),
            kind: failure.map(|f| f.kind.clone()),
            message: failure.map(|f| f.message.clone()),
        })
    }
}
