//! Errors that pass: whoever asked goes on where he was, and nothing is said to be undone that may
//! have been done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oq_core::queue::{Cancelled, Filter, Listed, TaskState};
use oq_core::record::Retry;
use oq_core::store::{StoreError, Verb};
use oq_core::worker::{Drain, Event, WorkerBuilder};
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};

use crate::meddled::{Meddle, Meddled, unavailable};
use crate::world::{World, outcome, pause, start};

const S: Duration = Duration::from_secs(1);

fn task(fail: bool) -> Task {
    Task::new("t", &fail).unwrap().retry(Retry::fixed(1, S))
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

/// A store that fails the request to each `nth` place so often in a row that it is told to whoever
/// asked; then it answers.
async fn failing(world: &World, host: u16, verb: Verb, place: &'static str, nth: usize) -> Queue {
    const TRIES: u32 = 5;
    let seen: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let store = Meddled::new(world, move |v, key| {
        if v != verb || !key.starts_with(place) {
            return None;
        }
        let mut seen = seen.lock().unwrap();
        let n = seen.len();
        let failures = if n % nth == nth - 1 { TRIES } else { 0 };
        let left = seen.entry(key.to_owned()).or_insert(failures);
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        fails.then(|| Meddle::Fails(unavailable()))
    });
    store.queue(host).await
}

/// All that a listing shows, asked again after every error; and how many there were.
async fn all(queue: &Queue, filter: Filter) -> (Vec<String>, u32) {
    let mut listing = queue.list(filter).unwrap();
    let (mut found, mut errors) = (Vec::new(), 0);
    loop {
        match listing.next().await {
            Ok(Some(Listed::Task(view))) => found.push(view.id.to_string()),
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (found, errors),
            Err(Error::Unavailable(_)) => errors += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(errors < 1000, "no end of errors");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_on_where_it_was() {
    let world = World::new();
    let queue = world.queue().await;
    let tasks = (0..2500).map(|_| task(false).delay(S * 1000));
    queue.submit_many(tasks).pack(1).run().await;
    let (wanted, none) = all(&queue, Filter::new()).await;
    assert_eq!((wanted.len(), none), (2500, 0));
    // Every second page, and every 100th body.
    let lists = failing(&world, 90, Verb::List, "q/live/", 2).await;
    let gets = failing(&world, 91, Verb::Get, "q/live/", 100).await;
    for queue in [lists, gets] {
        let (found, errors) = all(&queue, Filter::new()).await;
        assert!(errors > 0);
        assert_eq!(found, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_all_shown_in_spite_of_errors() {
    let world = World::new();
    let queue = world.queue().await;
    let tasks = (0..100).map(|_| task(true));
    queue.submit_many(tasks).pack(1).run().await;
    worker(&queue)
        .build()
        .unwrap()
        .drain(Drain::all())
        .await
        .unwrap();
    let letters = queue.dead(Filter::new()).all().await.unwrap();
    let wanted: Vec<_> = letters.into_iter().map(|letter| letter.id).collect();
    assert_eq!(wanted.len(), 100);
    let failing = failing(&world, 92, Verb::Get, "q/dead/", 10).await;
    let mut letters = failing.dead(Filter::new());
    let (mut found, mut errors) = (Vec::new(), 0);
    loop {
        match letters.next().await {
            Ok(Some(letter)) => found.push(letter.id),
            Ok(None) => break,
            Err(_) => errors += 1,
        }
        assert!(errors < 1000, "no end of errors");
    }
    assert!(errors > 0);
    assert_eq!(found, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_once_read_damaged_is_run() {
    let world = World::new();
    let damaged = Arc::new(AtomicU32::new(0));
    let reads = damaged.clone();
    let store = Meddled::new(&world, move |verb, key| {
        let live = verb == Verb::Get && key.starts_with("q/live/");
        let first = live && reads.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Meddle::Reads(Bytes::from_static(b"{\"v\":1,\"wr")))
    });
    let queue = store.queue(93).await;
    let other = world.queue().await;
    let id = other.submit(task(false)).await.unwrap().id;
    let worker = start(worker(&queue));
    assert_eq!(outcome(&other, id).await.state, TaskState::Completed);
    assert!(damaged.load(Ordering::SeqCst) > 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_without_an_answer_is_in_doubt() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(task(false)).await.unwrap().id;
    let store = Meddled::new(&world, |verb, key| {
        let live = verb == Verb::Update && key.starts_with("q/live/");
        live.then(|| Meddle::Fails(unavailable()))
    });
    let Err(Error::InDoubt { ids }) = store.queue(94).await.cancel(id).await else {
        panic!("not in doubt");
    };
    assert_eq!(ids, [id]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_settings_without_an_answer_is_in_doubt() {
    let world = World::new();
    world.queue().await.pause().await.unwrap();
    let store = Meddled::new(&world, |verb, key| {
        let write = verb == Verb::Update && key == "q/queue.json";
        write.then(|| Meddle::Fails(unavailable()))
    });
    let answer = store.queue(95).await.resume().await;
    let Err(error @ Error::InDoubt { .. }) = answer else {
        panic!("not in doubt: {answer:?}");
    };
    assert!(error.to_string().contains("may have been done"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_before_an_error_is_told_with_it() {
    let world = World::new();
    let queue = world.queue().await;
    let tasks = (0..60).map(|_| task(false).delay(S * 1000));
    queue.submit_many(tasks).pack(1).run().await;
    let updates = AtomicU32::new(0);
    let store = Meddled::new(&world, move |verb, key| {
        let live = verb == Verb::Update && key.starts_with("q/live/");
        let late = live && updates.fetch_add(1, Ordering::SeqCst) >= 40;
        late.then(|| Meddle::Fails(StoreError::Denied("expired".into())))
    });
    let sum = store.queue(96).await.cancel_many(Filter::new(), None).await;
    assert!(matches!(sum.error, Some(Error::Denied(_))), "{sum:?}");
    assert_eq!((sum.cancelled, sum.failed), (40, 8), "of three times 16");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_whose_outcome_cannot_be_recorded_was_asked_for() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(task(false)).await.unwrap().id;
    let store = Meddled::new(&world, |verb, key| {
        let done = verb == Verb::Create && key.starts_with("q/done/");
        done.then(|| Meddle::Fails(StoreError::Denied("no".into())))
    });
    let answer = store.queue(97).await.cancel(id).await.unwrap();
    assert_eq!(answer, Cancelled::Requested);
    let worker = start(worker(&queue));
    assert_eq!(outcome(&queue, id).await.state, TaskState::Cancelled);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn giving_back_without_an_answer_is_no_lost_lease() {
    let world = World::new();
    let silent = Arc::new(AtomicU32::new(0));
    let mute = silent.clone();
    let store = Meddled::new(&world, move |verb, key| {
        let live = verb == Verb::Update && key.starts_with("q/live/");
        (live && mute.load(Ordering::SeqCst) == 1).then(|| Meddle::Fails(unavailable()))
    });
    let queue = store.queue(98).await;
    let lost = Arc::new(Mutex::new(0));
    let count = lost.clone();
    let quiet = silent.clone();
    let worker = Worker::builder()
        .queue(&queue)
        .handler("later", move |ctx: Context, (): ()| {
            let quiet = quiet.clone();
            async move {
                if ctx.delivery() == 1 {
                    quiet.store(1, Ordering::SeqCst);
                }
                Err::<(), _>(TaskError::later(S))
            }
        })
        .on_event(move |event| {
            if let Event::Lost { .. } = event {
                *count.lock().unwrap() += 1;
            }
        });
    let id = queue
        .submit(Task::new("later", &()).unwrap())
        .await
        .unwrap()
        .id;
    let worker = start(worker);
    // Long enough for the tries, and shorter than the lease.
    pause(20.0).await;
    silent.store(2, Ordering::SeqCst);
    pause(3.0).await;
    assert_eq!(*lost.lock().unwrap(), 0);
    assert!(world.queue().await.get(id).await.is_ok());
    worker.stop().await;
}
