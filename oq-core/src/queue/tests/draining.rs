//! What is left of a queue while it is drained.

use super::*;
use crate::store::Metered;

async fn left(draining: &mut Draining) -> (u64, u64) {
    let left = draining.look().await.unwrap();
    (left.running, left.silent)
}

#[tokio::test(start_paused = true)]
async fn a_silent_workers_task_does_not_hold_up_a_drain_and_is_not_lost() {
    let queue = queue().await;
    let lone = queue.submit(task("a").lease(secs(15))).await.unwrap().id;
    let mut hold = held(&queue, lone.object()).await;
    let tasks = (0..3).map(|i| Task::new("t", &i).unwrap().lease(secs(60)));
    let pack = queue.submit_many(tasks).ids().await.unwrap()[0].object();
    let _silent = held(&queue, pack).await;
    queue.pause().await.unwrap();
    let mut draining = queue.draining();
    let sleep = async |n| queue.root().env().sleep(secs(n)).await;

    assert_eq!(left(&mut draining).await, (4, 0));
    sleep(19).await;
    assert_eq!(left(&mut draining).await, (4, 0));
    // Its holder is alive after all.
    hold.renew().await.unwrap();
    sleep(19).await;
    assert_eq!(left(&mut draining).await, (4, 0));
    sleep(3).await;
    assert_eq!(left(&mut draining).await, (3, 1));
    sleep(30).await;
    assert_eq!(left(&mut draining).await, (0, 4));
    assert!(!draining.look().await.unwrap().is_empty());

    // They are there as before, and taken over when the queue goes on.
    queue.resume().await.unwrap();
    for id in [lone.object(), pack] {
        assert_eq!(held(&queue, id).await.live().delivery, 2);
    }
    assert_eq!(left(&mut draining).await, (4, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_over_does_not_run_though_it_was_left_behind() {
    let queue = queue().await;
    let completed = queue.submit(task("a")).await.unwrap().id;
    let mut hold = held(&queue, completed.object()).await;
    let now = queue.root().now();
    settle(hold.live_mut(), 0, ok("x"), now);
    finish::completed(&mut hold).await.unwrap();
    let failed = queue.submit(task("b")).await.unwrap().id;
    let mut hold = held(&queue, failed.object()).await;
    settle(hold.live_mut(), 0, broken(), now);
    hold.terminate().await.unwrap();
    queue.pause().await.unwrap();

    let mut draining = queue.draining();
    assert_eq!(left(&mut draining).await, (2, 0));
    queue.root().env().sleep(secs(6)).await;
    draining.look().await.unwrap();
    assert!(draining.look().await.unwrap().is_empty());
    let keys = keys(&queue).await;
    assert!(!keys.iter().any(|key| key.contains("/live/")), "{keys:?}");
    assert!(keys.iter().any(|key| key.contains("/dead/")), "{keys:?}");
    for (id, state) in [
        (completed, TaskState::Completed),
        (failed, TaskState::Failed),
    ] {
        assert_eq!(queue.get(id).await.unwrap().state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_read_ever_more_rarely() {
    let store = Metered::new(store());
    let meter = store.meter();
    let queue = queue_on(Arc::new(store), 1).await;
    let id = queue.submit(task("a").lease(secs(600))).await.unwrap().id;
    let _hold = held(&queue, id.object()).await;
    queue.flush().await;
    let before = meter.snapshot();
    let mut draining = queue.draining();
    for _ in 0..250 {
        assert_eq!(left(&mut draining).await, (1, 0));
        queue.root().env().sleep(secs(2)).await;
    }
    // The settings each time, and the object after 2, 4, 8 … 256 s.
    assert_eq!((meter.snapshot() - before).get(), 250 + 2 * 8);
}

#[tokio::test(start_paused = true)]
async fn what_a_broken_off_purge_left_is_told_apart() {
    let queue = queue().await;
    let id = queue.submit(task("a")).await.unwrap().id;
    queue.root().env().sleep(secs(5)).await;
    // The mark is what a purge begins with.
    let now = queue.root().now();
    queue
        .change_settings(|s| s.purged_before = Some(now))
        .await
        .unwrap();
    queue.root().env().sleep(secs(5)).await;
    let new = queue.submit(task("b")).await.unwrap().id;

    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.runnable, stats.purged), (1, 1));
    let why = async |id| {
        let view = queue.get(id).await.unwrap();
        queue.why_waits(&view).await.unwrap()
    };
    assert_eq!(why(id).await, Some(WhyWaits::Purged));
    assert_eq!(why(new).await, Some(WhyWaits::NoWorker));
    queue.purge_again().await.unwrap();
    assert_eq!(queue.stats().await.unwrap().purged, 0);
}
