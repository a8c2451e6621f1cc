//! What a program learns of its task from its environment.

use crate::Context;

/// The variables of an attempt, beside those of the worker itself and the store's URL.
pub fn of(task: &Context) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("OQ_QUEUE", task.queue().to_string()),
        ("OQ_TASK_ID", task.id().to_string()),
        ("OQ_TYPE", task.task_type().to_string()),
        ("OQ_ATTEMPT", task.attempt().to_string()),
        ("OQ_DELIVERY", task.delivery().to_string()),
        ("OQ_TOKEN", task.token().to_string()),
    ];
    variables.extend(task.trace_parent().map(|t| ("TRACEPARENT", t.to_owned())));
    variables
}
