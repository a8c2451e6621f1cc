//! `bell`: the doorbell of a queue. Producers ring it after they wrote, idle workers ask whether it
//! changed, which costs a twelfth of a listing. A ring may be lost; the sweep finds what it announced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Record, Stamp, V1};
use super::id::{ObjectId, Shard};

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
    /// What the last ring of a shard was about, where that was one object: it need not be looked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<Shard, About>,
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

/// The one object that a ring was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Which ring of its shard that was: a program that does not know of this leaves it behind.
    pub ring: u64,
    /// The object.
    pub id: ObjectId,
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
            about: BTreeMap::new(),
            help: None,
            view: 0,
            extra: BTreeMap::new(),
        }
    }

    /// Announces work in a shard; `about` is the object, if it is one.
    pub fn ring(&mut self, shard: Shard, about: Option<ObjectId>) {
        let count = self.rings.entry(shard).or_default();
        *count = count.wrapping_add(1);
        let ring = *count;
        match about {
            Some(id) => self.about.insert(shard, About { ring, id }),
            None => self.about.remove(&shard),
        };
    }

    /// The object that the one ring of a shard since `old` was about; nothing if it was about more,
    /// or there were more rings.
    pub fn news(&self, shard: Shard, old: u64) -> Option<ObjectId> {
        let about = self.about.get(&shard)?;
        let only = self.rings.get(&shard) == Some(&about.ring) && about.ring == old.wrapping_add(1);
        only.then_some(about.id).filter(|id| id.shard() == shard)
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
    use crate::record::{Priority, decode, encode};
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
            for (n, s) in shards.iter().enumerate() {
                let shard = Shard::new(*s).unwrap();
                let id = ObjectId::from_parts(StoreTime(7), 1, Priority::NORMAL, 1, shard);
                bell.ring(shard, (n % 2 == 0).then_some(id));
            }
            if let Some(s) = help {
                bell.call_for_help(Shard::new(s).unwrap());
            }
            bell.view = view;
            let key = StoreKey::listed("mail/bell");
            prop_assert_eq!(decode::<Bell>(&key, &encode(&bell)).unwrap(), bell);
        }
    }

    #[test]
    fn says_what_a_ring_was_about_only_if_it_was_the_only_one() {
        let shard = Shard::new(3).unwrap();
        let id = ObjectId::from_parts(StoreTime(7), 1, Priority::NORMAL, 1, shard);
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        bell.ring(shard, Some(id));
        assert_eq!((bell.news(shard, 0), bell.news(shard, 1)), (Some(id), None));
        bell.ring(shard, Some(id));
        assert_eq!((bell.news(shard, 0), bell.news(shard, 1)), (None, Some(id)));
        bell.ring(shard, None);
        assert_eq!(bell.news(shard, 2), None);
        // An older program rings without knowing of it.
        bell.ring(shard, Some(id));
        *bell.rings.get_mut(&shard).unwrap() += 1;
        assert_eq!(bell.news(shard, 4), None);
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
