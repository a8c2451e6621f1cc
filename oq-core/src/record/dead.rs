//! `dead/{s}/{task}`: a small pointer to one failed task, made from what `done/` says and from
//! nothing else, so that dead letters can be listed without reading every outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Record, Stamp, V1};
use super::name::TaskType;
use crate::time::StoreTime;

/// The body of a dead letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dead {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// Which handler failed.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// When it failed for the last time.
    pub at: StoreTime,
    /// How many attempts were made.
    pub attempts: u32,
    /// The failure's kind.
    pub kind: String,
    /// The beginning of the failure's message.
    pub message: String,
    /// Free names and values to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Record for Dead {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }
}
