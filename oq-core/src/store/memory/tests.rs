use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::conformance;

async fn fresh() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

crate::store_conformance!(fresh());

#[tokio::test]
async fn never_gives_an_etag_twice() {
    conformance::check(fresh().await, conformance::etags_never_repeat).await;
}

#[tokio::test]
async fn puts_without_a_condition() {
    conformance::put_writes_whatever_is_there(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn goes_by_the_time_it_is_given_but_never_back() {
    let now = Arc::new(AtomicU64::new(5_000));
    let source = now.clone();
    let store = MemoryStore::with_time(Arc::new(move || {
        StoreTime::from_millis(source.load(Ordering::Relaxed))
    }));
    let key = StoreKey::listed("a");
    assert_eq!(store.get(&key).await.unwrap().date, StoreTime(5_000));
    now.store(4_000, Ordering::Relaxed);
    let Write::Won { date, .. } = store.create(&key, Bytes::new()).await.unwrap() else {
        panic!("the store is empty");
    };
    assert_eq!(date, StoreTime(5_000));
    now.store(6_000, Ordering::Relaxed);
    let got = store.get(&key).await.unwrap();
    assert_eq!(got.date, StoreTime(6_000));
    assert_eq!(got.value.unwrap().last_modified, StoreTime(5_000));
}

#[tokio::test]
async fn one_name_is_one_store_and_no_name_is_nobodys() {
    let key = StoreKey::listed("a");
    let one = MemoryStore::shared("one");
    let won = one.create(&key, Bytes::from_static(b"x"));
    assert!(matches!(won.await.unwrap(), Write::Won { .. }));
    let again = MemoryStore::shared("one").get(&key).await.unwrap();
    assert_eq!(&again.value.unwrap().body[..], b"x");
    let other = MemoryStore::shared("two").get(&key).await.unwrap();
    assert_eq!(other.value, None);
}

/// Not a test: `cargo test --release -- --ignored --nocapture memory::tests::speed`.
#[tokio::test]
#[ignore = "prints a measurement"]
#[allow(clippy::disallowed_methods)] // measures the machine itself
async fn speed() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let keys: Vec<StoreKey> = (0..100_000)
        .map(|n| StoreKey::listed(format!("queue/live/0{}/8/01J{n:023}", n % 10)))
        .collect();
    let body = Bytes::from(vec![b'x'; 400]);
    for verb in ["create", "get", "delete"] {
        let start = std::time::Instant::now();
        for key in &keys {
            match verb {
                "create" => drop(store.create(key, body.clone()).await.unwrap()),
                "get" => drop(store.get(key).await.unwrap()),
                _ => drop(store.delete(key).await.unwrap()),
            }
        }
        let rate = keys.len() as f64 / start.elapsed().as_secs_f64();
        println!("{verb}: {rate:.0} a second");
    }
}
