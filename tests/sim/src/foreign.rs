//! Objects that no program of this version can read: damaged ones, and those of a newer format. They
//! are reported and left as they are, and nothing waits for them.

use bytes::Bytes;
use oq_core::record::{Key, ObjectId, Priority, Shard};
use oq_core::store::StoreKey;
use oq_core::testing::sim_store::{EPOCH, SimStore};

use crate::producer::queue_name;

const BODIES: &[&[u8]] = &[
    b"",
    b"{\"v\":1,\"write\":{\"gen\":1,",
    b"{\"v\":2,\"state\":\"suspended\",\"tasks\":[{}]}    ",
    b"not JSON, and not \xff UTF-8",
];

/// Puts one of each kind into the first queue, as tasks and as outcomes.
pub fn put(store: &SimStore) {
    for (n, body) in BODIES.iter().enumerate() {
        for key in [
            Key::Live(queue_name(0), id(n)),
            Key::Done(queue_name(0), id(n + 10)),
        ] {
            store.put_by_hand(key.store_key(), Bytes::from_static(body));
        }
    }
}

fn id(n: usize) -> ObjectId {
    let shard = Shard::new(n as u16 % 10).expect("there are so many shards");
    ObjectId::from_parts(EPOCH, n as u64, Priority::NORMAL, 1, shard)
}

/// Whether this is one of them.
pub fn is_one(key: &StoreKey) -> bool {
    match Key::parse(key.as_str()) {
        Some(Key::Live(queue, object) | Key::Done(queue, object)) => {
            let mut all = (0..BODIES.len()).flat_map(|n| [id(n), id(n + 10)]);
            queue == queue_name(0) && all.any(|id| id == object)
        }
        _ => false,
    }
}

/// How many are not as they were put there.
pub fn changed(objects: &std::collections::BTreeMap<StoreKey, oq_core::store::Object>) -> usize {
    let intact = objects
        .iter()
        .filter(|(key, object)| is_one(key) && BODIES.iter().any(|body| *body == &object.body[..]));
    BODIES.len() * 2 - intact.count()
}
