//! A task to submit, as an event or a request says it: the JSON object of a line of
//! `oq submit --jsonl`, and beside it the queue.

use oq_core::queue::{Queue, TaskSpec};
use oq_core::record::{QueueName, TaskId};
use oq_core::{Error, Result};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A task to submit.
#[derive(Debug, Clone)]
pub struct Submit {
    /// The task.
    pub task: TaskSpec,
    /// Its queue, if it is not the one that the function has.
    pub queue: Option<QueueName>,
}

/// The members of an object, as they are written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        d.deserialize_map(Read).map(Members)
    }
}

impl Submit {
    /// Reads the JSON of a task: the members of [`TaskSpec`], and `queue`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what is no task, with what is wrong.
    pub fn parse(json: &str) -> Result<Submit> {
        let Ok(Members(members)) = serde_json::from_str(json) else {
            // The core says what is wrong with it.
            return Ok(Submit {
                task: TaskSpec::parse(json)?,
                queue: None,
            });
        };
        let wrong = |why: String| Error::Invalid {
            what: "task".into(),
            why,
        };
        let (mut queue, mut rest) = (None, String::from("{"));
        for (name, value) in members {
            if name == "queue" {
                if queue.is_some() {
                    return Err(wrong("duplicate field `queue`".into()));
                }
                let read = serde_json::from_str::<Option<QueueName>>(value.get());
                queue = Some(read.map_err(|e| wrong(format!("its queue: {e}")))?);
                continue;
            }
            if rest.len() > 1 {
                rest.push(',');
            }
            rest.push_str(&serde_json::Value::from(name).to_string());
            rest.push(':');
            rest.push_str(value.get());
        }
        rest.push('}');
        Ok(Submit {
            task: TaskSpec::parse(&rest).map_err(with_queue)?,
            queue: queue.flatten(),
        })
    }

    /// What it does not say itself of its queue and of how it is run, another one says for it. A retry
    /// policy is one thing: one that it has is not mixed with the other's.
    pub(crate) fn or(self, declared: &Submit) -> Submit {
        let (said, unless) = (self.task, declared.task.clone());
        Submit {
            queue: self.queue.or_else(|| declared.queue.clone()),
            task: TaskSpec {
                priority: said.priority.or(unless.priority),
                timeout: said.timeout.or(unless.timeout),
                lease: said.lease.or(unless.lease),
                retry: said.retry.or(unless.retry),
                expires_in: said.expires_in.or(unless.expires_in),
                retention: said.retention.or(unless.retention),
                max_reschedules: said.max_reschedules.or(unless.max_reschedules),
                ..said
            },
        }
    }

    /// Accepted once for a request, unless it has a key of its own: Lambda repeats an asynchronous
    /// invocation under the id of the first.
    pub(crate) fn once_for(mut self, request: Option<&str>) -> Submit {
        let request = request.filter(|id| !id.is_empty());
        if let (None, Some(id)) = (&self.task.key, request) {
            self.task.key = Some(format!("lambda:{id}"));
        }
        self
    }
}

/// What the core says of a member that nobody knows, with the one that only this knows.
fn with_queue(error: Error) -> Error {
    match error {
        Error::Invalid { what, why } => Error::Invalid {
            what,
            why: why.replace("expected one of `type`", "expected one of `queue`, `type`"),
        },
        other => other,
    }
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
/// let task = Submit::parse(r#"{ "type": "resize", "input": "cat.png", "delay": "10m" }"#)?;
/// let accepted = submit_handler(&queue, task).await?;
/// println!("{}", accepted.id);
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Those of [`Queue::submit`].
pub async fn submit_handler(queue: &Queue, submit: Submit) -> Result<Accepted> {
    let task = submit.task.task()?;
    let other = match &submit.queue {
        Some(name) if name != queue.name() => Some(queue.named(name.as_str()).await?),
        _ => None,
    };
    let queue = other.as_ref().unwrap_or(queue);
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
