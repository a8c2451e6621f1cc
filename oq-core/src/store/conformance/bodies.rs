//! What can be stored, and under which keys.

use super::*;
use crate::store::{MAX_BODY, StoreError};

/// Every byte value, no byte at all, and what looks like text or compressed data comes back.
pub async fn any_bytes_come_back_as_they_went_in(ground: Ground) {
    let bodies: [Vec<u8>; 5] = [
        (0..=255).collect(),
        Vec::new(),
        vec![0],
        b"{\"a\":1}  ".to_vec(),
        vec![0x28, 0xb5, 0x2f, 0xfd, 0x0d, 0x0a, 0xff],
    ];
    for (n, body) in bodies.into_iter().enumerate() {
        let key = n.to_string();
        let (etag, _) = ground.create(&key, body.clone()).await;
        let object = ground.get(&key).await.expect("it was created");
        assert_eq!(object.body, body);
        assert_eq!(object.etag, etag);
        let (_, _) = ground.update(&key, [&body[..], b"!"].concat(), &etag).await;
        let object = ground.get(&key).await.expect("it was updated");
        assert_eq!(object.body, [&body[..], b"!"].concat());
    }
}

/// A mebibyte comes back.
pub async fn a_large_body_comes_back_as_it_went_in(ground: Ground) {
    let body: Vec<u8> = (0..1 << 20)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    ground.create("a", body.clone()).await;
    let object = ground.get("a").await.expect("it was created");
    assert!(object.body == body, "other bytes came back");
    let listed = ground.page(&ground.below("a")).await.entries;
    assert_eq!(listed[0].size, 1 << 20);
}

/// One byte more than oq reads is not written.
pub async fn too_large_a_body_is_refused_before_anything_is_written(ground: Ground) {
    let body = Bytes::from(vec![0; MAX_BODY + 1]);
    let size = body.len() as u64;
    let (key, small) = (ground.key("large"), ground.key("small"));
    let answer = ground.store.create(&key, body.clone()).await;
    assert_eq!(answer, Err(StoreError::TooLarge(size)));
    assert_eq!(ground.get("large").await, None);
    let (etag, _) = ground.create("small", "x").await;
    let answer = ground.store.update(&small, body, &etag).await;
    assert_eq!(answer, Err(StoreError::TooLarge(size)));
    assert_eq!(ground.get("small").await.expect("it is there").etag, etag);
}

/// Keys in every shape that oq gives them, and all characters of which it makes them.
pub async fn every_key_that_oq_uses_can_be_used(ground: Ground) {
    let keys = [
        "oq.json",
        "mail/queue.json",
        "mail.v2-eu_1/live/0G/8/01J5ZP3T7Y9GQ4W1N6X8K2M0G",
        "mail/done/0G/01J5ZP3T7Y9GQ4W1N6X8K2M0G",
        "mail/dead/0G/01J5ZP3T7Y9GQ4W1N6X8K2M0G.17",
        "mail/payload/0G/01J5ZP3T7Y9GQ4W1N6X8K2M0G/7f3a/in.3",
        "mail/key/9f86d081884c7d659a2feaa0c55ad015",
        "mail/bell",
        "mail/fleet/here/host-1.example_x.77",
        "mail/schedule/every-day",
        ".probe/a",
        "0123456789/abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ/-._~",
    ];
    for key in keys {
        ground.create(key, key).await;
    }
    for key in keys {
        assert_eq!(ground.get(key).await.expect("it was created").body, key);
        let listed = ground.keys(ground.below(key)).await;
        assert_eq!(listed, [key]);
    }
    let mut sorted = keys.map(str::to_owned);
    sorted.sort();
    assert_eq!(ground.keys(ground.below("")).await, sorted);
}
