//! The store's clock: `Date` and `LastModified`.

use super::*;

/// 2024 and 2100: a store outside of them has lost its clock.
const SANE: std::ops::Range<StoreTime> = StoreTime(1_704_067_200_000)..StoreTime(4_102_444_800_000);

/// Waits until the store's clock has moved on to another second, which all stores can show.
pub(super) async fn next_second(ground: &Ground) {
    let start = ground.date().await.as_millis() / 1000;
    for _ in 0..500 {
        if ground.date().await.as_millis() / 1000 > start {
            return;
        }
        ground.env.sleep(Duration::from_millis(10)).await;
    }
    panic!("the store's clock stands still");
}

/// Each answer is dated no earlier than the one before, and after the writes that it shows.
pub async fn the_clock_goes_forward_and_is_not_absurd(ground: Ground) {
    let start = ground.date().await;
    assert!(SANE.contains(&start), "the store's clock shows {start}");
    let (_, mut last) = ground.create("a", "x").await;
    for n in 0..10 {
        let got = ground.store.get(&ground.key("a")).await;
        let got = got.expect("a read is answered");
        let object = got.value.expect("it was created");
        assert!(got.date >= last, "{} after {last}", got.date);
        assert!(object.last_modified <= got.date);
        assert!(object.last_modified >= start);
        let (_, date) = ground.create(&format!("b{n}"), "x").await;
        assert!(date >= got.date, "{date} after {}", got.date);
        let list = ground.store.list(&ground.below("")).await;
        let list = list.expect("a listing is answered");
        assert!(list.date >= date, "{} after {date}", list.date);
        for entry in list.value.entries {
            assert!(entry.last_modified <= list.date);
        }
        let deleted = ground.store.delete(&ground.key(&format!("b{n}"))).await;
        last = deleted.expect("a deletion is answered").date;
        assert!(last >= list.date, "{last} after {}", list.date);
    }
    next_second(&ground).await;
}

/// A later version has a later `LastModified`, in reads and in listings.
pub async fn last_modified_changes_with_each_write(ground: Ground) {
    let (mut etag, _) = ground.create("a", "x").await;
    let mut last = ground.get("a").await.expect("it was created").last_modified;
    for n in 0..2 {
        next_second(&ground).await;
        let unchanged = ground.get("a").await.expect("it was created");
        assert_eq!(unchanged.last_modified, last, "it changed by itself");
        (etag, _) = ground.update("a", n.to_string(), &etag).await;
        let now = ground.get("a").await.expect("it was created").last_modified;
        assert!(now > last, "{now} is not after {last}");
        let listed = ground.page(&ground.below("a")).await.entries;
        assert_eq!(listed[0].last_modified, now);
        last = now;
    }
}
