//! What an examination finds in queues that something is wrong with.

use std::sync::Arc;

use super::*;
use crate::env::Env;
use crate::queue::{Queue, Task};
use crate::record::{ObjectId, encode};
use crate::store::probe::Verdict;
use crate::store::{MemoryStore, Metered, StoreKey, TimeSource};

/// A queue in memory, an hour after everything that is written into it.
async fn queue() -> (Queue, Arc<std::sync::atomic::AtomicU64>) {
    let hours = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let later = hours.clone();
    let time: TimeSource = Arc::new(move || {
        let hours = later.load(std::sync::atomic::Ordering::Relaxed);
        StoreTime(1_700_000_000_000 + hours * 3_600_000)
    });
    let store = Arc::new(MemoryStore::with_time(time));
    let root = Root::new(store, Env::system());
    let name = QueueName::new("mail").unwrap();
    (Queue::open(root, name).await.unwrap(), hours)
}

async fn verdict(queue: &Queue, check: &str) -> (Verdict, String) {
    let found = examine(queue.root(), queue.name()).await.unwrap();
    let one = found.into_iter().find(|f| f.check == check).unwrap();
    assert_eq!(
        one.cure.is_some(),
        one.verdict >= Verdict::Warning,
        "{one:?}"
    );
    (one.verdict, one.what)
}

async fn object(queue: &Queue, id: ObjectId) -> (StoreKey, Live) {
    let key = Key::Live(queue.name().clone(), id).store_key();
    let object = queue.root().get(&key).await.unwrap().value.unwrap();
    let live = Live::in_object(id, &key, object).unwrap().record;
    (key, live)
}

#[tokio::test]
async fn a_healthy_queue_has_no_faults_and_is_only_read() {
    let (queue, _) = queue().await;
    queue.submit(Task::new("t", "x").unwrap()).await.unwrap();
    queue.flush().await;
    let metered = Metered::new(queue.root().store().clone());
    let meter = metered.meter();
    let root = Root::new(Arc::new(metered), Env::system());
    let found = examine(&root, queue.name()).await.unwrap();
    let worst = found.iter().map(|f| f.verdict).max().unwrap();
    assert_eq!(
        worst,
        Verdict::Warning,
        "a due task and no worker: {found:?}"
    );
    let asked = meter.snapshot();
    assert_eq!((asked.put(), asked.delete()), (0, 0));
    assert!(asked.total() <= 12, "{asked}");
    assert_eq!(layout(&root).await.unwrap().queues, [queue.name().clone()]);
}

#[tokio::test]
async fn a_lease_that_nobody_took_over_is_a_fault() {
    let (queue, hours) = queue().await;
    let id = queue
        .submit(Task::new("t", "x").unwrap())
        .await
        .unwrap()
        .id
        .object();
    let (key, mut live) = object(&queue, id).await;
    live.state = LiveState::Running;
    live.lease = Some(crate::record::Lease {
        token: crate::record::Token::parse("T").unwrap(),
        worker: crate::record::WorkerId::parse("W").unwrap(),
        length: Duration::from_secs(30),
        among: 1,
    });
    let seen = queue.root().get(&key).await.unwrap().value.unwrap().etag;
    queue
        .root()
        .send(&key, encode(&live), Some(&seen))
        .await
        .unwrap();
    assert_eq!(verdict(&queue, "leases").await.0, Verdict::Ok);
    hours.store(1, std::sync::atomic::Ordering::Relaxed);
    let (verdict, what) = verdict(&queue, "leases").await;
    assert_eq!(verdict, Verdict::Fault);
    assert!(what.contains("3600 s"), "{what}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_fault_that_names_it() {
    let (queue, _) = queue().await;
    assert_eq!(verdict(&queue, "objects").await.0, Verdict::Ok);
    for key in ["mail/live/00/G/rubbish", "mail/done/00/rubbish"] {
        let key = StoreKey::listed(key);
        queue.root().send(&key, "{".into(), None).await.unwrap();
        let (verdict, what) = verdict(&queue, "objects").await;
        assert_eq!(verdict, Verdict::Fault);
        assert!(what.contains("rubbish"), "{what}");
    }
}

#[tokio::test]
async fn a_paused_queue_a_newer_format_and_dead_letters_are_told() {
    let (queue, _) = queue().await;
    queue.pause().await.unwrap();
    assert_eq!(verdict(&queue, "settings").await.0, Verdict::Warning);
    let dead = StoreKey::listed("mail/dead/00/x");
    queue.root().send(&dead, "{}".into(), None).await.unwrap();
    assert_eq!(verdict(&queue, "dead letters").await.0, Verdict::Warning);
    let key = Key::Format.store_key();
    let seen = queue.root().get(&key).await.unwrap().value.unwrap().etag;
    let newer = r#"{"v":2}"#;
    queue
        .root()
        .send(&key, newer.into(), Some(&seen))
        .await
        .unwrap();
    let (verdict, what) = verdict(&queue, "format").await;
    assert_eq!(verdict, Verdict::Fault);
    assert!(what.contains("version 2"), "{what}");
}

#[test]
fn more_workers_than_shards_is_told() {
    assert_eq!(fleet(16, None, 0).verdict, Verdict::Ok);
    let crowded = fleet(17, None, 0);
    assert_eq!(crowded.verdict, Verdict::Warning);
    assert!(crowded.cure.unwrap().contains("--shards 32"));
}
