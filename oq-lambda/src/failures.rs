//! A line in the function's log for each task that fails. `deploy/` counts those of the first kind by
//! its words, which are to be there at every level: change them there, too.

use oq_core::Error;
use oq_core::record::{Ending, Failure, TaskType};
use oq_core::worker::Event;

/// How much of an error's first line is shown, in characters.
const SHOWN: usize = 300;

/// Logs an event, if it tells of a failure.
pub fn log(event: &Event) {
    match event {
        Event::Finished {
            queue,
            id,
            task_type,
            ending: Ending::Failed,
            attempts,
            failure,
            ..
        } => {
            let (kind, error) = said(failure.as_ref());
            tracing::error!(%queue, %id, %task_type, attempts, kind, error, "a task failed for good");
        }
        Event::Finished {
            queue,
            id,
            task_type,
            ending: Ending::Expired,
            ..
        } => tracing::warn!(%queue, %id, %task_type, "a task expired"),
        Event::Retried {
            queue,
            id,
            task_type,
            attempt,
            delay,
            failure,
        } => {
            let (kind, error) = said(Some(failure));
            let again_in_s = delay.as_secs_f64();
            tracing::warn!(%queue, %id, %task_type, attempt, kind, error, again_in_s, "a task failed and is tried again");
        }
        _ => {}
    }
}

/// Logs which task an invocation brought and could not submit: it is nowhere else.
pub fn not_submitted(task_type: &TaskType, key: Option<&str>, error: &Error) {
    let (key, code) = (key.unwrap_or_default(), error.code());
    tracing::error!(%task_type, key, code, "a task was not submitted");
}

fn said(failure: Option<&Failure>) -> (&str, String) {
    let (kind, message) = failure.map_or(("", ""), |f| (f.kind.as_str(), f.message.as_str()));
    let line = Failure::first_line(message);
    (kind, line.chars().take(SHOWN).collect())
}
