//! `bell`: the doorbell of a queue. Producers ring it after they wrote, idle workers ask whether it
//! changed, which costs a twelfth of a listing. A ring may be lost; the sweep finds what it announced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Record, Stamp, V1};
use super::id::Shard;

/// The body of a queue's doorbell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bell {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// How often each shard was rung; only differences mean anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rings: BTreeMap<Shard, u64>,
    /// The last call for help, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Help>,
    /// Grows when others should read the settings and the fleet again.
    #[serde(default)]
    pub view: u64,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// A worker that is full has work waiting in a shard of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Help {
    /// How often help was called for.
    pub calls: u64,
    /// Where the work waits.
    pub shard: Shard,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn silent(write: Stamp) -> Bell {
        Bell {
            v: V1,
            write,
            rings: BTreeMap::new(),
            help: None,
            view: 0,
            extra: BTreeMap::new(),
        }
    }

    /// Announces work in a shard.
    pub fn ring(&mut self, shard: Shard) {
        let count = self.rings.entry(shard).or_default();
        *count = count.wrapping_add(1);
    }

    /// Calls for help with a shard.
    pub fn call_for_help(&mut self, shard: Shard) {
        let calls = self.help.map_or(0, |h| h.calls).wrapping_add(1);
        self.help = Some(Help { calls, shard });
    }

    /// Asks everybody to read the settings and the fleet again.
    pub fn bump_view(&mut self) {
        self.view = self.view.wrapping_add(1);
    }
}

impl Record for Bell {
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
    use crate::env::SystemEntropy;
    use crate::record::{decode, encode};
    use crate::store::StoreKey;
    use crate::time::StoreTime;
    use proptest::prelude::*;

    const FROZEN: &str = r#"{"v":1,"write":{"gen":7,"by":["B","C"],"created_by":"A","created":1700000000000},"rings":{"0":3,"1023":9},"help":{"calls":2,"shard":5},"view":4,"later":[1]}"#;

    proptest! {
        #[test]
        fn reads_back_what_was_written(
            shards in proptest::collection::vec(0u16..1024, 0..20),
            help in proptest::option::of(0u16..1024),
            view in 0u64..100,
        ) {
            let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
            shards.iter().for_each(|s| bell.ring(Shard::new(*s).unwrap()));
            if let Some(s) = help {
                bell.call_for_help(Shard::new(s).unwrap());
            }
            bell.view = view;
            let key = StoreKey::listed("mail/bell");
            prop_assert_eq!(decode::<Bell>(&key, &encode(&bell)).unwrap(), bell);
        }
    }

    #[test]
    fn reads_what_version_1_wrote_and_keeps_what_it_does_not_know() {
        let bell: Bell = decode(&StoreKey::listed("mail/bell"), FROZEN.as_bytes()).unwrap();
        assert_eq!(bell.rings[&Shard::new(1023).unwrap()], 9);
        assert_eq!(bell.help.unwrap().shard.value(), 5);
        let text = String::from_utf8(encode(&bell).to_vec()).unwrap();
        assert_eq!(text.trim_end(), FROZEN);
    }
}
