//! Objects that somebody else put into the bucket: reported, left alone, never looped over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oq_core::queue::TaskState;
use oq_core::record::{
    Key, Lease, Live, LiveState, ObjectId, Priority, QueueName, Shard, Token, WorkerId, decode,
    encode,
};
use oq_core::store::StoreKey;
use oq_core::worker::Event;
use oq_core::{Context, StoreTime, Task, TaskError, Worker};

use crate::world::{World, outcome, pause, start};

/// Bodies that are no records, under a key that is.
fn bad_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let record = |rest: &str| {
        let write = "{\"gen\":1,\"by\":[],\"created_by\":\"A\",\"created\":1}";
        format!("{{\"v\":1,\"write\":{write},\"type\":\"t\",{rest}}}").into_bytes()
    };
    vec![
        ("empty", Vec::new()),
        ("cut", b"{\"v\":1,\"write\":{".to_vec()),
        ("not UTF-8", vec![0xff; 400]),
        ("a newer version", b"{\"v\":2}".to_vec()),
        ("another shape", b"[1,2,3]".to_vec()),
        (
            "an unknown state",
            record("\"state\":\"sleeping\",\"tasks\":[]"),
        ),
        ("no tasks", record("\"state\":\"pending\",\"tasks\":[]")),
        (
            "attempts below zero",
            record("\"state\":\"pending\",\"tasks\":[{\"input\":{\"json\":1},\"starts\":-1}]"),
        ),
        (
            "a pointer to another prefix",
            record(&pointer("../../../../other/secret")),
        ),
        ("a pointer to another bucket", record(&pointer("s3://b/k"))),
        (
            "nested",
            [b"[".repeat(10_000), b"]".repeat(10_000)].concat(),
        ),
        ("large", vec![b' '; 5 << 20]),
    ]
}

/// A task whose input is said to lie elsewhere.
fn pointer(token: &str) -> String {
    let at = format!(
        "{{\"token\":\"{token}\",\"part\":\"in-0\",\"size\":3,\"sha256\":\"{}\"}}",
        "0".repeat(64)
    );
    format!("\"state\":\"pending\",\"tasks\":[{{\"input\":{{\"at\":{at}}}}}]")
}

#[tokio::test(start_paused = true)]
async fn unreadable_objects_are_reported_and_left_alone() {
    let world = World::new();
    let queue = world.queue().await;
    let name = QueueName::new("q").unwrap();
    let mut put = Vec::new();
    for (n, (what, mut body)) in bad_bodies().into_iter().enumerate() {
        // A length that says "runnable".
        body.resize(body.len().div_ceil(64) * 64, b' ');
        let shard = Shard::new((n % 16) as u16).unwrap();
        let id = ObjectId::from_parts(StoreTime(1), n as u64, Priority::HIGHEST, 1, shard);
        let key = Key::Live(name.clone(), id).store_key();
        world
            .store
            .create(&key, Bytes::from(body.clone()))
            .await
            .unwrap();
        put.push((what, key, body));
    }
    let foreign = [
        "q/live/zz/x",
        "q/live/00/G/not-an-id",
        "q/live/",
        "q/live/00/",
        "q/other",
    ];
    for key in foreign {
        world
            .store
            .create(&StoreKey::listed(key), Bytes::from_static(b"mine"))
            .await
            .unwrap();
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let report = reports.clone();
    let worker = start(
        Worker::builder()
            .queue(&world.queue().await)
            .handler(
                "t",
                |_: Context, (): ()| async move { Ok::<_, TaskError>(()) },
            )
            .on_event(move |event| {
                if let Event::Unreadable { why, .. } = event {
                    report.lock().unwrap().push(why.clone());
                }
            }),
    );
    let id = queue.submit(Task::new("t", &()).unwrap()).await.unwrap().id;
    assert_eq!(
        outcome(&queue, id).await.state,
        TaskState::Completed,
        "others are not held up"
    );
    pause(300.0).await;
    let before = world.meter.snapshot().get();
    pause(300.0).await;
    let gets = world.meter.snapshot().get() - before;
    assert!(
        gets < 250,
        "{gets} GET in five idle minutes: bad objects are looped over"
    );
    worker.stop().await;
    let reports = reports.lock().unwrap().clone();
    for (what, key, body) in put {
        let object = world.store.get(&key).await.unwrap().value;
        let object = object.unwrap_or_else(|| panic!("{what} was deleted"));
        assert_eq!(object.body, body, "{what} was changed");
        let named = reports.iter().filter(|r| r.contains(key.as_str())).count();
        assert!(
            (1..=4).contains(&named),
            "{what} was reported {named} times"
        );
    }
    for key in foreign {
        let there = world.store.get(&StoreKey::listed(key)).await.unwrap().value;
        assert_eq!(there.unwrap().body, Bytes::from_static(b"mine"), "{key}");
    }
}

/// A ring names an object, so that it is read before a listing tells its version.
#[tokio::test(start_paused = true)]
async fn an_unreadable_object_that_was_rung_about_is_not_looped_over() {
    let world = World::new();
    let queue = world.queue().await;
    let reports = Arc::new(Mutex::new(Vec::new()));
    let report = reports.clone();
    let worker = start(
        Worker::builder()
            .queue(&world.queue().await)
            .handler(
                "t",
                |_: Context, (): ()| async move { Ok::<_, TaskError>(()) },
            )
            .on_event(move |event| {
                if let Event::Unreadable { why, .. } = event {
                    report.lock().unwrap().push(why.clone());
                }
            }),
    );
    let first = queue.submit(Task::new("t", &()).unwrap()).await.unwrap().id;
    outcome(&queue, first).await;
    pause(60.0).await;
    let id = queue.submit(Task::new("t", &()).unwrap()).await.unwrap().id;
    let key = Key::Live(queue.name().clone(), id.object()).store_key();
    let there = world.store.get(&key).await.unwrap().value.unwrap();
    world
        .store
        .update(&key, Bytes::from(vec![0xff; 256]), &there.etag)
        .await
        .unwrap();
    pause(4.0).await;
    let named = || {
        let reports = reports.lock().unwrap();
        reports.iter().filter(|r| r.contains(key.as_str())).count()
    };
    assert_eq!(named(), 1, "the ring was not heard");
    pause(596.0).await;
    // For the ring, 5 s later for the listing, and after 1, 2 and 4 minutes.
    let reads = named();
    assert!((2..=6).contains(&reads), "read {reads} times");
    worker.stop().await;
}

/// Somebody wrote by hand that a worker holds a task until the year 9999. No lease is longer than ten
/// minutes, whatever a record says.
#[tokio::test(start_paused = true)]
async fn a_lease_without_end_ends() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(Task::new("t", &()).unwrap()).await.unwrap().id;
    let key = Key::Live(queue.name().clone(), id.object()).store_key();
    let there = world.store.get(&key).await.unwrap().value.unwrap();
    let mut live: Live = decode(&key, &there.body).unwrap();
    live.state = LiveState::Running;
    live.delivery = 1;
    live.tasks[0].running = true;
    live.tasks[0].starts = 1;
    live.lease = Some(Lease {
        token: Token::parse("by-hand").unwrap(),
        worker: WorkerId::parse("nobody").unwrap(),
        length: Duration::from_secs(8000 * 365 * 86_400),
        among: 1,
    });
    world
        .store
        .update(&key, encode(&live), &there.etag)
        .await
        .unwrap();
    let worker = start(Worker::builder().queue(&queue).handler(
        "t",
        |_: Context, (): ()| async move { Ok::<_, TaskError>(()) },
    ));
    pause(580.0).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Running);
    pause(120.0).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Completed);
    worker.stop().await;
}
