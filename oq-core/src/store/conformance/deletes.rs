//! Deletion, with and without a condition.

use super::*;
use crate::store::MAX_DELETE;

/// Deleting what is not there, or no longer, succeeds.
pub async fn delete_of_a_missing_key_succeeds(ground: Ground) {
    ground.create("a", "x").await;
    for key in ["a", "a", "never"] {
        let deleted = ground.store.delete(&ground.key(key)).await;
        deleted.expect("a deletion is answered");
        assert_eq!(ground.get(key).await, None);
    }
}

/// After a deletion the key is free, and its old ETag of no use.
pub async fn a_deleted_key_can_be_created_again(ground: Ground) {
    let (old, _) = ground.create("a", "first life").await;
    let deleted = ground.store.delete(&ground.key("a")).await;
    deleted.expect("a deletion is answered");
    ground.create("a", "second life").await;
    assert_eq!(ground.try_update("a", "late", &old).await, Write::Lost);
    let object = ground.get("a").await.expect("it was created");
    assert_eq!(&object.body[..], b"second life");
}

/// A batch deletes as many keys as it may hold, whether they exist or not, and no others.
pub async fn delete_many_takes_a_full_batch_and_missing_keys(ground: Ground) {
    let name = |n: usize| format!("batch/{n:04}");
    let present = MAX_DELETE - 100;
    ground.fill((0..present).map(name)).await;
    ground.create("batch-kept", "x").await;
    let keys: Vec<StoreKey> = (0..MAX_DELETE).map(|n| ground.key(&name(n))).collect();
    let left = ground.store.delete_many(&keys).await;
    assert_eq!(left.expect("a deletion is answered").value, []);
    assert_eq!(ground.keys(ground.below("")).await, ["batch-kept"]);
    let none = ground.store.delete_many(&[]).await;
    assert_eq!(none.expect("an empty batch is answered").value, []);
}

/// Where the store can check it: a stale ETag deletes nothing, the present one does.
pub async fn delete_if_checks_its_condition_where_it_can(ground: Ground) {
    if !ground.store.abilities().delete_if {
        return;
    }
    let key = ground.key("a");
    let delete = async |seen: &Etag| ground.settle(|| ground.store.delete_if(&key, seen)).await;
    let (first, _) = ground.create("a", "first").await;
    let (second, _) = ground.update("a", "second", &first).await;
    assert_eq!(delete(&first).await, Write::Lost);
    assert_eq!(ground.get("a").await.expect("it is there").etag, second);
    won(delete(&second).await);
    assert_eq!(ground.get("a").await, None);
    assert_eq!(delete(&second).await, Write::Lost);
}
