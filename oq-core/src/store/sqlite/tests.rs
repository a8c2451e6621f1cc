use super::*;
use crate::store::conformance;

mod processes;
mod refusals;
mod speed;

fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(path).expect("a store for the test"))
}

thread_local! {
    /// Keeps the folder of a test until the end of its thread.
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder for the test");
}

/// The path of a file that goes with the test.
fn file() -> PathBuf {
    FOLDER.with(|folder| folder.path().join("oq.db"))
}

async fn fresh() -> Arc<dyn Store> {
    open(&file())
}

crate::store_conformance!(fresh());

#[tokio::test]
async fn never_gives_an_etag_twice() {
    conformance::check(fresh().await, conformance::etags_never_repeat).await;
}

#[tokio::test]
async fn puts_without_a_condition() {
    let store = SqliteStore::open(file()).expect("a store for the test");
    conformance::put_writes_whatever_is_there(Arc::new(store)).await;
}

#[tokio::test]
async fn never_gives_an_etag_twice_across_openings() {
    let key = StoreKey::listed("a");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let store = open(&file());
        let created = store.create(&key, Bytes::from_static(b"same")).await;
        let Ok(Write::Won { etag, .. }) = created else {
            panic!("not created: {created:?}");
        };
        assert!(seen.insert(etag.clone()), "{etag:?} came twice");
        store.delete(&key).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_drop() {
    let key = |n: usize| StoreKey::listed(format!("k/{n}"));
    let store = open(&file());
    let body = Bytes::from_static(b"body");
    let writes = (0..100).map(|n| {
        let (store, body) = (store.clone(), body.clone());
        async move { store.create(&key(n), body).await }
    });
    for answer in futures::future::join_all(writes).await {
        assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
    }
    drop(store);
    let page = open(&file()).list(&List::prefix("k/")).await.unwrap();
    assert_eq!(page.value.entries.len(), 100);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_still_whole() {
    let (key, store) = (StoreKey::listed("a"), open(&file()));
    let write = store.create(&key, Bytes::from_static(b"whole"));
    // Polled once, so that it is on its way, and then dropped.
    assert!(futures::FutureExt::now_or_never(write).is_none());
    drop(store);
    let got = open(&file()).get(&key).await.unwrap();
    assert_eq!(&got.value.expect("it was on its way").body[..], b"whole");
}

#[tokio::test]
async fn the_clock_never_goes_before_the_last_write_of_anybody() {
    let key = StoreKey::listed("a");
    drop(open(&file()));
    let ahead = WallClock::default()
        .now()
        .plus(std::time::Duration::from_secs(3600));
    let db = rusqlite::Connection::open(file()).unwrap();
    db.execute(
        "UPDATE state SET mark = ?1",
        [ahead.as_millis().cast_signed()],
    )
    .unwrap();
    let store = open(&file());
    assert!(store.get(&key).await.unwrap().date >= ahead);
    let created = store.create(&key, Bytes::new()).await;
    assert!(matches!(created, Ok(Write::Won { date, .. }) if date >= ahead));
    tokio::task::yield_now().await;
    let first = store.get(&key).await.unwrap().date;
    let passed = async {
        while store.get(&key).await.unwrap().date <= first {
            tokio::task::yield_now().await;
        }
    };
    let env = crate::env::Env::system();
    let limit = std::time::Duration::from_secs(5);
    assert!(env.within(limit, passed).await.is_some(), "it stands still");
}
