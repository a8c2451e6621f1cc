//! `queue.json`: the settings of a queue. Absent until somebody changes one; never deleted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Record, Stamp, V1};
use super::id::Shard;
use super::options::Options;
use crate::error::Error;
use crate::time::StoreTime;

/// The body of a queue's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// How many shards producers use.
    pub shards: u16,
    /// How many shards workers look at; only lowered when those above are empty.
    pub shards_high: u16,
    /// Nothing is claimed while this is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What tasks get that ask for nothing else.
    #[serde(default, skip_serializing_if = "Options::is_default")]
    pub defaults: Options,
    /// Tasks submitted before this moment are deleted instead of run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_before: Option<StoreTime>,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// How many shards a queue has that nobody set up.
pub const DEFAULT_SHARDS: u16 = 16;

impl Settings {
    /// The settings of a queue that has none stored.
    pub fn initial(write: Stamp) -> Settings {
        Settings {
            v: V1,
            write,
            shards: DEFAULT_SHARDS,
            shards_high: DEFAULT_SHARDS,
            paused: false,
            defaults: Options::default(),
            purged_before: None,
            extra: BTreeMap::new(),
        }
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), Error> {
        for n in [self.shards, self.shards_high] {
            if !(1..=Shard::LIMIT).contains(&n) {
                return Err(Error::invalid(format!("{n} shards"), "use 1 to 1024"));
            }
        }
        if self.shards_high < self.shards {
            return Err(Error::invalid("shards_high", "it cannot be below shards"));
        }
        self.defaults.check()
    }
}

impl Record for Settings {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }
}
