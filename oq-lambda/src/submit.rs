//! A task to submit, as an event or a request says it.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::Result;
use oq_core::queue::{Queue, Task};
use oq_core::record::{Json, Priority, QueueName, TaskId, TaskType};
use serde::{Deserialize, Serialize};

/// A task to submit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// Which handler runs it.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// Its input; `null` unless given.
    #[serde(default = "Json::null")]
    pub input: Json,
    /// Its queue, if it is not the one that the function has.
    pub queue: Option<QueueName>,
    /// Not before so many seconds have passed.
    pub delay_s: Option<u64>,
    /// 0 (most urgent) to 31.
    pub priority: Option<Priority>,
    /// How many seconds one attempt may run.
    pub timeout_s: Option<u64>,
    /// Idempotency key: a second event under it gets the first one's id. Lambda may deliver an
    /// asynchronous event twice, so give one where that matters.
    pub key: Option<String>,
    /// Free names and values.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The answer: the task is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Its queue.
    pub queue: QueueName,
    /// Its id.
    pub id: TaskId,
    /// Whether it was there already, under the same key.
    pub existing: bool,
}

/// Submits the task of one event, and waits until the workers' bell is rung, if it is to be: what
/// goes on in the background of a function that has answered is frozen with it.
///
/// ```
/// use oq_core::queue::Queue;
/// use oq_lambda::{Submit, submit_handler};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = Queue::connect("memory:").await?;
/// let event: Submit = serde_json::from_str(r#"{ "type": "resize", "input": "cat.png" }"#)?;
/// let accepted = submit_handler(&queue, event).await?;
/// println!("{}", accepted.id);
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Those of [`Queue::submit`].
pub async fn submit_handler(queue: &Queue, event: Submit) -> Result<Accepted> {
    let other = match &event.queue {
        Some(name) if name != queue.name() => Some(queue.named(name.as_str()).await?),
        _ => None,
    };
    let queue = other.as_ref().unwrap_or(queue);
    // As a part of the event it was only skipped over.
    let input = Json::parse(event.input.as_str())?;
    let mut task = Task::of(event.task_type, input)?;
    if let Some(seconds) = event.delay_s {
        task = task.delay(Duration::from_secs(seconds));
    }
    if let Some(seconds) = event.timeout_s {
        task = task.timeout(Duration::from_secs(seconds));
    }
    if let Some(priority) = event.priority {
        task = task.priority(priority);
    }
    if let Some(key) = event.key {
        task = task.key(key);
    }
    for (name, value) in event.tags {
        task = task.tag(name, value);
    }
    let submitted = queue.submit(task).await?;
    queue.flush().await;
    Ok(Accepted {
        queue: queue.name().clone(),
        id: submitted.id,
        existing: submitted.existing,
    })
}

#[cfg(test)]
mod tests;
