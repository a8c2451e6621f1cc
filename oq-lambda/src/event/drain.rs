//! A request to drain, by whoever invokes the function: `{ "drain": true }`.

use std::time::Duration;

use oq_core::record::{ObjectId, QueueName, TaskId};
use serde::{Deserialize, Deserializer};

/// What to drain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// `true` or `"all"`: what is due; ids: these tasks.
    pub drain: What,
    /// From these queues; all of the function's unless said.
    #[serde(default)]
    pub queues: Option<Vec<QueueName>>,
    /// Claims nothing more once so many tasks were claimed.
    #[serde(default)]
    pub max_tasks: Option<u64>,
    /// When nothing is due any more, waits for what becomes due within so many seconds.
    #[serde(default)]
    pub linger_s: Option<u64>,
}

impl DrainRequest {
    /// The time to linger.
    pub fn linger(&self) -> Duration {
        Duration::from_secs(self.linger_s.unwrap_or(0))
    }
}

/// All or some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// What is due.
    All,
    /// The objects of these tasks.
    These(Vec<ObjectId>),
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<What, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Yes(bool),
            Word(String),
            Ids(Vec<String>),
        }
        let wrong = || serde::de::Error::custom(r#""drain" is true, "all" or a list of ids"#);
        match Form::deserialize(d).map_err(|_| wrong())? {
            Form::Yes(true) => Ok(What::All),
            Form::Word(word) if word == "all" => Ok(What::All),
            Form::Ids(ids) if !ids.is_empty() => {
                let object = |id: String| match id.parse::<TaskId>() {
                    Ok(task) => Ok(task.object()),
                    Err(e) => Err(serde::de::Error::custom(e)),
                };
                Ok(What::These(
                    ids.into_iter().map(object).collect::<Result<_, _>>()?,
                ))
            }
            _ => Err(wrong()),
        }
    }
}
