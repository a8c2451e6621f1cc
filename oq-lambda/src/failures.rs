//! A line in the function's log for each task that fails. `deploy/` counts those of the first kind by
//! its words, which are to be there at every level: change them there, too.

use oq_core::queue::Queue;
use oq_core::record::{Ending, Failure};
use oq_core::worker::Event;
use oq_core::{Error, Result};

use crate::submit::{Accepted, Submit, submit_handler};

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

/// Who brought a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An event. Nobody hears what is answered.
    Event,
    /// Somebody who hears what is wrong with it.
    Request,
}

/// Submits a task that an invocation brought. If it cannot be, it may be nowhere else: the log says which
/// it is, and why.
pub async fn submit(queue: &Queue, submit: Submit, by: By) -> Result<Accepted> {
    let (task_type, key) = (submit.task.task_type.clone(), submit.task.key.clone());
    submit_handler(queue, submit).await.inspect_err(|error| {
        if by == By::Request && matches!(error, Error::Invalid { .. }) {
            return;
        }
        let (key, code) = (key.unwrap_or_default(), error.code());
        let error = shown(&error.to_string());
        tracing::error!(%task_type, key, code, error, "a task was not submitted");
    })
}

fn said(failure: Option<&Failure>) -> (&str, String) {
    let (kind, message) = failure.map_or(("", ""), |f| (f.kind.as_str(), f.message.as_str()));
    (kind, shown(message))
}

fn shown(message: &str) -> String {
    let line = Failure::first_line(message);
    line.chars().take(SHOWN).collect()
}
