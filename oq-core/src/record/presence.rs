//! `fleet/here/{worker}`: a worker is present. It writes this every thirty seconds and deletes it
//! when it stops; others judge by the age that a listing shows, so the body is for people.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{Record, Stamp, V1};

/// The body of a worker's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// What the worker tells of itself: host, process, program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Presence {
    /// A worker that has not shown itself for this long is gone.
    pub const STALE: Duration = Duration::from_secs(75);

    /// Under this name a worker tells which task types it runs, separated by spaces.
    pub const TYPES: &str = "types";
}

impl Record for Presence {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};
    use crate::store::StoreKey;

    const FROZEN: &str = r#"{"v":1,"write":{"gen":2,"by":["A","B"],"created_by":"A","created":1700000000000},"about":{"host":"box"},"later":true}"#;

    #[test]
    fn reads_what_version_1_wrote_and_keeps_what_it_does_not_know() {
        let key = StoreKey::listed("mail/fleet/here/W");
        let presence: Presence = decode(&key, FROZEN.as_bytes()).unwrap();
        assert_eq!(presence.about["host"], "box");
        let body = encode(&presence);
        assert_eq!(std::str::from_utf8(&body).unwrap().trim_end(), FROZEN);
        assert_eq!(decode::<Presence>(&key, &body).unwrap(), presence);
    }
}
