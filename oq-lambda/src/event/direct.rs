//! A task in the document of an invocation itself, as a schedule of EventBridge's sends it.

use super::Unknown;
use crate::submit::Submit;

/// How words begin for which EventBridge Scheduler puts the time and the like.
const UNFILLED: &str = "<aws.scheduler.";

/// Reads the task. A key with the scheduler's own word for the time would stand for all later times.
pub(super) fn task(document: &str) -> Result<Submit, Unknown> {
    let submit = Submit::parse(document).map_err(|e| Unknown(e.to_string()))?;
    match &submit.task.key {
        Some(key) if key.contains(UNFILLED) => Err(Unknown(format!(
            "the key {key:?}: nobody put the time for the words in <>, so each later time would be taken \
             for this one. Only a schedule of EventBridge Scheduler does, no rule of EventBridge's, and only \
             where its input has < and > themselves, not \\u003c and \\u003e"
        ))),
        _ => Ok(submit),
    }
}
