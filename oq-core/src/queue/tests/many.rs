//! Submitting many tasks.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use futures::StreamExt;

use super::*;
use crate::store::{Delayed, Latency, Metered, Prices};

fn numbers(n: u64) -> impl Iterator<Item = Task> {
    (0..n).map(|i| Task::new("count", &i).unwrap())
}

#[tokio::test(start_paused = true)]
async fn many_tasks_take_few_requests_and_keep_their_order() {
    let metered = Metered::new(store());
    let meter = metered.meter();
    let queue = queue_on(Arc::new(metered), 1).await;
    let before = meter.snapshot();
    let ids = queue.submit_many(numbers(10_000)).ids().await.unwrap();
    let used = meter.snapshot() - before;
    assert!(used.put() <= 110, "{}", used.put());
    assert!(used.cost(&Prices::S3_STANDARD) < 0.001);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 10_000);
    for place in [0usize, 1, 99, 100, 5000, 9999] {
        let view = queue.get(ids[place]).await.unwrap();
        let input = queue.input(&view).await.unwrap().unwrap();
        assert_eq!(input.to::<usize>().unwrap(), place);
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_in_an_object_can_be_set() {
    let queue = queue().await;
    let ids = queue
        .submit_many(numbers(100))
        .pack(25)
        .ids()
        .await
        .unwrap();
    assert!(ids.iter().all(|id| id.object().count() == 25));
    assert_eq!(keys(&queue).await.len(), 4);
    let lone = queue.submit_many(numbers(3)).pack(1).ids().await.unwrap();
    assert!(lone.iter().all(|id| id.object().count() == 1));
}

#[tokio::test(start_paused = true)]
async fn a_long_stream_is_read_as_it_is_needed() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let queue = queue().await;
    let endless = (0u64..).map(|i| {
        READ.fetch_add(1, Ordering::Relaxed);
        Task::new("count", &i).unwrap()
    });
    let mut many = queue.submit_many(endless);
    let mut accepted = 0;
    while accepted < 50_000 {
        accepted += many.next().await.unwrap().ids.unwrap().len();
        let ahead = READ.load(Ordering::Relaxed) - accepted;
        assert!(ahead <= 3200 + 33 * 100, "{ahead} tasks in memory");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_does_not_hold_its_tasks_back() {
    let queue = queue().await;
    let env = queue.root().env().clone();
    let slow = futures::stream::unfold((0u64, env), |(i, env)| async move {
        env.sleep(secs(10)).await;
        Some((Task::new("count", &i).unwrap(), (i + 1, env)))
    });
    let mut many = queue.submit_stream(slow.take(3));
    let start = queue.root().env().now();
    let first = many.next().await.unwrap();
    assert_eq!(first.places, [0]);
    assert!(queue.root().env().now().since(start) < secs(11));
    assert_eq!(many.run().await.accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_task_is_reported_and_the_others_go_on() {
    let queue = queue().await;
    let tasks = (0..20u64).map(|i| {
        let task = Task::new("count", &i).unwrap();
        if i == 7 {
            task.tag("bad name", "x")
        } else {
            task
        }
    });
    let mut bad = Vec::new();
    let summary = queue
        .submit_many(tasks)
        .run_with(|batch| {
            if batch.ids.is_err() {
                bad.extend(batch.places.clone());
            }
        })
        .await;
    assert_eq!((summary.accepted, summary.failed), (19, 1));
    assert_eq!(bad, [7]);
    assert!(matches!(summary.error, Some(Error::Invalid { .. })));
}

#[tokio::test(start_paused = true)]
async fn tasks_with_keys_are_not_packed_and_are_accepted_once() {
    let queue = queue().await;
    let tasks = (0..10).map(|i| task("x").key(format!("k{}", i % 5)));
    let summary = queue.submit_many(tasks).run().await;
    assert_eq!((summary.accepted, summary.existing), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn delayed_tasks_share_objects_and_run_when_due() {
    let queue = queue().await;
    let tasks = numbers(8).map(|t| t.delay(secs(60)));
    let ids = queue.submit_many(tasks).ids().await.unwrap();
    let object = ids[0].object();
    assert!(ids.iter().all(|id| id.object() == object));
    assert!(matches!(
        claimed(&queue, object).await,
        Claimed::Waiting { .. }
    ));
    queue.root().env().sleep(secs(61)).await;
    run(&queue, object, ok("done")).await;
    assert_eq!(queue.get(ids[3]).await.unwrap().state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_nothing() {
    let queue = queue().await;
    assert!(queue.submit_many([]).run().await.is_complete());
    assert!(keys(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn large_inputs_are_not_all_in_memory_at_once() {
    const EACH: usize = 8 << 20;
    const ALL: usize = 16;
    static READ: AtomicUsize = AtomicUsize::new(0);
    // As slow as S3, or nothing would ever be under way.
    let env = client(store(), 7).env().clone();
    let slow = Delayed::new(store(), Latency::S3, env);
    let queue = queue_on(Arc::new(slow), 1).await;
    let large = (0..ALL).map(|_| {
        READ.fetch_add(1, Ordering::Relaxed);
        Task::new("store", &"x".repeat(EACH)).unwrap()
    });
    let mut many = queue.submit_many(large);
    let (mut accepted, mut most) = (0, 0);
    while let Some(batch) = many.next().await {
        most = most.max(READ.load(Ordering::Relaxed) - accepted);
        accepted += batch.ids.unwrap().len();
    }
    assert_eq!(accepted, ALL);
    // 64 MiB being written, and what was read ahead: 8 MiB and one more.
    assert!(
        (4..=(64 + 8 + 8) * (1 << 20) / EACH).contains(&most),
        "{most} in memory"
    );
}
