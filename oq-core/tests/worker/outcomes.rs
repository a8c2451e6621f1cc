//! How tasks end: each in exactly one outcome, which says what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oq_core::queue::TaskState;
use oq_core::record::{Json, Retry};
use oq_core::{Context, Task, TaskError, Worker};

use crate::world::{World, outcome, pause, start};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_task_completes_with_its_handlers_result() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(
        Worker::builder()
            .queue(&world.queue().await)
            .handler("add", |_: Context, (a, b): (i64, i64)| async move {
                Ok::<_, TaskError>(a + b)
            }),
    );
    let id = queue
        .submit(Task::new("add", &(2, 3)).unwrap())
        .await
        .unwrap()
        .id;
    let view = outcome(&queue, id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    assert_eq!(queue.result::<i64>(id).await.unwrap(), 5);
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_and_then_become_dead_letters() {
    let world = World::new();
    let queue = world.queue().await;
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "flaky",
        move |ctx: Context, fail: u32| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                if ctx.attempt() <= fail {
                    return Err(TaskError::new(format!("attempt {} failed", ctx.attempt())));
                }
                Ok(())
            }
        },
    ));
    let retry = Retry::fixed(3, S);
    let task = |n: u32| Task::new("flaky", &n).unwrap().retry(retry.clone());
    let good = queue.submit(task(2)).await.unwrap().id;
    let bad = queue.submit(task(9)).await.unwrap().id;
    let view = outcome(&queue, good).await;
    assert_eq!((view.state, view.attempts), (TaskState::Completed, 3));
    let view = outcome(&queue, bad).await;
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 3));
    assert_eq!(view.failure.unwrap().message, "attempt 3 failed");
    assert_eq!(runs.load(Ordering::Relaxed), 6);
    worker.stop().await;
    world.assert_at_rest().await;
    assert_eq!(world.keys("q/dead/").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn panics_timeouts_and_wrong_inputs_are_failures() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(
        Worker::builder()
            .queue(&world.queue().await)
            .handler("panic", |_: Context, (): ()| async move {
                if true {
                    panic!("boom");
                }
                Ok::<_, TaskError>(())
            })
            .handler("slow", |ctx: Context, (): ()| async move {
                ctx.sleep(Duration::from_secs(1000)).await;
                Ok::<_, TaskError>(())
            })
            .handler("number", |_: Context, n: u8| async move {
                Ok::<_, TaskError>(n)
            })
            .handler("io", |_: Context, (): ()| async move {
                Err::<(), _>(std::io::Error::other("no disk"))
            }),
    );
    let twice = Retry::fixed(2, S);
    let mut ids = Vec::new();
    for (name, input, attempts, kind, says) in [
        ("panic", "null", 2, "panic", "boom"),
        ("slow", "null", 2, "timeout", "timeout"),
        ("number", "\"seven\"", 1, "input", "invalid type"),
        ("io", "null", 2, "Error", "no disk"),
    ] {
        let task = Task::json(name, input)
            .unwrap()
            .retry(twice.clone())
            .timeout(5 * S);
        ids.push((queue.submit(task).await.unwrap().id, attempts, kind, says));
    }
    for (id, attempts, kind, says) in ids {
        let view = outcome(&queue, id).await;
        let failure = view.failure.unwrap();
        assert_eq!(
            (view.state, view.attempts),
            (TaskState::Failed, attempts),
            "{kind}"
        );
        assert_eq!(failure.kind, kind);
        assert!(failure.message.contains(says), "{}", failure.message);
    }
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn later_moves_a_task_without_charging_it() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "poll",
        |ctx: Context, (): ()| async move {
            if ctx.delivery() < 4 {
                return Err(TaskError::later(Duration::from_secs(60)));
            }
            Ok(ctx.attempt())
        },
    ));
    let task = Task::new("poll", &()).unwrap().retry(Retry::none());
    let id = queue.submit(task).await.unwrap().id;
    pause(170.0).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Waiting);
    let view = outcome(&queue, id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    assert_eq!(queue.result::<u32>(id).await.unwrap(), 1);
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn delayed_tasks_start_when_due_and_expired_ones_never() {
    let world = World::new();
    let queue = world.queue().await;
    let task = || Task::new("t", &()).unwrap();
    let late = queue.submit(task().delay(100 * S)).await.unwrap();
    let gone = queue.submit(task().expires_in(S)).await.unwrap();
    pause(2.0).await;
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "t",
        |_: Context, (): ()| async move { Ok::<_, TaskError>(()) },
    ));
    pause(90.0).await;
    assert_eq!(queue.get(late.id).await.unwrap().state, TaskState::Waiting);
    assert_eq!(queue.get(gone.id).await.unwrap().state, TaskState::Expired);
    pause(14.0).await;
    assert_eq!(
        queue.get(late.id).await.unwrap().state,
        TaskState::Completed
    );
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn large_results_are_kept_outside_and_come_back_whole() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&world.queue().await).json_handler(
        "big",
        |_: Context, input: Json| async move {
            Json::of(&input.as_str().repeat(3)).map_err(TaskError::from)
        },
    ));
    let input = "x".repeat(300_000);
    let id = queue
        .submit(Task::new("big", &input).unwrap())
        .await
        .unwrap()
        .id;
    outcome(&queue, id).await;
    let result: String = queue.result(id).await.unwrap();
    assert_eq!(result.len(), 3 * (input.len() + 2));
    assert_eq!(world.keys("q/payload/").await.len(), 2);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pack_runs_each_of_its_tasks_to_its_own_outcome() {
    let world = World::new();
    let queue = world.queue().await;
    let tasks = (0..50u32).map(|n| Task::new("odd", &n).unwrap().retry(Retry::fixed(2, S)));
    let ids = queue.submit_many(tasks).pack(50).ids().await.unwrap();
    assert_eq!((ids.len(), world.keys("q/live/").await.len()), (50, 1));
    let worker = start(
        Worker::builder()
            .queue(&world.queue().await)
            .concurrency(8)
            .handler("odd", |_: Context, n: u32| async move {
                if n % 2 == 1 {
                    Err(TaskError::new("odd"))
                } else {
                    Ok(n)
                }
            }),
    );
    for (n, id) in ids.iter().enumerate() {
        let view = outcome(&queue, *id).await;
        let odd = n % 2 == 1;
        let expected = if odd {
            (TaskState::Failed, 2)
        } else {
            (TaskState::Completed, 1)
        };
        assert_eq!((view.state, view.attempts), expected, "task {n}");
    }
    worker.stop().await;
    world.assert_at_rest().await;
    assert_eq!(world.keys("q/dead/").await.len(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_when_it_is_stopped_has_failed() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&queue).handler(
        "t",
        |_: Context, (): ()| async move {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
            Ok::<_, TaskError>(())
        },
    ));
    let task = Task::new("t", &()).unwrap().retry(Retry::none());
    let id = queue
        .submit(task.timeout(Duration::from_secs(1)))
        .await
        .unwrap()
        .id;
    let view = outcome(&queue, id).await;
    assert_eq!(view.state, TaskState::Failed);
    assert_eq!(view.failure.unwrap().kind, "panic");
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_pack_stays_writable_whatever_its_handlers_say() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&queue).handler(
        "t",
        |ctx: Context, (): ()| async move {
            let refused = ctx.save(&"x".repeat(1 << 20)).unwrap_err();
            ctx.save(&"x".repeat(1 << 10))?;
            Err::<(), _>(TaskError::new(format!("{refused}{}", "y".repeat(1 << 16))))
        },
    ));
    let task = || Task::new("t", &()).unwrap().retry(Retry::none());
    let tasks = (0..100).map(|_| task());
    let ids = queue.submit_many(tasks).pack(100).ids().await.unwrap();
    let mut last = String::new();
    for id in ids {
        let view = outcome(&queue, id).await;
        assert_eq!(view.state, TaskState::Failed);
        last = view.failure.unwrap().message;
    }
    assert!(last.starts_with("a saved state of 1048578 bytes"), "{last}");
    assert!(last.len() <= (1 << 20) / 100, "{} bytes", last.len());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_that_json_cannot_hold_is_a_failure_that_says_where() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "mean",
        |_: Context, of: Vec<f64>| async move {
            let mean = of.iter().sum::<f64>() / of.len() as f64;
            Ok::<_, TaskError>(BTreeMap::from([("mean", mean)]))
        },
    ));
    let good = queue
        .submit(Task::new("mean", &[1.0, 2.0]).unwrap())
        .await
        .unwrap()
        .id;
    let bad = queue
        .submit(Task::new("mean", &[0.0; 0]).unwrap())
        .await
        .unwrap()
        .id;
    assert_eq!(outcome(&queue, good).await.state, TaskState::Completed);
    let view = outcome(&queue, bad).await;
    let failure = view.failure.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 1));
    assert!(
        failure.message.contains("NaN at [\"mean\"]"),
        "{}",
        failure.message
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_history_says_why_a_task_was_tried_again_or_put_off() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "fetch",
        |ctx: Context, (): ()| async move {
            match ctx.delivery() {
                1 => Err(TaskError::of_kind(
                    "http",
                    format!("503\n{}", "x".repeat(5000)),
                )),
                2 => Err(TaskError::later(90 * S)),
                _ => Ok(()),
            }
        },
    ));
    let task = Task::new("fetch", &()).unwrap().retry(Retry::fixed(3, S));
    let id = queue.submit(task).await.unwrap().id;
    outcome(&queue, id).await;
    let history = queue.history(id).await.unwrap();
    let reasons: Vec<&str> = history.iter().filter_map(|e| e.reason.as_deref()).collect();
    assert!(
        reasons[0].starts_with("http: 503 xxx") && reasons[0].len() < 250,
        "{reasons:?}"
    );
    assert_eq!(reasons[1..], ["later, in 1m30s"]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn more_time_never_takes_any_away() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "slow",
        |ctx: Context, (): ()| async move {
            ctx.extend(S);
            ctx.sleep(S * 30).await;
            // Nearly all of its minute is over.
            ctx.extend(S * 120);
            ctx.sleep(S * 100).await;
            Ok::<_, TaskError>(())
        },
    ));
    let task = Task::new("slow", &()).unwrap().timeout(S * 60);
    let id = queue.submit(task).await.unwrap().id;
    let view = outcome(&queue, id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    worker.stop().await;
}
