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
    /// Its type.
    task: String,
    /// Which attempt it came of, or how many there were once the task is over; 0 of a snooze.
    attempt: u32,
    /// What kind of failure it was.
    kind: Option<String>,
    /// Its message.
    message: Option<String>,
}

impl Event {
    /// The word for what became of a task, if that is what it tells.
    pub fn what(event: &worker::Event) -> Option<&'static str> {
        use worker::Event as Of;
        match event {
            Of::Finished { ending, .. } => Some(ending.as_str()),
            Of::Retried { .. } => Some("retried"),
            Of::Rescheduled { .. } => Some("snoozed"),
            _ => None,
        }
    }

    /// The event, if it is one of a task.
    pub fn of(event: &worker::Event) -> Option<Event> {
        use worker::Event as Of;
        let (queue, id, task, attempt, failure): (_, _, _, _, Option<&Failure>) = match event {
            Of::Finished {
                queue,
                id,
                task_type,
                attempts,
                failure,
                ..
            } => (queue, id, task_type, *attempts, failure.as_ref()),
            Of::Retried {
                queue,
                id,
                task_type,
                attempt,
                failure,
                ..
            } => (queue, id, task_type, *attempt, Some(failure)),
            Of::Rescheduled {
                queue,
                id,
                task_type,
                ..
            } => (queue, id, task_type, 0, None),
            _ => return None,
        };
        Some(Event {
            what: Event::what(event)?,
            queue: queue.to_string(),
            id: id.to_string(),
            task: task.to_string(),
            attempt,
            kind: failure.map(|f| f.kind.clone()),
            message: failure.map(|f| f.message.clone()),
        })
    }
}
