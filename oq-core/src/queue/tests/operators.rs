//! Settings, trying again, purging.

use super::*;
use crate::record::{Ending, MIN_RETENTION};

#[tokio::test(start_paused = true)]
async fn settings_are_created_on_first_use_and_apply_to_new_tasks() {
    let store = store();
    let queue = queue_on(store.clone(), 1).await;
    let other = queue_on(store, 2).await;
    let there = keys(&queue).await;
    assert!(there.is_empty(), "settings nobody asked for: {there:?}");
    let settings = queue
        .change_settings(|s| s.defaults.timeout = secs(7))
        .await
        .unwrap();
    assert_eq!(settings.defaults.timeout, secs(7));
    let id = queue.submit(task("x")).await.unwrap().id;
    assert_eq!(queue.get(id).await.unwrap().options.timeout, secs(7));
    let own = queue.submit(task("x").timeout(secs(9))).await.unwrap().id;
    assert_eq!(queue.get(own).await.unwrap().options.timeout, secs(9));
    // Others notice within 15 s.
    other.root().env().sleep(secs(16)).await;
    let id = other.submit(task("x")).await.unwrap().id;
    assert_eq!(other.get(id).await.unwrap().options.timeout, secs(7));
}

#[tokio::test(start_paused = true)]
async fn impossible_settings_are_refused_and_not_written() {
    let queue = queue().await;
    let change = queue.change_settings(|s| s.defaults.retry.attempts = 0);
    assert!(matches!(change.await, Err(Error::Invalid { .. })));
    for shards in [0, 1025, u16::MAX] {
        let e = queue.set_shards(shards).await.unwrap_err();
        assert!(matches!(e, Error::Invalid { .. }), "{e}");
    }
    assert!(keys(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pausing_and_changes_at_the_same_time_do_not_lose_each_other() {
    let store = store();
    let a = queue_on(store.clone(), 1).await;
    let b = queue_on(store, 2).await;
    let (x, y) = futures::join!(a.pause(), b.set_shards(4));
    x.unwrap();
    y.unwrap();
    let settings = a.settings().await.unwrap();
    assert!(settings.paused && settings.shards == 4);
    assert!(a.stats().await.unwrap().paused);
    assert!(!b.resume().await.unwrap().paused);
}

#[tokio::test(start_paused = true)]
async fn workers_look_at_old_shards_until_they_are_empty_and_an_hour_has_passed() {
    let queue = queue().await;
    queue.set_shards(64).await.unwrap();
    let tasks = (0..200).map(|i| Task::new("t", &i).unwrap());
    let ids = queue.submit_many(tasks).pack(1).ids().await.unwrap();
    assert!(ids.iter().any(|id| id.object().shard().value() >= 16));
    let settings = queue.set_shards(2).await.unwrap();
    assert_eq!((settings.shards, settings.shards_high), (2, 64));
    let id = queue.submit(task("x")).await.unwrap().id;
    assert!(id.object().shard().value() < 2);
    assert!(!queue.settle_shards().await.unwrap(), "too early");
    queue.root().env().sleep(secs(3700)).await;
    assert!(!queue.settle_shards().await.unwrap(), "not empty");
    queue.cancel_many(Filter::new(), None).await;
    assert!(queue.settle_shards().await.unwrap());
    assert_eq!(queue.settings().await.unwrap().shards_high, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_task_is_tried_again_once_under_an_id_of_its_own() {
    let queue = queue().await;
    let large = "x".repeat(200 << 10);
    let old = queue
        .submit(task(&large).tag("n", "1").timeout(secs(9)))
        .await
        .unwrap()
        .id;
    assert!(matches!(queue.retry(old).await, Err(Error::Conflict(_))));
    run(&queue, old.object(), broken()).await;
    let dead = |keys: Vec<String>| keys.iter().filter(|k| k.contains("/dead/")).count();
    assert_eq!(dead(keys(&queue).await), 1);

    let (a, b) = futures::join!(queue.retry(old), queue.retry(old));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.id == b.id && a.id != old && a.existing != b.existing);
    assert_eq!(dead(keys(&queue).await), 0);
    let view = queue.get(a.id).await.unwrap();
    assert_eq!(view.retry_of, Some(old));
    assert_eq!(
        (view.tags["n"].as_str(), view.options.timeout),
        ("1", secs(9))
    );
    let input = queue.input(&view).await.unwrap().unwrap();
    assert_eq!(input.to::<String>().unwrap(), large);

    run(&queue, a.id.object(), ok("sent")).await;
    let late = queue.retry(old).await.unwrap();
    assert_eq!((late.id, late.existing), (a.id, true));
    let e = queue.retry(a.id).await.unwrap_err();
    assert!(e.to_string().contains("completed"), "{e}");
}

#[tokio::test(start_paused = true)]
async fn one_task_of_a_pack_is_tried_again() {
    let queue = queue().await;
    let tasks = (0..3).map(|i| Task::new("t", &i).unwrap());
    let ids = queue.submit_many(tasks).ids().await.unwrap();
    run(&queue, ids[0].object(), broken()).await;
    let again = queue.retry(ids[2]).await.unwrap().id;
    let view = queue.get(again).await.unwrap();
    assert_eq!(queue.input(&view).await.unwrap().unwrap().as_str(), "2");
    let failed = Filter::new().state(TaskState::Failed);
    let left = queue.list(failed).unwrap().all().await.unwrap();
    assert_eq!(left.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_with_a_key_is_tried_again_under_its_key() {
    let queue = queue().await;
    let old = queue.submit(task("x").key("k")).await.unwrap().id;
    run(&queue, old.object(), broken()).await;
    let again = queue.retry(old).await.unwrap();
    assert!(!again.existing);
    let third = queue.submit(task("y").key("k")).await.unwrap();
    assert_eq!((third.id, third.existing), (again.id, true));
    // The other way round: somebody was faster than the one who tries again.
    let old = queue.submit(task("x").key("l")).await.unwrap().id;
    run(&queue, old.object(), broken()).await;
    let fresh = queue.submit(task("y").key("l")).await.unwrap().id;
    let refused = queue.retry(old).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict(_)));
    assert!(refused.to_string().contains(&fresh.to_string()));
    let letter = Key::Dead(queue.name().clone(), old).store_key();
    assert!(keys(&queue).await.contains(&letter.to_string()));
    queue.cancel(fresh).await.unwrap();
    assert!(!queue.retry(old).await.unwrap().existing);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_tried_again_keeps_its_trace() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let queue = queue().await;
    let task = task("x").tag("customer", "c1").trace_parent(trace);
    let old = queue.submit(task).await.unwrap().id;
    run(&queue, old.object(), broken()).await;
    let again = queue.retry(old).await.unwrap().id;
    for id in [old, again] {
        let view = queue.get(id).await.unwrap();
        assert_eq!(view.trace.as_deref(), Some(trace));
        assert_eq!(view.tags["customer"], "c1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_the_payloads_of_many_tasks() {
    let queue = queue().await.inline_up_to(8).await.unwrap();
    let tasks = (0..200).map(|n| task(&format!("a long input, number {n}")));
    queue.submit_many(tasks).pack(1).run().await;
    let payloads = async || {
        let keys = keys(&queue).await;
        keys.iter().filter(|key| key.contains("/payload/")).count()
    };
    assert_eq!(payloads().await, 200);
    let purged = queue.purge().await.unwrap();
    assert_eq!((purged.live, purged.payloads), (200, 200));
    assert_eq!(payloads().await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_task_that_is_tried_again_may_run() {
    let queue = queue().await;
    let id = queue
        .submit(task("x").expires_in(secs(5)))
        .await
        .unwrap()
        .id;
    queue.root().env().sleep(secs(6)).await;
    assert!(matches!(
        claimed(&queue, id.object()).await,
        Claimed::Repaired(Some(live)) if live.tasks[0].outcome.is_some()
    ));
    assert_eq!(
        queue.cancel(id).await.unwrap(),
        Cancelled::AlreadyOver(Ending::Expired)
    );
    let again = queue.retry(id).await.unwrap().id;
    held(&queue, again.object()).await;
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_everything_that_was_there_and_nothing_newer() {
    let queue = queue().await;
    let large = "x".repeat(200 << 10);
    run(
        &queue,
        queue.submit(task("a")).await.unwrap().id.object(),
        broken(),
    )
    .await;
    run(
        &queue,
        queue.submit(task("b")).await.unwrap().id.object(),
        ok("x"),
    )
    .await;
    queue.submit(task("c").key("k")).await.unwrap();
    queue.submit(task("d").delay(secs(5000))).await.unwrap();
    queue.submit(task(&large)).await.unwrap();
    let running = queue.submit(task("e")).await.unwrap().id;
    let mut hold = held(&queue, running.object()).await;
    queue.root().env().sleep(secs(3)).await;

    let purged = queue.purge().await.unwrap();
    assert_eq!((purged.live, purged.done, purged.dead), (4, 2, 1));
    assert_eq!((purged.keys, purged.payloads), (1, 1));
    assert_eq!(keys(&queue).await, ["mail/queue.json"]);
    assert_eq!(
        hold.renew().await.unwrap(),
        crate::protocol::hold::Renewed::Lost
    );

    let new = queue.submit(task("new").key("k")).await.unwrap();
    assert!(!new.existing);
    queue.submit(task(&large)).await.unwrap();
    let before = keys(&queue).await;
    let second = queue.purge_again().await.unwrap();
    assert_eq!(second, Purged::default());
    assert_eq!(keys(&queue).await, before);
    assert_eq!(queue.get(new.id).await.unwrap().state, TaskState::Pending);
}

#[tokio::test(start_paused = true)]
async fn retention_is_at_least_an_hour() {
    let queue = queue().await;
    let short = queue.submit(task("x").retention(secs(60))).await;
    assert!(matches!(short, Err(Error::Invalid { .. })));
    queue
        .submit(task("x").retention(MIN_RETENTION))
        .await
        .unwrap();
}
