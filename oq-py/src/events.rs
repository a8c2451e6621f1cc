//! What a worker tells its program, as Python sees it.

use oq_core::record::{Ending, Failure};
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
    /// Which attempt it came of, or how many there were once the task is over; 0 where the core does
    /// not say.
    attempt: u32,
    /// What kind of failure it was.
    kind: Option<String>,
    /// Its message.
    message: Option<String>,
}

impl Event {
    /// Whether it tells of a failed attempt, which every worker logs.
    pub fn is_failure(event: &worker::Event) -> bool {
        use worker::Event as Of;
        match event {
            Of::Finished { ending, .. } => *ending == Ending::Failed,
            Of::Retried { .. } => true,
            _ => false,
        }
    }

    /// The event, if it is one of a task.
    pub fn of(event: &worker::Event) -> Option<Event> {
        use worker::Event as Of;
        let (what, queue, id, task, attempt, failure): (_, _, _, _, _, Option<&Failure>) =
            match event {
                Of::Finished {
                    queue,
                    id,
                    task_type,
                    ending,
                    attempts,
                    failure,
                    ..
                } => (
                    ending.as_str(),
                    queue,
                    id,
                    Some(task_type),
                    *attempts,
                    failure.as_ref(),
                ),
                Of::Retried {
                    queue,
                    id,
                    task_type,
                    attempt,
                    failure,
                    ..
                } => (
                    "retried",
                    queue,
                    id,
                    Some(task_type),
                    *attempt,
                    Some(failure),
                ),
                Of::Rescheduled {
                    queue,
                    id,
                    task_type,
                    ..
                } => ("snoozed", queue, id, Some(task_type), 0, None),
                _ => return None,
            };
        Some(Event {
            what,
            queue: queue.to_string(),
            id: id.to_string(),
            task: task.map(ToString::to_string).unwrap_or_default(),
            attempt,
            kind: failure.map(|f| f.kind.clone()),
            message: failure.map(|f| f.message.clone()),
        })
    }
}
