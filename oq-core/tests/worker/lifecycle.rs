//! Workers come, go, die and are told to stop; tasks stay.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oq_core::queue::TaskState;
use oq_core::record::Retry;
use oq_core::worker::{Event, WorkerBuilder};
use oq_core::{Context, Queue, Task, TaskError, Worker};

use crate::world::{World, outcome, pause, start};

const S: Duration = Duration::from_secs(1);

/// A handler that takes the seconds of its input.
fn sleeper(queue: &Queue) -> WorkerBuilder {
    Worker::builder()
        .queue(queue)
        .handler("sleep", |ctx: Context, seconds: u64| async move {
            if ctx.sleep(Duration::from_secs(seconds)).await {
                Ok(ctx.attempt())
            } else {
                Err(TaskError::cancelled())
            }
        })
}

fn sleep(seconds: u64) -> Task {
    Task::new("sleep", &seconds).unwrap().timeout(4000 * S)
}

#[tokio::test(start_paused = true)]
async fn a_long_task_keeps_its_lease_and_runs_once() {
    let world = World::new();
    let queue = world.queue().await;
    let workers = [
        start(sleeper(&world.queue().await)),
        start(sleeper(&world.queue().await)),
    ];
    let id = queue.submit(sleep(600)).await.unwrap().id;
    let view = outcome(&queue, id).await;
    assert_eq!(
        (view.state, view.attempts, view.delivery),
        (TaskState::Completed, 1, 1)
    );
    for worker in workers {
        worker.stop().await;
    }
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_dead_worker_are_taken_over() {
    let world = World::new();
    let queue = world.queue().await;
    let first = start(sleeper(&world.queue().await));
    let id = queue.submit(sleep(100)).await.unwrap().id;
    pause(5.0).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Running);
    first.kill().await;
    let second = start(sleeper(&world.queue().await));
    pause(60.0).await;
    let view = queue.get(id).await.unwrap();
    assert_eq!(
        (view.state, view.delivery),
        (TaskState::Running, 2),
        "taken over in a minute"
    );
    let view = outcome(&queue, id).await;
    // It may have been another task of that worker that killed it.
    assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    second.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_worker_dies_each_time_becomes_a_dead_letter() {
    let world = World::new();
    let queue = world.queue().await;
    let task = sleep(100).retry(Retry::fixed(2, S));
    let id = queue.submit(task).await.unwrap().id;
    for _ in 0..2 {
        let doomed = start(sleeper(&world.queue().await).concurrency(1));
        pause(70.0).await;
        doomed.kill().await;
    }
    let last = start(sleeper(&world.queue().await));
    let view = outcome(&queue, id).await;
    let failure = view.failure.unwrap();
    let seen = (view.state, view.attempts, failure.kind.as_str());
    assert_eq!(seen, (TaskState::Failed, 2, "crashed"));
    last.stop().await;
    world.assert_at_rest().await;
    assert_eq!(world.keys("q/dead/").await.len(), 1);
}

/// A process that one of its tasks kills, and that is started again each time.
#[tokio::test(start_paused = true)]
async fn the_neighbours_of_a_task_that_kills_its_worker_are_not_charged_with_it() {
    let world = World::new();
    let queue = world.queue().await;
    let retry = Retry::fixed(3, S);
    let mut neighbours = Vec::new();
    for _ in 0..12 {
        let task = sleep(400).retry(retry.clone());
        neighbours.push(queue.submit(task).await.unwrap().id);
    }
    let poison = Task::new("poison", &()).unwrap().retry(retry);
    let poison = queue.submit(poison).await.unwrap().id;
    let bitten = Arc::new(tokio::sync::Notify::new());
    let mut deaths = 0;
    loop {
        let bite = bitten.clone();
        let worker = sleeper(&world.queue().await).handler("poison", move |_: Context, (): ()| {
            bite.notify_one();
            std::future::pending::<Result<(), TaskError>>()
        });
        let running = start(worker);
        tokio::select! {
            () = bitten.notified() => {
                deaths += 1;
                // Others that may run beside it have been claimed by then.
                pause(3.0).await;
                running.kill().await;
            }
            view = outcome(&queue, poison) => {
                let seen = (view.state, view.attempts, view.failure.unwrap().kind);
                assert_eq!(seen, (TaskState::Failed, 3, "crashed".into()));
                for id in &neighbours {
                    let view = outcome(&queue, *id).await;
                    assert_eq!((view.state, view.attempts), (TaskState::Completed, 1), "{view:?}");
                }
                running.stop().await;
                break;
            }
        }
    }
    // Among 32, 8 and 2 it is not charged; alone it is.
    assert_eq!(deaths, 6);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_tasks_end_within_the_grace_period_and_gives_back_the_rest() {
    let world = World::new();
    let queue = world.queue().await;
    let first = start(sleeper(&world.queue().await).grace(20 * S));
    let short = queue.submit(sleep(12)).await.unwrap().id;
    let long = queue.submit(sleep(100)).await.unwrap().id;
    pause(5.0).await;
    first.stop().await;
    assert_eq!(queue.get(short).await.unwrap().state, TaskState::Completed);
    let view = queue.get(long).await.unwrap();
    assert_eq!(
        (view.state, view.attempts),
        (TaskState::Pending, 0),
        "not charged"
    );
    let second = start(sleeper(&world.queue().await));
    let view = outcome(&queue, long).await;
    assert_eq!(
        (view.state, view.attempts, view.delivery),
        (TaskState::Completed, 1, 2)
    );
    second.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_running_task_reaches_its_handler() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(sleeper(&world.queue().await));
    let id = queue.submit(sleep(1000)).await.unwrap().id;
    pause(3.0).await;
    queue.cancel(id).await.unwrap();
    pause(12.0).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Cancelled);
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_ignores_its_cancellation_is_stopped() {
    let world = World::new();
    let queue = world.queue().await;
    let builder = Worker::builder()
        .queue(&world.queue().await)
        .cancel_grace(2 * S);
    let worker = start(builder.handler("deaf", |_: Context, (): ()| async move {
        std::future::pending::<()>().await;
        Ok::<_, TaskError>(())
    }));
    let id = queue
        .submit(Task::new("deaf", &()).unwrap())
        .await
        .unwrap()
        .id;
    pause(3.0).await;
    queue.cancel(id).await.unwrap();
    pause(15.0).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Cancelled);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_resumes_where_the_last_one_saved() {
    let world = World::new();
    let queue = world.queue().await;
    let build = |queue: &Queue| {
        Worker::builder()
            .queue(queue)
            .handler("count", |ctx: Context, to: u64| async move {
                let from: u64 = ctx.saved().unwrap_or(0);
                for n in from..to {
                    ctx.sleep(S).await;
                    ctx.save(&(n + 1))?;
                    ctx.progress(n + 1, to);
                }
                Ok::<_, TaskError>(from)
            })
    };
    let first = start(build(&world.queue().await));
    let id = queue
        .submit(Task::new("count", &60u64).unwrap())
        .await
        .unwrap()
        .id;
    pause(35.0).await;
    let progress = queue.get(id).await.unwrap().progress.unwrap();
    assert!(progress.done >= 20 && progress.total == 60, "{progress:?}");
    first.kill().await;
    let second = start(build(&world.queue().await));
    outcome(&queue, id).await;
    let resumed: u64 = queue.result(id).await.unwrap();
    assert!((20..=35).contains(&resumed), "resumed from {resumed}");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn types_without_a_handler_are_left_to_workers_that_have_one() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(sleeper(&world.queue().await));
    let id = queue
        .submit(Task::new("other", &()).unwrap())
        .await
        .unwrap()
        .id;
    pause(120.0).await;
    let view = queue.get(id).await.unwrap();
    assert_eq!((view.state, view.delivery), (TaskState::Pending, 0));
    let other = start(
        Worker::builder()
            .queue(&world.queue().await)
            .handler("other", |_: Context, (): ()| async move {
                Ok::<_, TaskError>(())
            }),
    );
    outcome(&queue, id).await;
    worker.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn queues_get_turns_by_their_weights() {
    let world = World::new();
    for name in ["a", "b"] {
        let tasks = (0..400).map(|_| Task::new("t", name).unwrap());
        world
            .named(name)
            .await
            .submit_many(tasks)
            .pack(1)
            .ids()
            .await
            .unwrap();
    }
    let order = Arc::new(Mutex::new(String::new()));
    let seen = order.clone();
    let worker = start(
        Worker::builder()
            .weighted_queue(&world.named("a").await, 3)
            .weighted_queue(&world.named("b").await, 1)
            .concurrency(4)
            .handler("t", move |ctx: Context, q: String| {
                seen.lock().unwrap().push_str(&q);
                async move {
                    ctx.sleep(Duration::from_millis(50)).await;
                    Ok::<_, TaskError>(())
                }
            }),
    );
    pause(60.0).await;
    worker.stop().await;
    let order = order.lock().unwrap().clone();
    assert_eq!(order.len(), 800);
    let share = order[100..300].matches('a').count();
    assert!(
        (130..=170).contains(&share),
        "{share} of 200 from the queue of weight 3"
    );
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_and_their_panics_survived() {
    let world = World::new();
    let queue = world.queue().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let worker = start(
        sleeper(&world.queue().await)
            .on_event(|_| panic!("a bad hook"))
            .on_event(move |event| {
                let text = format!("{event:?}");
                tell.lock()
                    .unwrap()
                    .push(text.split([' ', '{']).next().unwrap_or("").to_owned());
            }),
    );
    let id = queue.submit(sleep(1)).await.unwrap().id;
    outcome(&queue, id).await;
    worker.stop().await;
    let told = told.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            "Started",
            "Claimed",
            "TaskStarted",
            "Finished",
            "Stopping",
            "Stopped"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_claims_nothing_until_resumed() {
    let world = World::new();
    let queue = world.queue().await;
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let worker = start(Worker::builder().queue(&world.queue().await).handler(
        "t",
        move |_: Context, (): ()| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, TaskError>(()) }
        },
    ));
    pause(5.0).await;
    queue.pause().await.unwrap();
    pause(3.0).await;
    let id = queue.submit(Task::new("t", &()).unwrap()).await.unwrap().id;
    pause(60.0).await;
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    queue.resume().await.unwrap();
    outcome(&queue, id).await;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn queues_of_one_name_in_two_stores_have_one_worker() {
    let (here, there) = (World::new(), World::new());
    let queues = [here.queue().await, there.queue().await];
    let worker = sleeper(&queues[0]).queue(&queues[1]);
    let mut ids = Vec::new();
    for queue in &queues {
        let task = Task::new("sleep", &1).unwrap();
        ids.push(queue.submit(task).await.unwrap().id);
    }
    let worker = start(worker);
    for (queue, id) in queues.iter().zip(ids) {
        assert_eq!(outcome(queue, id).await.state, TaskState::Completed);
    }
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn mistakes_in_building_a_worker_are_named() {
    let world = World::new();
    let queue = world.queue().await;
    let says = |builder: WorkerBuilder| builder.build().unwrap_err().to_string();
    assert!(says(Worker::builder()).contains("no queue"));
    assert!(says(Worker::builder().queue(&queue)).contains("no handler"));
    assert!(says(sleeper(&queue).queue(&queue)).contains("named twice"));
    let other = world.named("other").await;
    for weight in [0, 1001, 1 << 20, u32::MAX] {
        let said = says(sleeper(&queue).weighted_queue(&other, weight));
        assert!(said.contains("use 1 to 1000"), "{said}");
    }
    assert!(says(sleeper(&queue).concurrency(0)).contains("concurrency 0"));
    assert!(says(sleeper(&queue).poll(Duration::ZERO)).contains("50ms"));
    let twice = sleeper(&queue).handler("sleep", |_: Context, (): ()| async {
        Ok::<_, TaskError>(())
    });
    assert!(says(twice).contains("two handlers"));
    let bad = sleeper(&queue).handler("../x", |_: Context, (): ()| async {
        Ok::<_, TaskError>(())
    });
    assert!(says(bad).contains("task type"));
}

#[tokio::test(start_paused = true)]
async fn the_reports_of_lost_leases_name_the_object() {
    let world = World::new();
    let queue = world.queue().await;
    let lost = Arc::new(AtomicU32::new(0));
    let count = lost.clone();
    let worker = start(sleeper(&world.queue().await).on_event(move |event| {
        if let Event::Lost { .. } = event {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let id = queue.submit(sleep(300)).await.unwrap().id;
    pause(5.0).await;
    // Somebody deletes the live object by hand: the holder learns at its next renewal.
    let key = world.keys("q/live/").await.remove(0);
    world
        .store
        .delete(&oq_core::store::StoreKey::listed(key))
        .await
        .unwrap();
    pause(30.0).await;
    assert_eq!(lost.load(Ordering::Relaxed), 1);
    assert_eq!(queue.get(id).await.unwrap_err().code(), "OQ-NOT-FOUND");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_kept_for_their_retention_and_swept_afterwards() {
    let world = World::new();
    let queue = world.queue().await;
    let worker = start(sleeper(&world.queue().await));
    let hour = 3600 * S;
    let short = queue.submit(sleep(0).retention(hour)).await.unwrap().id;
    let long = queue
        .submit(sleep(0).retention(100 * hour))
        .await
        .unwrap()
        .id;
    pause(3500.0).await;
    assert_eq!(queue.get(short).await.unwrap().state, TaskState::Completed);
    pause(4.0 * 3600.0).await;
    assert_eq!(queue.get(short).await.unwrap_err().code(), "OQ-NOT-FOUND");
    assert_eq!(queue.get(long).await.unwrap().state, TaskState::Completed);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_saved_survives_a_shutdown() {
    let world = World::new();
    let queue = world.queue().await;
    let counter = |queue: &Queue| {
        Worker::builder().queue(queue).grace(S).handler(
            "count",
            |ctx: Context, (): ()| async move {
                if let Some(n) = ctx.saved::<u32>() {
                    return Ok::<_, TaskError>(n);
                }
                ctx.save(&7)?;
                std::future::pending().await
            },
        )
    };
    let first = start(counter(&world.queue().await));
    let id = queue.submit(Task::new("count", &()).unwrap()).await;
    let id = id.unwrap().id;
    pause(4.0).await;
    first.stop().await;
    let second = start(counter(&world.queue().await));
    let view = outcome(&queue, id).await;
    assert_eq!((view.attempts, view.delivery), (1, 2));
    assert_eq!(queue.result::<u32>(id).await.unwrap(), 7);
    second.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_shards_of_workers_that_just_died_are_not_left_lying() {
    let world = World::new();
    let queue = world.queue().await;
    let dead: Vec<_> = [world.queue().await, world.queue().await]
        .iter()
        .map(|queue| start(sleeper(queue)))
        .collect();
    pause(2.0).await;
    for worker in dead {
        worker.kill().await;
    }
    let alive = start(sleeper(&world.queue().await));
    let tasks = (0..200).map(|_| sleep(0));
    let ids = queue.submit_many(tasks).pack(1).ids().await.unwrap();
    pause(60.0).await;
    let mut open = 0;
    for id in ids {
        open += u32::from(!queue.get(id).await.unwrap().state.is_over());
    }
    assert_eq!(
        open, 0,
        "of 200 tasks are not done a minute after their submission"
    );
    alive.stop().await;
    world.assert_at_rest().await;
}

#[test]
fn a_handler_that_blocks_its_thread_does_not_keep_run_from_returning() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let came_back = runtime.block_on(async {
        let queue = Queue::connect("memory:").await.unwrap();
        let worker = Worker::builder()
            .queue(&queue)
            .grace(Duration::ZERO)
            .handler("block", |_: Context, (): ()| async move {
                #[allow(clippy::disallowed_methods)] // what must not be done
                std::thread::sleep(120 * S);
                Ok::<_, TaskError>(())
            });
        queue
            .submit(Task::new("block", &()).unwrap())
            .await
            .unwrap();
        let run = worker.build().unwrap().run(async {
            oq_core::env::Env::system().sleep(S).await;
        });
        oq_core::env::Env::system().within(60 * S, run).await
    });
    runtime.shutdown_background();
    came_back
        .expect("run must return while its handler blocks")
        .unwrap();
}
