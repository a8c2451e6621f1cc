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
    /// What the last rings were about, the newest last: these objects need not be looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<Named>,
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

/// The object that a ring was about, behind the number of that ring among those of the object's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named(pub u64, pub ObjectId);

/// The bell names so many objects at most. Each makes it 36 bytes longer, and whoever asks reads all.
pub const NAMED: usize = 256;

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
            named: Vec::new(),
            help: None,
            view: 0,
            extra: BTreeMap::new(),
        }
    }

    /// Announces work in a shard that is to be looked for.
    pub fn ring(&mut self, shard: Shard) {
        let count = self.rings.entry(shard).or_default();
        *count = count.wrapping_add(1);
    }

    /// Announces one object, with a ring of its own.
    pub fn name(&mut self, id: ObjectId) {
        self.ring(id.shard());
        self.named.push(Named(self.rings[&id.shard()], id));
        let more = self.named.len().saturating_sub(NAMED);
        self.named.drain(..more);
    }

    /// The objects that the rings of a shard since `old` were about; nothing if one of them named none,
    /// or did so too long ago: then the shard has to be listed.
    pub fn news(&self, shard: Shard, old: u64) -> Option<Vec<ObjectId>> {
        let rings = self.rings.get(&shard)?.wrapping_sub(old);
        let since = |ring: u64| ring.wrapping_sub(old).wrapping_sub(1) < rings;
        let of_shard = self.named.iter().filter(|n| n.1.shard() == shard);
        let mut ids = Vec::new();
        for Named(ring, id) in of_shard.filter(|n| since(n.0)) {
            // A program that does not know of names rings without one.
            if *ring != old.wrapping_add(ids.len() as u64 + 1) {
                return None;
            }
            ids.push(*id);
        }
        (ids.len() as u64 == rings).then_some(ids)
    }

    /// Whether the last ring of a shard named no object.
    pub fn is_to_be_listed(&self, shard: Shard) -> bool {
        let last = self.rings.get(&shard);
        let named = |n: &Named| n.1.shard() == shard && Some(&n.0) == last;
        last.is_some() && !self.named.iter().any(named)
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
    const FROZEN_WITH_NAMES: &str = r#"{"v":1,"write":{"gen":7,"by":["B","C"],"created_by":"A","created":1700000000000},"rings":{"0":3,"1023":9},"named":[[3,"01HF7YAT0000000000000G0000"]],"view":4,"later":[1]}"#;

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
                if n % 2 == 0 {
                    bell.name(id);
                } else {
                    bell.ring(shard);
                }
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
    fn says_what_rings_were_about_only_if_each_named_it() {
        let shard = Shard::new(3).unwrap();
        let id = |n, shard| ObjectId::from_parts(StoreTime(7), n, Priority::NORMAL, 1, shard);
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        assert_eq!(
            (bell.news(shard, 0), bell.is_to_be_listed(shard)),
            (None, false)
        );
        let [one, two, three] = [1, 2, 3].map(|n| id(n, shard));
        bell.name(one);
        bell.name(id(9, Shard::new(4).unwrap()));
        bell.name(two);
        assert_eq!(bell.news(shard, 0), Some(vec![one, two]));
        assert_eq!(bell.news(shard, 1), Some(vec![two]));
        bell.ring(shard);
        assert!(bell.is_to_be_listed(shard));
        bell.name(three);
        assert!(!bell.is_to_be_listed(shard));
        assert_eq!(
            (bell.news(shard, 1), bell.news(shard, 3)),
            (None, Some(vec![three]))
        );
    }

    #[test]
    fn names_the_newest_objects_only() {
        let shard = Shard::new(3).unwrap();
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        for n in 0..NAMED as u64 + 5 {
            bell.name(ObjectId::from_parts(
                StoreTime(7),
                n,
                Priority::NORMAL,
                1,
                shard,
            ));
        }
        let news = |old| bell.news(shard, old).map(|ids| ids.len());
        assert_eq!((news(4), news(5)), (None, Some(NAMED)));
        let size = encode(&bell).len();
        assert!(size < NAMED * 40, "{size} bytes");
    }

    #[test]
    fn the_count_of_rings_may_wrap() {
        let shard = Shard::new(3).unwrap();
        let id = ObjectId::from_parts(StoreTime(7), 1, Priority::NORMAL, 1, shard);
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        bell.rings.insert(shard, u64::MAX);
        bell.name(id);
        bell.name(id);
        assert_eq!(bell.news(shard, u64::MAX), Some(vec![id, id]));
    }

    #[test]
    fn reads_what_version_1_wrote_and_keeps_what_it_does_not_know() {
        let bell: Bell = decode(&StoreKey::listed("mail/bell"), FROZEN.as_bytes()).unwrap();
        assert_eq!(bell.rings[&Shard::new(1023).unwrap()], 9);
        assert_eq!(bell.help.unwrap().shard.value(), 5);
        let text = String::from_utf8(encode(&bell).to_vec()).unwrap();
        assert_eq!(text.trim_end(), FROZEN);
    }

    #[test]
    fn reads_the_names_that_version_1_wrote() {
        let body = FROZEN_WITH_NAMES;
        let bell: Bell = decode(&StoreKey::listed("mail/bell"), body.as_bytes()).unwrap();
        let [first, last] = [0, 1023].map(|shard| Shard::new(shard).unwrap());
        let id = ObjectId::from_parts(StoreTime(1_700_000_000_000), 0, Priority::NORMAL, 1, first);
        assert_eq!(bell.named, [Named(3, id)]);
        assert_eq!(
            (bell.news(first, 2), bell.news(first, 1)),
            (Some(vec![id]), None)
        );
        let listed = [first, last].map(|shard| bell.is_to_be_listed(shard));
        assert_eq!(listed, [false, true]);
        let text = String::from_utf8(encode(&bell).to_vec()).unwrap();
        assert_eq!(text.trim_end(), body);
    }
}
