//! Objects larger than oq reads: like all that cannot be understood they are left alone, told as
//! such, and stop nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oq_core::protocol::sweep::{sweep_keys, sweep_outcomes};
use oq_core::queue::{Filter, Listed, TaskState};
use oq_core::record::{Key, KeyHash, ObjectId, Priority, Retry, Shard};
use oq_core::store::{MAX_BODY, StoreError, StoreKey, Verb};
use oq_core::worker::{Drain, Event, Stopped, WorkerBuilder};
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};

use crate::meddled::{Meddle, Meddled};
use crate::world::{World, outcome, pause, start};

const HUGE: u64 = MAX_BODY as u64 + 1;

/// A store in which every object whose body is `huge` is said to be too large.
async fn meddled(world: &World, host: u16, huge: &[StoreKey]) -> (Queue, Arc<AtomicU32>) {
    let reads = Arc::new(AtomicU32::new(0));
    let (counted, huge) = (reads.clone(), huge.to_vec());
    let store = Meddled::new(world, move |verb, key| {
        let read = matches!(verb, Verb::Get | Verb::GetIfChanged);
        let hit = read && huge.iter().any(|k| k.as_str() == key);
        hit.then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            Meddle::Fails(StoreError::TooLarge(HUGE))
        })
    });
    (store.queue(host).await, reads)
}

async fn put(world: &World, key: &StoreKey, residue: usize) {
    // A length that says what it is.
    let body = vec![b' '; 640 + residue];
    world.store.create(key, Bytes::from(body)).await.unwrap();
}

fn id(queue: &Queue, n: u64) -> ObjectId {
    let now = queue.root().now();
    ObjectId::from_parts(now, n, Priority::HIGHEST, 1, Shard::default())
}

fn worker(queue: &Queue) -> WorkerBuilder {
    Worker::builder()
        .queue(queue)
        .handler("t", |_: Context, fail: bool| async move {
            match fail {
                true => Err(TaskError::fatal("no")),
                false => Ok(()),
            }
        })
}

fn task(fail: bool) -> Task {
    Task::new("t", &fail)
        .unwrap()
        .retry(Retry::fixed(1, Duration::from_secs(1)))
}

async fn submitted(queue: &Queue, fail: bool) -> oq_core::record::TaskId {
    queue.submit(task(fail)).await.unwrap().id
}

#[tokio::test(start_paused = true)]
async fn a_worker_reports_them_and_looks_again_ever_more_rarely() {
    let world = World::new();
    let key = Key::Live(
        world.queue().await.name().clone(),
        id(&world.queue().await, 1),
    );
    let key = key.store_key();
    put(&world, &key, 0).await;
    let (queue, reads) = meddled(&world, 80, std::slice::from_ref(&key)).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let worker = start(worker(&queue).on_event(move |event| {
        if let Event::Unreadable { why, .. } = event {
            tell.lock().unwrap().push(why.clone());
        }
    }));
    let fine = submitted(&queue, false).await;
    assert_eq!(outcome(&queue, fine).await.state, TaskState::Completed);
    pause(600.0).await;
    let looks = reads.load(Ordering::Relaxed);
    // After one minute, two, and four.
    assert_eq!(looks, 4);
    worker.stop().await;
    let told = told.lock().unwrap().clone();
    assert!(
        told.iter().all(|why| why.contains(key.as_str())),
        "{told:?}"
    );
    assert!(!told.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_goes_on_to_the_end() {
    let world = World::new();
    let queue = world.queue().await;
    let mut keys = Vec::new();
    for n in 0..5 {
        let key = Key::Live(queue.name().clone(), id(&queue, n)).store_key();
        put(&world, &key, 0).await;
        keys.push(key);
    }
    for _ in 0..5 {
        submitted(&queue, false).await;
    }
    let (queue, _) = meddled(&world, 81, &keys).await;
    let worker = worker(&queue).concurrency(1).build().unwrap();
    let drained = worker.drain(Drain::all()).await.unwrap();
    assert_eq!((drained.completed, drained.stopped), (5, Stopped::Empty));
    assert_eq!(drained.errors, 0);
}

#[tokio::test(start_paused = true)]
async fn looking_names_them_and_shows_the_rest() {
    let world = World::new();
    let plain = world.queue().await;
    let mut ids = Vec::new();
    for fail in [true, true, false] {
        ids.push(submitted(&plain, fail).await);
    }
    worker(&plain)
        .build()
        .unwrap()
        .drain(Drain::all())
        .await
        .unwrap();
    let name = plain.name().clone();
    let dead = Key::Dead(name.clone(), ids[0]).store_key();
    let done = Key::Done(name, ids[2].object()).store_key();
    let (queue, _) = meddled(&world, 82, &[dead, done.clone()]).await;
    let mut letters = queue.dead(Filter::new());
    let letter = letters.next().await.unwrap().unwrap();
    assert_eq!(letter.id, ids[1]);
    assert!(letters.next().await.unwrap().is_none());
    assert_eq!(letters.unreadable(), 1);
    let error = queue.get(ids[2]).await.unwrap_err();
    assert_eq!(error.code(), "OQ-UNREADABLE");
    assert!(error.to_string().contains(done.as_str()), "{error}");
    let listed = queue.list(Filter::new()).unwrap().all().await.unwrap();
    let bad = listed
        .iter()
        .filter(|l| matches!(l, Listed::Unreadable { .. }));
    assert_eq!((listed.len(), bad.count()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn sweeps_and_purges_pass_them_by() {
    let world = World::new();
    let plain = world.queue().await;
    let first = plain.submit(task(false).key("a")).await.unwrap().id;
    let second = plain.submit(task(true).key("b")).await.unwrap().id;
    worker(&plain)
        .build()
        .unwrap()
        .drain(Drain::all())
        .await
        .unwrap();
    let name = plain.name().clone();
    let done = Key::Done(name.clone(), first.object()).store_key();
    let key = Key::Idempotency(name.clone(), KeyHash::of("b")).store_key();
    // Left behind, so that the sweep has to look at the outcome.
    let live = Key::Live(name.clone(), first.object()).store_key();
    put(&world, &live, 0).await;
    pause(10.0 * 86_400.0).await;
    let huge = [done.clone(), key.clone(), live.clone()];
    let (queue, reads) = meddled(&world, 83, &huge).await;
    for shard in [first, second].map(|id| id.object().shard()) {
        sweep_outcomes(queue.root(), queue.name(), shard, None, true)
            .await
            .unwrap();
    }
    sweep_keys(queue.root(), queue.name(), None).await.unwrap();
    assert!(reads.load(Ordering::Relaxed) >= 2);
    let left = world.keys("q/").await;
    let there = |key: &StoreKey| left.iter().any(|k| k == key.as_str());
    assert!(there(&done) && there(&key) && there(&live), "{left:?}");
    let gone = Key::Done(name.clone(), second.object()).store_key();
    assert!(!there(&gone), "{left:?}");

    // Written just now: its age is to be read.
    let young = Key::Live(name, id(&queue, 9)).store_key();
    put(&world, &young, 0).await;
    let (queue, _) = meddled(&world, 84, std::slice::from_ref(&young)).await;
    submitted(&queue, false).await;
    let purged = queue.purge().await.unwrap();
    assert_eq!((purged.live, purged.unreadable), (2, 1));
    assert_eq!(world.keys("q/live/").await, [young.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_too_large_is_one_all_the_same() {
    let world = World::new();
    let plain = world.queue().await;
    let id = submitted(&plain, true).await;
    let letter = Key::Dead(plain.name().clone(), id).store_key();
    put(&world, &letter, 0).await;
    let (queue, _) = meddled(&world, 85, std::slice::from_ref(&letter)).await;
    let worker = start(worker(&queue));
    assert_eq!(outcome(&queue, id).await.state, TaskState::Failed);
    pause(30.0).await;
    worker.stop().await;
    world.assert_at_rest().await;
}

#[test]
fn what_is_too_large_to_be_written_is_the_callers_to_correct() {
    let error = Error::from(StoreError::TooLarge(HUGE));
    assert_eq!(error.code(), "OQ-INVALID");
}
