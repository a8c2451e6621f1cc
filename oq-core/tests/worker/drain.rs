//! Draining: what is due is run, and the worker is gone again in time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oq_core::protocol::Root;
use oq_core::queue::TaskState;
use oq_core::record::{Live, ObjectId, Priority, QueueName, Retry, TaskId};
use oq_core::store::{Faults, Faulty, List, Requests, StoreKey};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::{Drain, Drained, Lead, LeadEnd, Stopped, WorkerBuilder};
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};

use crate::world::{World, pause, start};

const S: Duration = Duration::from_secs(1);

/// Handlers that take the seconds of their input, or answer what the input says.
fn worker(queue: &Queue) -> WorkerBuilder {
    Worker::builder()
        .queue(queue)
        .handler("sleep", |ctx: Context, seconds: u64| async move {
            ctx.sleep(Duration::from_secs(seconds)).await;
            Ok::<_, TaskError>(seconds)
        })
        .handler("save", |ctx: Context, (): ()| async move {
            for minute in 0..60u32 {
                ctx.save(&minute).unwrap();
                ctx.sleep(60 * S).await;
            }
            Ok::<_, TaskError>(())
        })
        .handler("fail", |ctx: Context, first: u32| async move {
            if ctx.attempt() <= first {
                return Err(TaskError::new("not yet"));
            }
            Ok(())
        })
}

fn sleep(seconds: u64) -> Task {
    Task::new("sleep", &seconds).unwrap().timeout(4000 * S)
}

fn lead(id: TaskId) -> Lead {
    Lead::new(QueueName::new("q").unwrap(), id.object())
}

async fn requests(world: &World, queue: &Queue, how: Drain) -> (Drained, Requests) {
    let worker = worker(queue).build().unwrap();
    let before = world.meter.snapshot();
    let drained = worker.drain(how).await.unwrap();
    (drained, world.meter.snapshot() - before)
}

async fn live(world: &World, key: &str) -> Live {
    let object = world.store.get(&StoreKey::listed(key)).await.unwrap();
    serde_json::from_slice(&object.value.unwrap().body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn everything_due_is_run_and_nothing_of_the_worker_is_left() {
    let world = World::new();
    let (queue, mail) = (world.queue().await, world.named("mail").await);
    for _ in 0..5 {
        queue.submit(sleep(1)).await.unwrap();
        mail.submit(sleep(1)).await.unwrap();
    }
    queue.submit_many((0..300).map(|_| sleep(0))).run().await;
    let later = queue.submit(sleep(0).delay(60 * S)).await.unwrap().id;
    queue
        .submit(Task::new("other", &()).unwrap())
        .await
        .unwrap();
    queue.flush().await;
    mail.flush().await;

    let worker = worker(&world.queue().await)
        .queue(&world.named("mail").await)
        .build()
        .unwrap();
    let before = world.meter.snapshot();
    let drained = worker.drain(Drain::all()).await.unwrap();
    let used = world.meter.snapshot() - before;
    assert_eq!((drained.completed, drained.stopped), (310, Stopped::Empty));
    assert_eq!(drained.next, Some(later.object().due()));
    assert!(used.list() <= 8, "{} LIST", used.list());
    // Two to claim and record each object, none for a bell or a presence.
    assert_eq!(used.put(), 2 * drained.claimed);
    assert_eq!(world.keys("q/fleet/").await, Vec::<String>::new());
    assert_eq!(
        world.keys("q/live/").await.len(),
        2,
        "what is not due, and what is not ours"
    );

    pause(61.0).await;
    let drained = worker.drain(Drain::all()).await.unwrap();
    assert_eq!(
        (drained.claimed, drained.completed, drained.next),
        (1, 1, None)
    );
}

/// Seen on LocalStack: a drain that began just after a submission found nothing. Of dates without
/// fractions two programs read the store's time up to a second apart.
#[tokio::test(start_paused = true)]
async fn what_was_just_submitted_is_run_although_dates_have_no_fractions() {
    let world = World::of_whole_seconds();
    let queue = world.queue().await;
    // The producer saw the second begin; who comes now is told only which second it is.
    pause(0.9).await;
    let id = queue.submit(sleep(0)).await.unwrap().id;
    queue.flush().await;
    let late = world.queue().await;
    assert!(id.object().due() > late.root().now());
    let worker = worker(&late).build().unwrap();
    let drained = worker.drain(Drain::all()).await.unwrap();
    assert_eq!((drained.completed, drained.stopped), (1, Stopped::Empty));
}

#[tokio::test(start_paused = true)]
async fn a_lead_to_a_lone_task_takes_five_requests_and_no_listing() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(sleep(0)).await.unwrap().id;
    queue.submit(sleep(0)).await.unwrap();
    queue.flush().await;
    let (drained, used) = requests(&world, &queue, Drain::leads([lead(id), lead(id)])).await;
    assert_eq!(drained.leads, [(lead(id), LeadEnd::Ran)]);
    assert_eq!((drained.completed, drained.stopped), (1, Stopped::Empty));
    let counts = (used.get(), used.put(), used.delete(), used.list());
    assert_eq!(counts, (2, 2, 1, 0));
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Completed);

    let (drained, _) = requests(&world, &queue, Drain::leads([lead(id)]).then_all()).await;
    assert_eq!(drained.leads, [(lead(id), LeadEnd::Over)]);
    assert_eq!(drained.completed, 1, "the other one");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn leads_that_have_nothing_to_do_say_so_for_few_requests() {
    let world = World::new();
    let queue = world.queue().await;
    let delayed = queue.submit(sleep(0).delay(60 * S)).await.unwrap().id;
    let other = queue
        .submit(Task::new("other", &()).unwrap())
        .await
        .unwrap()
        .id;
    let running = queue.submit(sleep(50)).await.unwrap().id;
    queue.flush().await;
    let busy = start(worker(&world.queue().await));
    pause(10.0).await;
    busy.kill().await;
    let listed = world
        .store
        .list(&List::prefix("q/live/"))
        .await
        .unwrap()
        .value;
    let ours = |l: &&oq_core::store::Listed| l.key.as_str().ends_with(&running.to_string());
    let size = listed.entries.iter().find(ours).unwrap().size;
    let elsewhere = Lead::new(QueueName::new("elsewhere").unwrap(), running.object());
    for (lead, gets, expected) in [
        (lead(delayed), 0, "waits"),
        (lead(other), 2, "no_handler"),
        (lead(running), 1, "held"),
        (lead(running).size(size), 0, "held"),
        (elsewhere, 0, "other_queue"),
    ] {
        let (drained, used) = requests(&world, &queue, Drain::leads([lead])).await;
        let end = serde_json::to_value(&drained.leads[0].1).unwrap();
        let end = end.as_str().map(str::to_owned).unwrap_or_else(|| {
            let map = end.as_object().unwrap();
            map.keys().next().unwrap().clone()
        });
        assert_eq!(
            (end.as_str(), used.get(), used.total()),
            (expected, gets, gets)
        );
        assert_eq!(drained.claimed, 0);
    }
    queue.pause().await.unwrap();
    let (drained, _) = requests(&world, &queue, Drain::leads([lead(other)]).then_all()).await;
    assert_eq!(drained.leads[0].1, LeadEnd::Untried);
    assert_eq!(drained.paused, [QueueName::new("q").unwrap()]);
}

#[test]
fn a_lead_is_a_live_object_of_oq() {
    let id = ObjectId::from_parts(
        oq_core::StoreTime(1),
        2,
        Priority::NORMAL,
        1,
        oq_core::record::Shard::default(),
    );
    let key = format!("mail/live/00/G/{id}");
    assert_eq!(Lead::of_key(&key).unwrap().id, id);
    for foreign in ["", "mail/done/00/x", &format!("mail/done/00/{id}"), "a/b"] {
        assert_eq!(Lead::of_key(foreign), None, "{foreign}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_claims_in_time_and_gives_back_what_runs() {
    let world = World::new();
    let queue = world.queue().await;
    let long = Task::new("save", &()).unwrap().timeout(4000 * S);
    let long = queue.submit(long).await.unwrap().id;
    let many: Vec<_> = futures::future::join_all((0..20).map(|_| queue.submit(sleep(10)))).await;
    let drain = async {
        let clock = queue.root().env().clone();
        let began = clock.now();
        let worker = worker(&queue).concurrency(4).build().unwrap();
        let drained = worker.drain(Drain::all().within(60 * S)).await.unwrap();
        (drained, clock.now().since(began))
    };
    let watch = async {
        let end = queue.root().now().plus(60 * S);
        let mut seen = 0;
        for _ in 0..58 {
            pause(1.0).await;
            for key in world.keys("q/live/").await {
                let live = live(&world, &key).await;
                let written = live.history.last().map(|e| e.at);
                if let (Some(lease), Some(written)) = (&live.lease, written) {
                    let until = written.plus(lease.length);
                    assert!(
                        until <= end.plus(S),
                        "{key}: lease until {until}, end {end}"
                    );
                    seen += 1;
                }
            }
        }
        assert!(seen > 100);
    };
    let ((drained, took), ()) = futures::future::join(drain, watch).await;
    assert_eq!(drained.stopped, Stopped::Deadline);
    assert!(took <= 60 * S, "{took:?}");
    // Four slots, or three beside the long one, from 0, 10, 20, 30 and 40 s on; claims end at 45 s.
    assert!((15..20).contains(&drained.completed), "{drained:?}");
    assert_eq!(drained.released, 1);
    let view = queue.get(long).await.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Pending, 0));
    drop(many);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_too_short_for_a_lease_is_refused() {
    let world = World::new();
    let worker = worker(&world.queue().await).build().unwrap();
    for within in [14 * S, 15 * S, Drain::LEAST - Duration::from_millis(1)] {
        let error = worker.drain(Drain::all().within(within)).await;
        assert!(matches!(error, Err(Error::Invalid { .. })), "{error:?}");
    }
    let least = world.queue().await;
    least.submit(sleep(0)).await.unwrap();
    let how = Drain::all().within(Drain::LEAST);
    assert_eq!(worker.drain(how).await.unwrap().completed, 1);
}

#[tokio::test(start_paused = true)]
async fn what_dead_workers_left_is_taken_over() {
    let world = World::new();
    let queue = world.queue().await;
    let doomed = start(worker(&world.queue().await));
    let id = queue.submit(sleep(3)).await.unwrap().id;
    pause(2.5).await;
    doomed.kill().await;
    let (drained, _) = requests(&world, &queue, Drain::all()).await;
    assert_eq!(drained.claimed, 0, "its lease lasts");
    assert!(drained.next.is_some());
    let (drained, _) = requests(&world, &queue, Drain::all().linger(60 * S)).await;
    assert_eq!((drained.taken_over, drained.completed), (1, 1));
    assert_eq!(queue.get(id).await.unwrap().delivery, 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_to_the_last_object() {
    let world = World::new();
    let queue = world.queue().await;
    for _ in 0..50 {
        queue.submit(sleep(1)).await.unwrap();
    }
    let (drained, _) = requests(&world, &queue, Drain::all().max_tasks(7)).await;
    assert_eq!((drained.completed, drained.stopped), (7, Stopped::Limit));
    queue
        .submit_many((0..100).map(|_| sleep(0).priority(Priority::HIGH)))
        .run()
        .await;
    let (drained, _) = requests(&world, &queue, Drain::all().max_tasks(1)).await;
    assert!((2..=100).contains(&drained.completed) && drained.claimed == 1);
}

#[tokio::test(start_paused = true)]
async fn a_large_queue_is_drained_by_priority_page_by_page() {
    let world = World::new();
    let queue = world.queue().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let order_of = order.clone();
    for n in 0..2500u32 {
        let priority = Priority::new(if n >= 2450 { 3 } else { 16 }).unwrap();
        let task = Task::new("note", &(n >= 2450)).unwrap().priority(priority);
        queue.submit(task).await.unwrap();
    }
    // In front of everything, and not due.
    for _ in 0..50 {
        let task = Task::new("note", &true)
            .unwrap()
            .priority(Priority::new(0).unwrap());
        queue.submit(task.delay(3600 * S)).await.unwrap();
    }
    queue.flush().await;
    let worker = Worker::builder()
        .queue(&queue)
        .concurrency(1)
        .handler("note", move |_: Context, urgent: bool| {
            order_of.lock().unwrap().push(urgent);
            async { Ok::<_, TaskError>(()) }
        })
        .build()
        .unwrap();
    let before = world.meter.snapshot();
    let drained = worker.drain(Drain::all()).await.unwrap();
    let used = world.meter.snapshot() - before;
    assert_eq!(drained.completed, 2500);
    let order = order.lock().unwrap();
    assert!(order[..50].iter().all(|urgent| *urgent) && !order[50..].contains(&true));
    // Once over all, once by shards, and once to see that nothing is left.
    assert!(used.list() <= 22, "{} LIST", used.list());
    // What was written in this very second is looked up twice.
    assert!(used.get() <= 3 * 2500, "{} GET", used.get());
}

#[tokio::test(start_paused = true)]
async fn two_at_once_run_each_task_once_and_rarely_try_the_same() {
    let world = World::new();
    let queue = world.queue().await;
    for _ in 0..400 {
        queue.submit(sleep(1)).await.unwrap();
    }
    queue.flush().await;
    pause(2.0).await;
    let workers = [
        worker(&world.queue().await).build().unwrap(),
        worker(&world.queue().await).build().unwrap(),
    ];
    let before = world.meter.snapshot();
    let [a, b] = workers;
    let (a, b) = futures::future::join(a.drain(Drain::all()), b.drain(Drain::all())).await;
    let used = world.meter.snapshot() - before;
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(
        (a.completed + b.completed, a.claimed + b.claimed),
        (400, 400)
    );
    assert!(a.completed > 100 && b.completed > 100);
    assert!(used.get() < 400 * 2 * 3 / 2, "{} GET", used.get());
}

#[tokio::test(start_paused = true)]
async fn second_attempts_are_waited_for_if_asked() {
    let world = World::new();
    let queue = world.queue().await;
    let flaky = || {
        Task::new("fail", &2u32)
            .unwrap()
            .retry(Retry::fixed(5, 3 * S))
    };
    let id = queue.submit(flaky()).await.unwrap().id;
    let (drained, _) = requests(&world, &queue, Drain::all()).await;
    assert_eq!(
        (drained.retried, drained.completed, drained.stopped),
        (1, 0, Stopped::Empty)
    );
    assert!(drained.next.is_some());
    let (drained, _) = requests(&world, &queue, Drain::all().linger(10 * S)).await;
    assert_eq!((drained.retried, drained.completed), (1, 1));
    assert_eq!(queue.get(id).await.unwrap().attempts, 3);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn being_told_to_stop_ends_it_within_the_grace_period() {
    let world = World::new();
    let queue = world.queue().await;
    let (short, long) = (sleep(5), sleep(500));
    queue.submit(short).await.unwrap();
    let long = queue.submit(long).await.unwrap().id;
    let worker = worker(&queue).grace(10 * S).build().unwrap();
    let drained = worker.drain_until(Drain::all(), pause(2.0)).await.unwrap();
    assert_eq!(drained.stopped, Stopped::Asked);
    assert_eq!((drained.completed, drained.released), (1, 1));
    assert_eq!(queue.get(long).await.unwrap().state, TaskState::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_ends_it_with_what_was_done() {
    let world = World::new();
    let queue = world.queue().await;
    let ids: BTreeSet<_> = futures::future::join_all((0..40).map(|_| queue.submit(sleep(1))))
        .await
        .into_iter()
        .map(|s| s.unwrap().id)
        .collect();
    let host = SimHost::new(77, S, 0);
    let faulty = Arc::new(Faulty::new(
        world.store.clone(),
        Faults::default(),
        host.env(77),
    ));
    let root = Root::new(faulty.clone(), host.env(78));
    let broken = Queue::open(root, QueueName::new("q").unwrap())
        .await
        .unwrap();
    let worker = worker(&broken).concurrency(4).build().unwrap();
    let stop = async {
        pause(3.5).await;
        faulty.set(Faults {
            again: 1.0,
            unavailable: 1.0,
            ..Faults::default()
        });
        std::future::pending::<()>().await
    };
    let drained = worker.drain_until(Drain::all(), stop).await.unwrap();
    assert_eq!(drained.stopped, Stopped::Failing);
    assert!(
        matches!(drained.error, Some(Error::Unavailable(_))),
        "{:?}",
        drained.error
    );
    assert!(drained.completed > 0 && drained.completed < ids.len() as u64);
    let text = serde_json::to_string(&drained).unwrap();
    assert!(text.contains(r#""stopped":"failing""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_fits_into_the_time_uses_its_attempts_up() {
    let world = World::new();
    let queue = world.queue().await;
    queue.submit(sleep(40)).await.unwrap();
    pause(1.0).await;
    let twice = sleep(1000).retry(Retry::fixed(2, S));
    let id = queue.submit(twice).await.unwrap().id;
    let one = worker(&queue).concurrency(1).build().unwrap();
    // The first time it begins late, and had no chance.
    for charged in [0, 1, 2] {
        let drained = one.drain(Drain::all().within(60 * S)).await.unwrap();
        assert_eq!(drained.stopped, Stopped::Deadline);
        assert_eq!(queue.get(id).await.unwrap().attempts, charged);
        pause(2.0).await;
    }
    let view = queue.get(id).await.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 2));
    let failure = view.failure.unwrap();
    assert!(failure.message.contains("55 s"), "{}", failure.message);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_is_due_in_a_moment_is_waited_for_if_asked() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(sleep(0).delay(3 * S)).await.unwrap().id;
    queue.flush().await;
    let (drained, _) = requests(&world, &queue, Drain::leads([lead(id)])).await;
    assert!(matches!(drained.leads[0].1, LeadEnd::Waits(_)));
    let (drained, _) = requests(&world, &queue, Drain::leads([lead(id)]).linger(S)).await;
    assert!(matches!(drained.leads[0].1, LeadEnd::Waits(_)));
    let (drained, used) = requests(&world, &queue, Drain::leads([lead(id)]).linger(5 * S)).await;
    assert_eq!((&drained.leads[0].1, drained.completed), (&LeadEnd::Ran, 1));
    assert!(used.get() <= 4 && used.list() == 0, "{used:?}");
}

#[tokio::test(start_paused = true)]
async fn a_submitter_whose_clock_is_ahead_of_ours_does_not_keep_a_lead_from_being_run() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(sleep(0)).await.unwrap().id;
    queue.flush().await;
    let worker = worker(&queue).build().unwrap();
    // Its id is a second ahead of what this worker takes for the store's time.
    let due = queue.root().now().plus(S);
    let ahead = ObjectId::from_parts(due, 7, Priority::NORMAL, 1, id.object().shard());
    let ahead = Lead::new(QueueName::new("q").unwrap(), ahead);
    let drained = worker.drain(Drain::leads([ahead])).await.unwrap();
    assert_eq!(drained.leads[0].1, LeadEnd::Over, "it was looked at");
}

#[tokio::test(start_paused = true)]
async fn a_drain_may_be_of_some_queues_only() {
    let world = World::new();
    let (queue, mail) = (world.queue().await, world.named("mail").await);
    queue.submit(sleep(0)).await.unwrap();
    mail.submit(sleep(0)).await.unwrap();
    let worker = worker(&queue).queue(&mail).build().unwrap();
    let only = |name: &str| Drain::all().only([QueueName::new(name).unwrap()]);
    let drained = worker.drain(only("mail")).await.unwrap();
    assert_eq!(drained.completed, 1);
    assert_eq!(world.keys("mail/live/").await.len(), 0);
    let error = worker.drain(only("nowhere")).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(worker.drain(Drain::all().only([])).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn drains_clear_away_what_is_past_its_retention() {
    let world = World::new();
    let queue = world.queue().await;
    let short = sleep(0).retention(3600 * S);
    queue.submit(short).await.unwrap();
    queue.submit(sleep(0)).await.unwrap();
    let worker = worker(&queue).build().unwrap();
    worker.drain(Drain::all()).await.unwrap();
    pause(3700.0).await;
    worker.drain(Drain::all()).await.unwrap();
    assert_eq!(world.keys("q/done/").await.len(), 2, "it was not asked to");
    worker.drain(Drain::all().sweep_one_in(1)).await.unwrap();
    assert_eq!(world.keys("q/done/").await.len(), 1);

    let before = world.meter.snapshot();
    for _ in 0..300 {
        let drained = worker.drain(Drain::all().sweep_one_in(60)).await.unwrap();
        assert_eq!(drained.stopped, Stopped::Empty);
    }
    // One for the drain, and 17 sixtieths for the sweep.
    let lists = (world.meter.snapshot() - before).list();
    assert!((330..500).contains(&lists), "{lists} LIST");
}

#[tokio::test(start_paused = true)]
async fn events_of_ones_own_writes_take_no_request_however_old_the_settings_are() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(sleep(0)).await.unwrap().id;
    queue.flush().await;
    let worker = worker(&queue).build().unwrap();
    pause(600.0).await;
    let before = world.meter.snapshot();
    // 641 % 4 = 1: it runs.
    let drained = worker
        .drain(Drain::leads([lead(id).size(641)]).linger(5 * S))
        .await
        .unwrap();
    assert!(matches!(drained.leads[0].1, LeadEnd::Held(_)));
    assert_eq!((world.meter.snapshot() - before).total(), 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_leads_ends_in_time_too() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(sleep(1000)).await.unwrap().id;
    let clock = queue.root().env().clone();
    let began = clock.now();
    let how = Drain::leads([lead(id)]).linger(5 * S).within(60 * S);
    let (drained, _) = requests(&world, &queue, how).await;
    assert_eq!(drained.stopped, Stopped::Deadline);
    assert!(clock.now().since(began) <= 60 * S);
}

#[tokio::test(start_paused = true)]
async fn a_long_drain_learns_that_its_queue_is_paused() {
    let world = World::new();
    let queue = world.queue().await;
    for _ in 0..40 {
        queue.submit(sleep(10)).await.unwrap();
    }
    let operator = world.queue().await;
    let worker = worker(&world.queue().await).concurrency(1).build().unwrap();
    let pausing = async {
        pause(30.0).await;
        operator.pause().await.unwrap();
    };
    let (drained, ()) = tokio::join!(worker.drain(Drain::all()), pausing);
    let drained = drained.unwrap();
    // The settings are at most a minute old.
    assert!((3..=11).contains(&drained.completed), "{drained:?}");
}
