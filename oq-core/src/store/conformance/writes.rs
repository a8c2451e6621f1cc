//! Conditional writes, one at a time.

use super::*;
use crate::store::Changed;

/// The second create of a key loses and changes nothing.
pub async fn create_wins_only_once(ground: Ground) {
    let (etag, _) = ground.create("a", "first").await;
    assert_eq!(ground.try_create("a", "second").await, Write::Lost);
    assert_eq!(ground.try_create("a", "first").await, Write::Lost);
    let object = ground.get("a").await.expect("it was created");
    assert_eq!(&object.body[..], b"first");
    assert_eq!(object.etag, etag);
}

/// An update with the present ETag wins, and its ETag is the one that is read.
pub async fn update_replaces_the_version_that_was_seen(ground: Ground) {
    let (first, _) = ground.create("a", "first").await;
    let (second, _) = ground.update("a", "second", &first).await;
    assert_ne!(first, second);
    let object = ground.get("a").await.expect("it was created");
    assert_eq!(&object.body[..], b"second");
    assert_eq!(object.etag, second);
    ground.update("a", "third", &object.etag).await;
}

/// An update with an ETag of the past loses and changes nothing.
pub async fn update_of_a_stale_version_loses(ground: Ground) {
    let (first, _) = ground.create("a", "first").await;
    let (second, _) = ground.update("a", "second", &first).await;
    assert_eq!(ground.try_update("a", "late", &first).await, Write::Lost);
    let object = ground.get("a").await.expect("it was created");
    assert_eq!(&object.body[..], b"second");
    assert_eq!(object.etag, second);
}

/// An update never brings a key into being, nor back.
pub async fn update_of_a_missing_key_loses(ground: Ground) {
    let (etag, _) = ground.create("a", "first").await;
    assert_eq!(ground.try_update("b", "x", &etag).await, Write::Lost);
    let deleted = ground.store.delete(&ground.key("a")).await;
    deleted.expect("a deletion is answered");
    assert_eq!(ground.try_update("a", "late", &etag).await, Write::Lost);
    assert_eq!(ground.get("a").await, None);
    assert_eq!(ground.get("b").await, None);
}

/// Different bytes under one key have different ETags.
pub async fn different_bytes_have_different_etags(ground: Ground) {
    let (mut etag, _) = ground.create("a", "0").await;
    let mut seen = std::collections::BTreeSet::from([etag.clone()]);
    for n in 1..20 {
        (etag, _) = ground.update("a", n.to_string(), &etag).await;
        assert!(seen.insert(etag.clone()), "{etag:?} came twice");
    }
}

/// For stores that promise it: no ETag of a key comes again, even with the same bytes.
pub async fn etags_never_repeat(ground: Ground) {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let (first, _) = ground.create("a", "same").await;
        let (second, _) = ground.update("a", "same", &first).await;
        assert!(seen.insert(first.clone()), "{first:?} came twice");
        assert!(seen.insert(second.clone()), "{second:?} came twice");
        let deleted = ground.store.delete(&ground.key("a")).await;
        deleted.expect("a deletion is answered");
    }
}

/// A key that was never written reads as none.
pub async fn get_of_a_missing_key_is_none(ground: Ground) {
    ground.create("folder/a", "x").await;
    assert_eq!(ground.get("folder").await, None);
    assert_eq!(ground.get("folder/").await, None);
    assert_eq!(ground.get("folder/b").await, None);
}

/// A conditional read sends the object only if it is another version.
pub async fn get_if_changed_tells_same_from_new_from_missing(ground: Ground) {
    let key = ground.key("a");
    let ask = async |seen: &Etag| {
        let answer = ground.store.get_if_changed(&key, seen).await;
        answer.expect("a read is answered").value
    };
    let (first, _) = ground.create("a", "first").await;
    assert_eq!(ask(&first).await, Changed::Same);
    let (second, _) = ground.update("a", "second", &first).await;
    assert_eq!(ask(&second).await, Changed::Same);
    let Changed::Now(object) = ask(&first).await else {
        panic!("a change was not noticed");
    };
    assert_eq!(&object.body[..], b"second");
    assert_eq!(object.etag, second);
    assert_eq!(Some(object), ground.get("a").await);
    let deleted = ground.store.delete(&key).await;
    deleted.expect("a deletion is answered");
    assert_eq!(ask(&second).await, Changed::Missing);
}
