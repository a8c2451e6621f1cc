//! What a listing shows.

use super::*;

/// All characters of which oq makes keys, in the order in which a store must list them.
const ALPHABET: &str = "-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// Keys come in byte order, whatever the order in which they were written.
pub async fn lists_in_byte_order(ground: Ground) {
    let mut keys: Vec<String> = ALPHABET
        .chars()
        .flat_map(|c| [format!("k{c}k"), format!("k{c}")])
        // S3 has them, but a store made of files has no name for them.
        .filter(|key| !key.ends_with('/') && !key.contains("/."))
        .chain(["k".to_owned(), "kk".to_owned(), "k-/k".to_owned()])
        .collect();
    keys.sort();
    keys.dedup();
    ground.fill(keys.iter().rev().cloned()).await;
    assert_eq!(ground.keys(ground.below("k")).await, keys);
}

/// A prefix is a text, not a folder, and keys around it stay out.
pub async fn lists_only_what_has_the_prefix(ground: Ground) {
    let keys = ["a", "a/b", "ab", "ab/c", "abc", "ac", "b"];
    ground.fill(keys.map(str::to_owned)).await;
    let list = async |prefix: &str| ground.keys(ground.below(prefix)).await;
    assert_eq!(list("").await, keys);
    assert_eq!(list("a").await, keys[..6]);
    assert_eq!(list("a/").await, ["a/b"]);
    assert_eq!(list("ab").await, ["ab", "ab/c", "abc"]);
    assert_eq!(list("abc").await, ["abc"]);
    assert_eq!(list("abcd").await, Vec::<String>::new());
    assert_eq!(list("A").await, Vec::<String>::new());
}

/// Size, ETag and `LastModified` of a listing are those that a read gives.
pub async fn lists_what_get_shows(ground: Ground) {
    for size in [0, 1, 1000] {
        let key = format!("size-{size}");
        let (etag, _) = ground.create(&key, vec![b'x'; size + 1]).await;
        ground.update(&key, vec![b'x'; size], &etag).await;
    }
    // Or the time of the listing would pass for that of the write.
    super::clock::next_second(&ground).await;
    let entries = ground.page(&ground.below("")).await.entries;
    assert_eq!(entries.len(), 3);
    for entry in entries {
        let key = ground.bare(entry.key.as_str());
        let object = ground.get(key).await.expect("it is listed");
        assert_eq!(entry.size, object.body.len() as u64);
        assert_eq!(entry.etag, object.etag);
        assert_eq!(entry.last_modified, object.last_modified);
    }
}

/// A listing shows at once what was written and what was deleted.
pub async fn lists_nothing_that_was_deleted(ground: Ground) {
    ground.fill(["a", "b", "c"].map(str::to_owned)).await;
    let deleted = ground.store.delete(&ground.key("b")).await;
    deleted.expect("a deletion is answered");
    assert_eq!(ground.keys(ground.below("")).await, ["a", "c"]);
    let gone = [ground.key("a"), ground.key("c")];
    let deleted = ground.store.delete_many(&gone).await;
    deleted.expect("a deletion is answered");
    assert_eq!(ground.keys(ground.below("")).await, Vec::<String>::new());
    ground.create("b", "x").await;
    assert_eq!(ground.keys(ground.below("")).await, ["b"]);
}

/// A listing starts after a key, whether that exists or not.
pub async fn lists_what_sorts_after_any_text(ground: Ground) {
    let keys = ["live/0/a", "live/0/b", "live/1/a", "live/1/b", "live/2/a"];
    ground.fill(keys.map(str::to_owned)).await;
    let after = async |text: &str| {
        let after = ground.key(text);
        let list = ground.below("live/").after(after.as_str());
        ground.keys(list).await
    };
    assert_eq!(after("live/0/a").await, keys[1..]);
    assert_eq!(after("live/0/aa").await, keys[1..]);
    assert_eq!(after("live/0/A").await, keys);
    assert_eq!(after("live/0/~").await, keys[2..]);
    assert_eq!(after("live/1").await, keys[2..]);
    assert_eq!(after("a").await, keys);
    assert_eq!(after("live/2/a").await, Vec::<String>::new());
    assert_eq!(after("z").await, Vec::<String>::new());
}
