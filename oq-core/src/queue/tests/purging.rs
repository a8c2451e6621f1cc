//! A purge takes all of a task or nothing: its key, its live object, its outcome.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::record::KeyHash;
use crate::store::{Dated, Passing, StoreError, StoreKey};

const LATER: Duration = Duration::from_millis(5);

fn keyed() -> Task {
    task("x").key("welcome:a@x.io")
}

/// What a purge begins with.
async fn mark(queue: &Queue) -> StoreTime {
    queue.root().env().sleep(LATER).await;
    let now = queue.root().now();
    let marked = queue.change_settings(move |s| s.purged_before = Some(now));
    marked.await.unwrap();
    queue.root().env().sleep(LATER).await;
    now
}

fn live_key(id: ObjectId) -> StoreKey {
    Key::Live(QueueName::new("mail").unwrap(), id).store_key()
}

#[tokio::test(start_paused = true)]
async fn what_was_submitted_right_before_a_purge_goes_with_its_key() {
    let queue = queue().await;
    let old = queue.submit(keyed()).await.unwrap().id;
    run(&queue, old.object(), ok("sent")).await;
    queue.root().env().sleep(LATER).await;
    let purged = queue.purge().await.unwrap();
    assert_eq!((purged.done, purged.keys), (1, 1));
    assert_eq!(keys(&queue).await, ["mail/queue.json"]);
    let new = queue.submit(keyed()).await.unwrap();
    assert!(!new.existing && new.id != old, "{new:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_submitted_while_a_purge_goes_on_stays_with_its_key() {
    let queue = queue().await;
    let submitting = async {
        queue.root().env().sleep(secs(1)).await;
        queue.submit(keyed()).await.unwrap().id
    };
    let (purged, new) = tokio::join!(queue.purge(), submitting);
    assert_eq!(purged.unwrap(), Purged::default());
    let again = queue.submit(keyed()).await.unwrap();
    assert_eq!((again.id, again.existing), (new, true));
}

#[tokio::test(start_paused = true)]
async fn a_key_does_not_stand_for_what_a_broken_off_purge_left() {
    let queue = queue().await;
    let waits = queue.submit(keyed()).await.unwrap().id;
    let before = mark(&queue).await;
    let new = queue.submit(keyed()).await.unwrap();
    assert!(!new.existing && new.id != waits, "{new:?}");
    let gone = claimed_after(&queue, waits.object(), Some(before)).await;
    assert!(matches!(gone, Claimed::Gone), "{gone:?}");
    let held = claimed_after(&queue, new.id.object(), Some(before)).await;
    assert!(matches!(held, Claimed::Held(_)), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_know_of_a_purge_yet_gives_no_purged_task_another_life() {
    let store = store();
    let (queue, other) = (queue_on(store.clone(), 1).await, queue_on(store, 2).await);
    let old = queue.submit(keyed()).await.unwrap().id;
    // It has read the settings before.
    other.submit(task("y")).await.unwrap();
    let before = mark(&queue).await;
    let gone = claimed_after(&queue, old.object(), Some(before)).await;
    assert!(matches!(gone, Claimed::Gone), "{gone:?}");

    let new = other.submit(keyed()).await.unwrap();
    assert!(!new.existing && new.id != old, "{new:?}");
    let held = claimed_after(&queue, new.id.object(), Some(before)).await;
    assert!(matches!(held, Claimed::Held(_)), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn who_helps_submits_as_of_when_the_key_was_written() {
    let queue = queue().await;
    let first = queue.submit(keyed()).await.unwrap().id;
    let since = queue.get(first).await.unwrap().submitted;
    // As if its submitter had died before the task was there.
    let live = live_key(first.object());
    queue.root().delete(&live).await.unwrap();
    queue.root().env().sleep(secs(30)).await;
    let helped = queue.submit(keyed()).await.unwrap();
    assert_eq!((helped.id, helped.existing), (first, false));
    assert_eq!(queue.get(first).await.unwrap().submitted, since);

    // A key that is used again is as old as the task it names now.
    run(&queue, first.object(), broken()).await;
    queue.root().env().sleep(secs(30)).await;
    let second = queue.submit(keyed()).await.unwrap().id;
    let hash = KeyHash::of("welcome:a@x.io");
    let key = Key::Idempotency(queue.name().clone(), hash);
    let record = crate::protocol::write::read::<crate::record::Idempotency>(queue.root(), &key);
    let record = record.await.unwrap().unwrap().record;
    assert_eq!(record.id.task(0), second);
    let submitted = queue.get(second).await.unwrap().submitted;
    assert_eq!(record.write.created, submitted);
    assert!(submitted > since.plus(secs(30)));
}

/// A store that does not delete some objects.
#[derive(Debug)]
struct Stubborn {
    inner: Arc<MemoryStore>,
    keeps: Mutex<BTreeSet<StoreKey>>,
}

type Deleted = Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError>;

#[async_trait]
impl Passing for Stubborn {
    fn to(&self) -> &dyn Store {
        &*self.inner
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Deleted {
        let keeps = self.keeps.lock().unwrap().clone();
        let (stay, go): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|k| keeps.contains(k));
        let mut answer = self.inner.delete_many(&go).await?;
        let busy = || StoreError::Unavailable("busy".into());
        answer
            .value
            .extend(stay.into_iter().map(|key| (key, busy())));
        Ok(answer)
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_what_was_not_deleted_stays_with_it() {
    let stubborn = Arc::new(Stubborn {
        inner: store(),
        keeps: Mutex::default(),
    });
    let queue = queue_on(stubborn.clone(), 1).await;
    let id = queue.submit(task("x")).await.unwrap().id;
    // The create comes twice, the second time after the outcome.
    let live = live_key(id.object());
    let body = stubborn.inner.get(&live).await.unwrap().value.unwrap().body;
    run(&queue, id.object(), ok("sent")).await;
    stubborn.inner.create(&live, body).await.unwrap();
    queue.root().env().sleep(secs(5)).await;

    stubborn.keeps.lock().unwrap().insert(live);
    let purged = queue.purge().await.unwrap();
    assert_eq!((purged.live, purged.left, purged.done), (0, 1, 0));
    // Nobody who does not know of the purge yet runs it again.
    let again = claimed(&queue, id.object()).await;
    assert!(matches!(again, Claimed::Repaired(None)), "{again:?}");

    stubborn.keeps.lock().unwrap().clear();
    let purged = queue.purge_again().await.unwrap();
    assert_eq!((purged.left, purged.done), (0, 1));
    assert_eq!(keys(&queue).await, ["mail/queue.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_nothing_purged_whoever_knows_of_it() {
    let store = store();
    let (queue, other) = (queue_on(store.clone(), 1).await, queue_on(store, 2).await);
    let (waits, over) = (keyed(), task("z").key("welcome:b@x.io"));
    let old = queue.submit(waits.clone()).await.unwrap().id;
    let done = queue.submit(over.clone()).await.unwrap().id;
    run(&queue, done.object(), ok("sent")).await;
    other.submit(task("y")).await.unwrap();
    mark(&queue).await;
    // Nothing is deleted yet, and it has read the settings before.
    for (task, old) in [(waits, old), (over, done)] {
        let new = other.submit(task).await.unwrap();
        assert!(!new.existing && new.id != old, "{new:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_helped_task_is_seen_when_it_is_due() {
    let queue = queue().await;
    let delayed = || keyed().delay(secs(1800));
    let id = queue.submit(delayed()).await.unwrap().id;
    queue.root().delete(&live_key(id.object())).await.unwrap();
    queue.root().env().sleep(secs(1799)).await;
    let helped = queue.submit(delayed()).await.unwrap();
    assert_eq!((helped.id, helped.existing), (id, false));
    assert_eq!(queue.stats().await.unwrap().waiting, 1);
    queue.root().env().sleep(secs(2)).await;
    assert_eq!(queue.stats().await.unwrap().runnable, 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_of_what_was_purged_is_not_run_by_who_does_not_know_yet() {
    let store = store();
    let queue = queue_on(store.clone(), 1).await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let live = live_key(id.object());
    let body = store.get(&live).await.unwrap().value.unwrap().body;
    run(&queue, id.object(), ok("sent")).await;
    queue.purge().await.unwrap();
    queue.root().env().sleep(secs(1)).await;
    store.create(&live, body).await.unwrap();
    let late = claimed(&queue, id.object()).await;
    assert!(matches!(late, Claimed::Gone), "{late:?}");
}
