//! What a program can watch: metrics, hooks and spans of whole runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oq_core::metric;
use oq_core::queue::TaskState;
use oq_core::record::{Ending, Key, ObjectId, Priority, QueueName, Retry, Shard};
use oq_core::store::{Delayed, Latency};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::{Event, WorkerBuilder};
use oq_core::{Context, Queue, StoreTime, Task, TaskError, Worker};

use crate::recorder::Told;
use crate::spans::Spans;
use crate::world::{World, outcome, pause, start};

const S: Duration = Duration::from_secs(1);

/// A world whose store is as slow as S3: without that nobody ever loses a race.
fn slow_world() -> World {
    let mut world = World::new();
    let env = SimHost::new(99, S, 0).env(99);
    world.store = Arc::new(Delayed::new(world.store.clone(), Latency::S3, env));
    world
}

/// Handlers for every fate: `ok` takes so many seconds, `flaky` fails at first, `later` waits at
/// first, `bad` fails for good.
fn fates(queue: &Queue) -> WorkerBuilder {
    Worker::builder()
        .queue(queue)
        .handler("ok", |ctx: Context, seconds: u64| async move {
            ctx.sleep(Duration::from_secs(seconds)).await;
            Ok::<_, TaskError>(())
        })
        .handler("flaky", |ctx: Context, (): ()| async move {
            match ctx.attempt() {
                1 => Err(TaskError::new("not yet")),
                _ => Ok(()),
            }
        })
        .handler("later", |ctx: Context, (): ()| async move {
            match ctx.delivery() {
                1 => Err(TaskError::later(2 * S)),
                _ => Ok(()),
            }
        })
        .handler("bad", |_: Context, (): ()| async move {
            Err::<(), _>(TaskError::fatal("never"))
        })
}

fn ok(seconds: u64) -> Task {
    Task::new("ok", &seconds).unwrap().timeout(900 * S)
}

fn task(name: &str) -> Task {
    Task::new(name, &()).unwrap().retry(Retry::fixed(3, 3 * S))
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_told_with_its_labels_and_counts_what_it_says() {
    let told = Told::default();
    let _guard = metrics::set_default_local_recorder(&told);
    let world = slow_world();
    let queue = world.queue().await;
    let submit = async |task: Task| queue.submit(task).await.unwrap().id;

    // Before any worker is there: one is cancelled, one expires, one key is used twice.
    let cancelled = submit(ok(0)).await;
    queue.cancel(cancelled).await.unwrap();
    let expired = submit(ok(0).expires_in(S)).await;
    for _ in 0..2 {
        submit(ok(0).key("k")).await;
    }
    let junk = ObjectId::from_parts(StoreTime(1), 1, Priority::HIGHEST, 1, Shard::default());
    let junk = Key::Live(QueueName::new("q").unwrap(), junk).store_key();
    let body = Bytes::from_static(&[b' '; 64]);
    world.store.create(&junk, body).await.unwrap();
    pause(2.0).await;

    // Two workers that look at everything, so that they are in each other's way.
    let worker = async || start(fates(&world.queue().await).fleet(false));
    let mut workers = vec![worker().await, worker().await];
    let (flaky, later, bad) = (
        submit(task("flaky")).await,
        submit(task("later")).await,
        submit(task("bad")).await,
    );
    let pack = (0..20).map(|_| ok(1));
    let pack = queue.submit_many(pack).pack(20).ids().await.unwrap();
    for id in pack.iter().copied().chain([flaky, later, bad, expired]) {
        outcome(&queue, id).await;
    }
    let again = queue.retry(bad).await.unwrap().id;
    assert_eq!(outcome(&queue, again).await.state, TaskState::Failed);

    // One is taken over from a worker that dies, and one is taken away from its holder.
    let long = submit(ok(100)).await;
    pause(10.0).await;
    for worker in workers.drain(..) {
        worker.kill().await;
    }
    workers.push(worker().await);
    assert_eq!(outcome(&queue, long).await.state, TaskState::Completed);
    let robbed = submit(ok(300)).await;
    pause(10.0).await;
    let key = Key::Live(QueueName::new("q").unwrap(), robbed.object());
    world.store.delete(&key.store_key()).await.unwrap();
    pause(30.0).await;
    for worker in workers {
        worker.stop().await;
    }

    let mut seen = told.shapes();
    seen.sort();
    let mut all: Vec<_> = metric::ALL
        .iter()
        .map(|m| (m.name.to_owned(), m.kind, m.labels.join(" ")))
        .collect();
    all.sort();
    assert_eq!(seen, all);
    for m in metric::ALL {
        assert_eq!(told.described(m.name), Some((m.kind, m.says.to_owned())));
    }

    let finished = |ending: Ending| told.sum("oq_finished_total", &[("outcome", ending.as_str())]);
    assert_eq!(
        finished(Ending::Completed),
        20.0 + 4.0,
        "pack, k, flaky, later, long"
    );
    assert_eq!(finished(Ending::Failed), 2.0);
    assert_eq!(finished(Ending::Cancelled), 1.0);
    assert_eq!(finished(Ending::Expired), 1.0);
    let submitted = told.sum("oq_submitted_total", &[("queue", "q")]);
    // The one that was taken away has no outcome.
    assert_eq!(submitted, 20.0 + 4.0 + 2.0 + 1.0 + 1.0 + 1.0);
    assert_eq!(told.sum("oq_submit_existing_total", &[]), 1.0);
    assert_eq!(told.sum("oq_resubmitted_total", &[]), 1.0);
    assert_eq!(told.sum("oq_retried_total", &[]), 1.0);
    assert_eq!(told.sum("oq_rescheduled_total", &[]), 1.0);
    assert_eq!(told.sum("oq_taken_over_total", &[]), 1.0);
    assert_eq!(told.sum("oq_leases_lost_total", &[]), 1.0);
    assert!(told.sum("oq_lost_races_total", &[]) >= 1.0);
    assert!(told.sum("oq_unreadable_total", &[]) >= 1.0);
    // Objects: the pack, k, flaky and later twice, bad twice, long twice, the one taken away.
    assert_eq!(told.sum("oq_claimed_total", &[]), 11.0);
    assert_eq!(told.times("oq_queue_wait_seconds"), 8, "first claims");
    // Attempts that came to an end: not the one that died with its worker.
    assert_eq!(told.times("oq_run_seconds"), 20 + 1 + 2 + 2 + 2 + 1);
    assert!(told.sum("oq_run_seconds", &[]) >= 20.0 + 100.0);
    let requests = world.meter.snapshot();
    assert_eq!(told.sum("oq_requests_total", &[]), requests.total() as f64);
    let lists = told.sum("oq_requests_total", &[("verb", "list"), ("outcome", "ok")]);
    assert_eq!(lists, requests.list() as f64);
    let bytes = |direction| told.sum("oq_bytes_total", &[("direction", direction)]);
    assert_eq!(bytes("in"), requests.bytes_in as f64);
    assert_eq!(bytes("out"), requests.bytes_out as f64);
}

/// What hooks were told, in short.
fn short(event: &Event) -> Option<String> {
    Some(match event {
        Event::TaskStarted {
            task_type, attempt, ..
        } => format!("{task_type} {attempt} starts"),
        Event::Retried {
            task_type,
            attempt,
            delay,
            ..
        } => format!("{task_type} {attempt} again in {delay:?}"),
        Event::Rescheduled {
            task_type, delay, ..
        } => format!("{task_type} later in {delay:?}"),
        Event::Finished {
            task_type,
            ending,
            attempts,
            ran,
            ..
        } => {
            let ran = ran.map(|ran| ran.as_secs());
            format!("{task_type} {} {attempts} {ran:?}", ending.as_str())
        }
        _ => return None,
    })
}

#[tokio::test(start_paused = true)]
async fn hooks_tell_of_attempts_their_number_and_how_long_they_took() {
    let world = World::new();
    let queue = world.queue().await;
    let mut ids = Vec::new();
    ids.push(queue.submit(ok(0).expires_in(S)).await.unwrap().id);
    pause(2.0).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let worker = start(fates(&world.queue().await).on_event(move |event| {
        tell.lock().unwrap().extend(short(event));
    }));
    for task in [ok(7), task("flaky"), task("later"), task("bad")] {
        ids.push(queue.submit(task).await.unwrap().id);
        outcome(&queue, ids[ids.len() - 1]).await;
    }
    outcome(&queue, ids[0]).await;
    worker.stop().await;
    let told = told.lock().unwrap().clone();
    assert!(told[0].starts_with("ok expired 0 None"), "{told:?}");
    let rest: Vec<&str> = told[1..].iter().map(String::as_str).collect();
    let expected = [
        "ok 1 starts",
        "ok completed 1 Some(7)",
        "flaky 1 starts",
        "flaky 1 again in",
        "flaky 2 starts",
        "flaky completed 2 Some(0)",
        "later 1 starts",
        "later later in 2s",
        "later 1 starts",
        "later completed 1 Some(0)",
        "bad 1 starts",
        "bad failed 1 Some(0)",
    ];
    assert_eq!(rest.len(), expected.len(), "{rest:#?}");
    for (told, expected) in rest.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} is not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn spans_carry_the_submitters_trace_and_show_the_steps_of_a_task() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let spans = Spans::default();
    let _guard = spans.install();
    let world = World::new();
    let queue = world.queue().await;
    let shout = |builder: WorkerBuilder| {
        builder.handler("shout", |ctx: Context, (): ()| async move {
            tracing::info!("shouted");
            assert_eq!(ctx.trace_parent(), Some(TRACE));
            Ok::<_, TaskError>(())
        })
    };
    let first = start(shout(fates(&world.queue().await)));
    let task = Task::new("shout", &()).unwrap().trace_parent(TRACE);
    let id = queue.submit(task).await.unwrap().id;
    outcome(&queue, id).await;
    let long = queue.submit(ok(100)).await.unwrap().id;
    pause(20.0).await;
    first.kill().await;
    let second = start(fates(&world.queue().await));
    outcome(&queue, long).await;
    outcome(&queue, queue.submit(self::task("bad")).await.unwrap().id).await;
    // An hour and more: the sweep comes by.
    pause(7300.0).await;
    second.stop().await;

    let around = spans.around("shouted");
    let span = around.iter().find(|span| span.name == "task");
    let span = span.unwrap_or_else(|| panic!("the handler ran in {around:?}"));
    assert_eq!(span.field("traceparent"), Some(TRACE));
    assert_eq!(span.field("id"), Some(id.to_string().as_str()));
    assert_eq!(span.field("attempt"), Some("1"));
    for (name, of) in [
        ("claim", id),
        ("finish", id),
        ("renew", long),
        ("take_over", long),
        ("seal", long),
    ] {
        let of = of.object().to_string();
        let there = spans.named(name);
        assert!(
            there
                .iter()
                .any(|span| span.field("id") == Some(of.as_str())
                    && span.field("queue") == Some("q")),
            "no span {name} of {of}: {there:?}"
        );
    }
    for name in ["record", "sweep", "sweep_for_work"] {
        assert!(!spans.named(name).is_empty(), "no span {name}");
    }
}
