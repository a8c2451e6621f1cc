//! `key/{hash}`: which object an idempotency key stands for.
//!
//! The record is written before the task that it names, so a record without a task means that its
//! writer is slow or dead; whoever finds that puts a task there under the recorded id.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{Hint, Record, Stamp, V1};
use super::id::ObjectId;
use crate::time::millis;

/// The body of an idempotency key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Idempotency {
    /// Format version.
    pub v: V1,
    /// Who wrote it, and when the task that it names was submitted.
    pub write: Stamp,
    /// The object that the key stands for; it holds one task.
    pub id: ObjectId,
    /// How long it stands for it after a good outcome.
    #[serde(with = "millis", rename = "window_ms")]
    pub window: Duration,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Record for Idempotency {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }

    /// The length says how long the key stands at least, so that the sweep need not read it.
    fn hint(&self) -> Hint {
        Hint::Terminal(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};
    use crate::store::StoreKey;

    /// Version 1, as it was first written; it must be readable for ever.
    const V1_BODY: &str = r#"{"v":1,"write":{"gen":1,"by":["W1"],"created_by":"W1","created":5},"id":"0000000000000000000G000003","window_ms":60000,"later":true}"#;

    #[test]
    fn version_1_reads_back_and_keeps_what_it_does_not_know() {
        let key = StoreKey::listed("q/key/x");
        let record: Idempotency = decode(&key, V1_BODY.as_bytes()).unwrap();
        assert_eq!(record.window, Duration::from_secs(60));
        let again = encode(&record);
        assert_eq!(std::str::from_utf8(&again).unwrap().trim_end(), V1_BODY);
    }
}
