//! Records that can be read and say what cannot be, and damage to what a task leaves beside itself:
//! reported where it matters, left as it is, and no hindrance to others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oq_core::queue::{Filter, Listed, TaskState};
use oq_core::record::{Key, Live, MAX_LEASE, QueueName, TaskId, decode, encode};
use oq_core::store::{Object, StoreKey, Write};
use oq_core::worker::{Event, WorkerBuilder};
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};
use serde_json::{Value, json};

use crate::world::{World, outcome, pause, start};

/// 31 December 9999.
const FAR: u64 = 253_402_214_400_000;

fn name() -> QueueName {
    QueueName::new("q").unwrap()
}

fn live(id: TaskId) -> StoreKey {
    Key::Live(name(), id.object()).store_key()
}

fn done(id: TaskId) -> StoreKey {
    Key::Done(name(), id.object()).store_key()
}

async fn object(world: &World, key: &StoreKey) -> Object {
    let there = world.store.get(key).await.unwrap().value;
    there.unwrap_or_else(|| panic!("{key} is not there"))
}

/// Writes over an object, or where none is.
async fn put(world: &World, key: &StoreKey, body: impl Into<Bytes>) -> Bytes {
    let body = body.into();
    let answer = match world.store.get(key).await.unwrap().value {
        Some(old) => world.store.update(key, body.clone(), &old.etag).await,
        None => world.store.create(key, body.clone()).await,
    };
    assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
    body
}

/// Changes the record of a task that waits. What still is a record gets the length of one.
async fn tamper(world: &World, id: TaskId, change: impl FnOnce(&mut Value)) -> Bytes {
    let key = live(id);
    let old = object(world, &key).await;
    let mut value: Value = serde_json::from_slice(&old.body).unwrap();
    change(&mut value);
    let text = value.to_string().into_bytes();
    let body = match decode::<Live>(&key, &text) {
        Ok(record) => encode(&record),
        // A length that says "runnable".
        Err(_) => {
            let mut text = text;
            text.resize(text.len().div_ceil(64) * 64, b' ');
            text.into()
        }
    };
    put(world, &key, body).await
}

type Reports = Arc<Mutex<Vec<String>>>;

fn runs(queue: &Queue, reports: &Reports) -> WorkerBuilder {
    let reports = reports.clone();
    Worker::builder()
        .queue(queue)
        .handler(
            "t",
            |_: Context, n: u64| async move { Ok::<_, TaskError>(n) },
        )
        .handler("bad", |_: Context, (): ()| async move {
            Err::<(), _>(TaskError::fatal("never"))
        })
        .on_event(move |event| {
            if let Event::Unreadable { why, .. } = event {
                reports.lock().unwrap().push(why.clone());
            }
        })
}

fn t(n: u64) -> Task {
    Task::new("t", &n).unwrap()
}

#[tokio::test(start_paused = true)]
async fn records_that_say_what_cannot_be_hold_nobody_up() {
    let world = World::new();
    let queue = world.queue().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(queue.submit(t(n)).await.unwrap().id);
    }
    let [minus, leased, waits, moved_to, elsewhere, outside] = ids[..] else {
        panic!()
    };
    let minus_body = tamper(&world, minus, |v| v["tasks"][0]["starts"] = json!(-1)).await;
    tamper(&world, leased, |v| {
        v["state"] = json!("running");
        v["delivery"] = json!(1);
        v["lease"] = json!({ "token": "T", "worker": "W", "ms": FAR });
        v["tasks"][0]["running"] = json!(true);
    })
    .await;
    let waits_body = tamper(&world, waits, |v| v["available_at"] = json!(FAR)).await;
    // A pack's body under the key of a lone task.
    let pack = queue
        .submit_many((10..13).map(t))
        .pack(3)
        .ids()
        .await
        .unwrap();
    let moved_body = object(&world, &live(pack[0])).await.body;
    put(&world, &live(moved_to), moved_body.clone()).await;
    // An input that is said to lie where nothing is, and one outside of the task's own folder.
    let reference = |token: &str| json!({ "at": { "token": token, "part": "in-0", "size": 9, "sha256": "00".repeat(32) } });
    tamper(&world, elsewhere, |v| {
        v["tasks"][0]["input"] = reference("NOSUCHTOKEN")
    })
    .await;
    let outside_body = tamper(&world, outside, |v| {
        v["tasks"][0]["input"] = reference("../../other/payload");
    })
    .await;

    let reports = Reports::default();
    let worker = start(runs(&world.queue().await, &reports));
    for id in pack {
        assert_eq!(outcome(&queue, id).await.state, TaskState::Completed);
    }
    let good = queue.submit(t(20)).await.unwrap().id;
    assert_eq!(outcome(&queue, good).await.state, TaskState::Completed);
    let view = outcome(&queue, elsewhere).await;
    let failure = view.failure.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 1));
    assert_eq!(failure.kind, "payload");
    assert!(failure.message.contains("it is missing"), "{failure:?}");

    // No lease is believed that is longer than the longest there is.
    let view = outcome(&queue, leased).await;
    assert_eq!((view.state, view.delivery), (TaskState::Completed, 2));
    let lease = queue.root().now().since(leased.object().due());
    assert!((MAX_LEASE..MAX_LEASE * 2).contains(&lease), "{lease:?}");

    let before = world.meter.snapshot();
    pause(300.0).await;
    let used = world.meter.snapshot() - before;
    assert!(used.get() < 250, "they are looped over: {used}");
    worker.stop().await;
    for (id, body) in [
        (minus, minus_body),
        (waits, waits_body),
        (moved_to, moved_body),
        (outside, outside_body),
    ] {
        assert_eq!(
            object(&world, &live(id)).await.body,
            body,
            "{id} was changed"
        );
    }
    let reports = reports.lock().unwrap().clone();
    for id in [minus, moved_to, outside] {
        let named = reports.iter().filter(|why| why.contains(&id.to_string()));
        // In a quarter of an hour: at once, and 1, 3, 7 and 15 minutes later.
        assert!((1..=5).contains(&named.count()), "{id}: {reports:#?}");
        assert!(matches!(queue.get(id).await, Err(Error::Unreadable { .. })));
    }
    assert_eq!(queue.get(waits).await.unwrap().state, TaskState::Waiting);
}

#[tokio::test(start_paused = true)]
async fn damaged_outcomes_keys_and_dead_letters_are_reported_and_left_alone() {
    let world = World::new();
    let queue = world.queue().await;
    let reports = Reports::default();
    let over = queue.submit(t(1)).await.unwrap().id;
    let done_body = put(&world, &done(over), &b"{\"v\":1,"[..]).await;
    let keyed = queue
        .submit(t(2).key("k").delay(Duration::from_secs(9999)))
        .await;
    assert!(keyed.is_ok());
    let key = StoreKey::listed(world.keys("q/key/").await.remove(0));
    let key_body = put(&world, &key, &b"junk"[..]).await;

    let worker = start(runs(&world.queue().await, &reports));
    let bad = queue
        .submit(Task::new("bad", &()).unwrap())
        .await
        .unwrap()
        .id;
    assert_eq!(outcome(&queue, bad).await.state, TaskState::Failed);
    let letter = StoreKey::listed(world.keys("q/dead/").await.remove(0));
    let letter_body = put(&world, &letter, &b"\xff"[..]).await;
    let good = queue.submit(t(3)).await.unwrap().id;
    assert_eq!(outcome(&queue, good).await.state, TaskState::Completed);

    for submitted in [t(2).key("k"), t(3).key("k")] {
        let e = queue.submit(submitted).await.unwrap_err();
        let says = e.to_string();
        assert!(
            matches!(e, Error::Unreadable { .. }) && says.contains(key.as_str()),
            "{says}"
        );
    }
    let mut letters = queue.dead(Filter::new());
    assert!(letters.next().await.unwrap().is_none());
    assert_eq!(letters.unreadable(), 1);
    let failed = queue.list(Filter::new().state(TaskState::Failed)).unwrap();
    let failed = failed.all().await.unwrap();
    assert!(matches!(&failed[..], [Listed::Unreadable { key, .. }] if key == letter.as_str()));
    // What the letter points at is as it was.
    let view = queue.get(bad).await.unwrap();
    assert_eq!(view.failure.unwrap().message, "never");
    let e = queue.get(over).await.unwrap_err();
    assert!(e.to_string().contains(done(over).as_str()), "{e}");

    pause(600.0).await;
    worker.stop().await;
    for (key, body) in [
        (done(over), done_body),
        (key, key_body),
        (letter, letter_body),
    ] {
        assert_eq!(object(&world, &key).await.body, body, "{key} was changed");
    }
    object(&world, &live(over)).await;
    let reports = reports.lock().unwrap().clone();
    let named = reports
        .iter()
        .filter(|why| why.contains(done(over).as_str()));
    assert!((1..=4).contains(&named.count()), "{reports:#?}");
    assert_eq!(
        reports.len(),
        reports.iter().filter(|why| why.contains("q/done/")).count()
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_goes_on_with_the_settings_it_had_when_they_are_damaged() {
    let world = World::new();
    let queue = world.queue().await;
    queue.set_shards(3).await.unwrap();
    let worker = start(runs(&world.queue().await, &Reports::default()));
    pause(5.0).await;
    let key = Key::Settings(name()).store_key();
    let good = object(&world, &key).await.body;
    let damaged = put(&world, &key, &b"{\"v\":1,\"shards\":"[..]).await;
    pause(200.0).await;
    let id = queue.submit(t(1)).await.unwrap().id;
    assert_eq!(outcome(&queue, id).await.state, TaskState::Completed);
    // Who begins now has none to go by, and is told which object it is.
    let root = queue.root().clone();
    let e = Queue::open(root, name()).await.unwrap_err();
    assert!(
        matches!(e, Error::Unreadable { .. }) && e.to_string().contains("q/queue.json"),
        "{e}"
    );
    let e = queue.set_shards(5).await.unwrap_err();
    assert!(matches!(e, Error::Unreadable { .. }), "{e}");
    assert_eq!(object(&world, &key).await.body, damaged);
    put(&world, &key, good).await;
    assert_eq!(queue.set_shards(5).await.unwrap().shards, 5);
    let id = queue.submit(t(2)).await.unwrap().id;
    assert_eq!(outcome(&queue, id).await.state, TaskState::Completed);
    worker.stop().await;
    world.assert_at_rest().await;
}
