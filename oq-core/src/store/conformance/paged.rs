//! Listings of several pages, and folders.

use super::*;
use crate::store::MAX_PAGE;

/// Small pages, full pages and the default show every key once, in order.
pub async fn pages_hold_what_was_asked_for_and_continue(ground: Ground) {
    let keys: Vec<String> = (0..23).map(|n| format!("p/{n:02}")).collect();
    ground.fill(keys.clone()).await;
    for limit in [1, 2, 7, 22, 23, 24, MAX_PAGE] {
        let list = ground.below("p/").limit(limit);
        let first = ground.page(&list).await;
        assert_eq!(first.entries.len(), keys.len().min(limit.into()));
        assert_eq!(first.next.is_some(), usize::from(limit) < keys.len());
        assert_eq!(ground.keys(list).await, keys, "in pages of {limit}");
    }
    let rest = ground
        .below("p/")
        .limit(3)
        .after(ground.key("p/19").as_str());
    assert_eq!(ground.keys(rest).await, keys[20..]);
}

/// Around the largest page every key is shown once, and what a page shows can be deleted as a batch.
pub async fn full_pages_lose_nothing_at_their_ends_and_can_be_deleted(ground: Ground) {
    let full = usize::from(MAX_PAGE);
    let keys: Vec<String> = (0..full + 3).map(|n| format!("full/{n:05}")).collect();
    ground.fill(keys.iter().rev().cloned()).await;
    ground.create("full0", "behind").await;
    let list = ground.below("full/");
    for limit in [MAX_PAGE - 1, MAX_PAGE] {
        let first = ground.page(&list.clone().limit(limit)).await;
        assert_eq!(first.entries.len(), usize::from(limit));
        assert!(first.next.is_some(), "a page of {limit} ends the listing");
        assert_eq!(ground.keys(list.clone().limit(limit)).await, keys);
    }
    for at in [full - 2, full - 1, full, full + 2] {
        let after = ground.key(&keys[at]);
        let rest = list.clone().after(after.as_str());
        assert_eq!(ground.keys(rest).await, keys[at + 1..], "behind key {at}");
    }
    let delete = async |keys: &[String]| {
        let keys: Vec<StoreKey> = keys.iter().map(|key| ground.key(key)).collect();
        let left = ground.store.delete_many(&keys).await;
        assert_eq!(left.expect("a deletion is answered").value, []);
    };
    // A listing that is exactly full is whole.
    delete(&keys[full..]).await;
    let whole = ground.page(&list).await;
    assert_eq!((whole.entries.len(), whole.next), (full, None));
    let shown: Vec<String> = whole
        .entries
        .iter()
        .map(|e| ground.bare(e.key.as_str()).to_owned())
        .collect();
    delete(&shown).await;
    assert_eq!(ground.keys(ground.below("full")).await, ["full0"]);
}

async fn tree(ground: &Ground) {
    let keys = [
        "t/a", "t/b-1/x", "t/b/1", "t/b/2", "t/b/c/3", "t/b0", "t/d/1", "t/d/2", "t/e", "u/x",
    ];
    ground.fill(keys.map(str::to_owned)).await;
    ground
        .fill((0..20).map(|n| format!("t/b/more/{n:02}")))
        .await;
}

const FILES: [&str; 3] = ["t/a", "t/b0", "t/e"];
const FOLDERS: [&str; 3] = ["t/b-1/", "t/b/", "t/d/"];

fn bare(ground: &Ground, entries: &[Listed]) -> Vec<String> {
    let keys = entries.iter().map(|e| ground.bare(e.key.as_str()));
    keys.map(str::to_owned).collect()
}

/// A folded listing shows each folder once and the keys beside them.
pub async fn folds_folders(ground: Ground) {
    tree(&ground).await;
    let folded = async |prefix: &str| {
        let (entries, folders) = ground.pages(ground.below(prefix).folded()).await;
        (bare(&ground, &entries), folders)
    };
    let (files, folders) = folded("t/").await;
    assert_eq!(files, FILES);
    assert_eq!(folders, FOLDERS);
    let (files, folders) = folded("t/b").await;
    assert_eq!(files, ["t/b0"]);
    assert_eq!(folders, ["t/b-1/", "t/b/"]);
    let (files, folders) = folded("").await;
    assert_eq!(files, Vec::<String>::new());
    assert_eq!(folders, ["t/", "u/"]);
    let (files, folders) = folded("none/").await;
    assert_eq!((files.len(), folders.len()), (0, 0));
}

/// Pages of a folded listing show each folder and each key once.
pub async fn pages_through_folders(ground: Ground) {
    tree(&ground).await;
    for limit in 1..8 {
        let list = ground.below("t/").folded().limit(limit);
        let (entries, folders) = ground.pages(list).await;
        assert_eq!(bare(&ground, &entries), FILES, "in pages of {limit}");
        assert_eq!(folders, FOLDERS, "in pages of {limit}");
    }
    let after = ground.key("t/b/~");
    let list = ground.below("t/").folded().after(after.as_str());
    let (entries, folders) = ground.pages(list).await;
    assert_eq!(bare(&ground, &entries), ["t/b0", "t/e"]);
    assert_eq!(folders, ["t/d/"]);
}
