//! `oq.json`: says that a root is oq's, and in which format version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Record, Stamp, V1};

/// The body of the root's mark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Format {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Record for Format {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }
}
