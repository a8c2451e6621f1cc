//! What tasks carry: the number of a script, or of a run, and a load that follows from both. So it
//! shows whether what comes back is what was sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use oq_core::protocol::payload::unpack;
use oq_core::record::{Data, Json, Key, ObjectId, QueueName};
use oq_core::store::StoreKey;
use oq_core::testing::sim_store::Applied;
use serde::{Deserialize, Serialize};

/// A number, and so many bytes besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parcel {
    Bare(usize),
    // In the order of names: whoever writes JSON anew keeps it.
    Loaded { load: String, n: usize },
}

impl Parcel {
    pub fn new(n: usize, bytes: usize) -> Parcel {
        match bytes {
            0 => Parcel::Bare(n),
            _ => Parcel::Loaded {
                n,
                load: load(n, bytes),
            },
        }
    }

    pub fn number(&self) -> usize {
        match self {
            Parcel::Bare(n) | Parcel::Loaded { n, .. } => *n,
        }
    }

    /// Whether it is as it was made, with so many bytes.
    pub fn is_whole(&self, bytes: usize) -> bool {
        *self == Parcel::new(self.number(), bytes)
    }
}

/// Every other one can be compressed well.
fn load(n: usize, bytes: usize) -> String {
    let letter = |i: usize| {
        let place = if n.is_multiple_of(2) { i % 8 } else { i };
        let mixed = (n + 1).wrapping_mul(31).wrapping_add(place) as u64;
        let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
        char::from(b' ' + (mixed % 94) as u8)
    };
    (0..bytes).map(letter).collect()
}

/// The payloads that there are, or ever were.
#[derive(Debug, Default)]
pub struct Parcels(BTreeMap<StoreKey, Bytes>);

impl Parcels {
    /// All that were ever written: none is written twice.
    pub fn of(log: &[Applied]) -> Parcels {
        let written = log.iter().filter_map(|change| {
            let object = change.new.as_ref()?;
            let payload = matches!(Key::parse(change.key.as_str()), Some(Key::Payload(..)));
            payload.then(|| (change.key.clone(), object.body.clone()))
        });
        Parcels(written.collect())
    }

    /// What an input or output of an object is; `None` if it is not there, or not what it was.
    pub fn open(&self, queue: &QueueName, id: ObjectId, data: &Data) -> Option<Parcel> {
        open(queue, id, data, |key| self.0.get(key).cloned())
    }

    /// The number in it.
    pub fn number(&self, queue: &QueueName, id: ObjectId, data: &Data) -> usize {
        let parcel = self.open(queue, id, data);
        parcel.map_or(usize::MAX, |parcel| parcel.number())
    }
}

/// What an input or output is, where `find` finds payloads.
pub fn open(
    queue: &QueueName,
    id: ObjectId,
    data: &Data,
    find: impl Fn(&StoreKey) -> Option<Bytes>,
) -> Option<Parcel> {
    match data {
        Data::Json(json) => read(json),
        Data::At(at) => {
            let text = unpack(find(&key(queue, id, data)?)?, at).ok()?;
            read(&Json::parse(&text).ok()?)
        }
    }
}

/// Where it is, if not in its record.
pub fn key(queue: &QueueName, id: ObjectId, data: &Data) -> Option<StoreKey> {
    match data {
        Data::Json(_) => None,
        Data::At(at) => {
            Some(Key::Payload(queue.clone(), id, at.token.clone(), at.part).store_key())
        }
    }
}

/// The parcel in a text.
pub fn read(json: &Json) -> Option<Parcel> {
    json.to().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_comes_back_or_it_shows() {
        for bytes in [0, 1, 300, 9000] {
            for n in [0, 7, 12] {
                let json = Json::of(&Parcel::new(n, bytes)).unwrap();
                assert!(json.as_str().len() > bytes);
                let back = read(&json).unwrap();
                assert!(back.number() == n && back.is_whole(bytes));
                assert!(!back.is_whole(bytes + 1));
            }
        }
        let other = Parcel::Loaded {
            n: 3,
            load: load(4, 50),
        };
        assert!(!other.is_whole(50));
    }
}
