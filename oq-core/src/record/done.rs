//! `done/{s}/{id}`: the outcomes of an object's tasks, written once; or, while `open`, the seal that
//! a take-over puts in place of them so that no older holder's outcome can land.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{Hint, Record, Stamp, V1};
use super::data::Data;
use super::id::TaskId;
use super::live::{Event, Keyed};
use super::name::TaskType;
use super::options::Options;
use super::outcome::Outcome;
use super::token::{Token, WriteId};
use crate::time::{StoreTime, millis};

/// The body of an outcome object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// Set in a seal: the delivery that may write over it. A seal counts as absent for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<u32>,
    /// Whose write this is: the lease's token, by which a holder knows its own outcome again.
    pub token: Token,
    /// The write that created the live object, by which its submitter knows it again.
    pub life: WriteId,
    /// Which handler ran the tasks.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// How the tasks were to be run; needed to try one again.
    #[serde(default, skip_serializing_if = "Options::is_default")]
    pub options: Options,
    /// When the object was submitted.
    pub submitted: StoreTime,
    /// Kept at least this long.
    #[serde(with = "millis", rename = "keep_ms")]
    pub keep: Duration,
    /// The idempotency key it was submitted under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Keyed>,
    /// The dead task that this one tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<TaskId>,
    /// The tasks, in their order; none in a seal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<DoneTask>,
    /// What became of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Event>,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// One task with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneTask {
    /// How it ended.
    pub outcome: Outcome,
    /// Free names and values to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Its input, kept unless it completed, so that it can be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Data>,
    /// Its submitter's trace context, kept as long as its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// How many deliveries started it.
    #[serde(default)]
    pub starts: u32,
}

impl Done {
    /// Whether this is a seal, which readers treat as absent.
    pub fn is_seal(&self) -> bool {
        self.open.is_some()
    }
}

impl Record for Done {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }

    /// An outcome's length says how long it is kept, so that the sweep need not read it. A seal is
    /// never due for the sweep.
    fn hint(&self) -> Hint {
        if self.is_seal() {
            Hint::Runnable
        } else {
            Hint::Terminal(self.keep)
        }
    }
}
