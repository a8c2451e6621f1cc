//! The store fails, refuses or breaks: the program is told, and a worker that cannot work ends.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::protocol::Root;
use oq_core::queue::TaskState;
use oq_core::record::QueueName;
use oq_core::store::{
    Abilities, Changed, Dated, Etag, Faults, Faulty, List, Object, Page, Store, StoreError,
    StoreKey, Write,
};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::{Drain, Event, WorkerBuilder};
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};

use crate::world::{World, outcome, pause, start};

const S: Duration = Duration::from_secs(1);

fn sleeper(queue: &Queue) -> WorkerBuilder {
    Worker::builder().queue(queue).grace(S).handler(
        "sleep",
        |ctx: Context, seconds: u64| async move {
            ctx.sleep(Duration::from_secs(seconds)).await;
            Ok::<_, TaskError>(())
        },
    )
}

async fn queue(store: Arc<dyn Store>, host: u16) -> Queue {
    let host = SimHost::new(host, S, 0);
    let root = Root::new(store, host.env(7));
    let name = QueueName::new("q").unwrap();
    Queue::open(root, name).await.unwrap()
}

type Told = Arc<Mutex<Vec<String>>>;

fn note_outages(told: &Told) -> impl Fn(&Event) + Send + Sync + 'static {
    let told = told.clone();
    move |event| match event {
        Event::StoreFailing { error } => told.lock().unwrap().push(error.code().into()),
        Event::StoreRecovered { after } => {
            let minutes = after.as_secs_f64() / 60.0;
            told.lock()
                .unwrap()
                .push(format!("{} min", minutes.round()));
        }
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_and_its_end_too() {
    let world = World::new();
    let host = SimHost::new(70, S, 0);
    let faulty = Arc::new(Faulty::new(
        world.store.clone(),
        Faults::default(),
        host.env(1),
    ));
    let queue = queue(faulty.clone(), 71).await;
    let told = Told::default();
    let worker = start(sleeper(&queue).on_event(note_outages(&told)));
    let other = world.queue().await;
    pause(20.0).await;
    let short = Faults {
        again: 1.0,
        unavailable: 1.0,
        ..Faults::default()
    };
    for (outage, calm) in [(1.0, 60.0), (300.0, 60.0), (120.0, 60.0)] {
        other.submit(Task::new("sleep", &1).unwrap()).await.unwrap();
        faulty.set(short);
        pause(outage).await;
        faulty.set(Faults::default());
        pause(calm).await;
    }
    let told = told.lock().unwrap().clone();
    assert_eq!(told, ["OQ-UNAVAILABLE", "5 min", "OQ-UNAVAILABLE", "2 min"]);
    worker.stop().await;
    world.assert_at_rest().await;
}

/// A worker whose store fails as told; it drains, time and again.
async fn drainer(world: &World, host: u16) -> (Arc<Faulty>, Queue, Worker, Told) {
    let env = SimHost::new(host, S, 0).env(1);
    let faulty = Arc::new(Faulty::new(world.store.clone(), Faults::default(), env));
    let queue = queue(faulty.clone(), host + 1).await;
    let told = Told::default();
    let worker = sleeper(&queue).on_event(note_outages(&told));
    (faulty, queue, worker.build().unwrap(), told)
}

async fn drain_now_and_then(worker: &Worker, times: u32, every: f64) -> u64 {
    let mut completed = 0;
    for _ in 0..times {
        let how = Drain::all().within(60 * S);
        completed += worker.drain(how).await.unwrap().completed;
        pause(every).await;
    }
    completed
}

const DOWN: Faults = Faults {
    again: 1.0,
    unknown_not_applied: 0.0,
    unknown_applied: 0.0,
    unavailable: 1.0,
};

const READ_ONLY: Faults = Faults {
    unavailable: 0.0,
    ..DOWN
};

#[tokio::test(start_paused = true)]
async fn one_outage_is_told_once_over_many_drains() {
    let world = World::new();
    let (faulty, _, worker, told) = drainer(&world, 78).await;
    drain_now_and_then(&worker, 2, 5.0).await;
    faulty.set(DOWN);
    drain_now_and_then(&worker, 12, 10.0).await;
    assert_eq!(*told.lock().unwrap(), ["OQ-UNAVAILABLE"]);
    faulty.set(Faults::default());
    drain_now_and_then(&worker, 12, 5.0).await;
    assert_eq!(*told.lock().unwrap(), ["OQ-UNAVAILABLE", "2 min"]);
    faulty.set(DOWN);
    drain_now_and_then(&worker, 12, 5.0).await;
    faulty.set(Faults::default());
    pause(3600.0).await;
    drain_now_and_then(&worker, 1, 0.0).await;
    let told = told.lock().unwrap().clone();
    assert_eq!(told, ["OQ-UNAVAILABLE", "2 min", "OQ-UNAVAILABLE", "1 min"]);
}

#[tokio::test(start_paused = true)]
async fn drains_that_write_nothing_recover_although_the_last_write_failed() {
    let world = World::new();
    let (faulty, queue, worker, told) = drainer(&world, 80).await;
    faulty.set(DOWN);
    drain_now_and_then(&worker, 6, 10.0).await;
    let root = queue.root();
    let key = StoreKey::listed("once");
    let written = root.send(&key, Bytes::new(), None).await.unwrap();
    assert!(matches!(written, Write::Again { .. }), "{written:?}");
    faulty.set(Faults::default());
    drain_now_and_then(&worker, 10, 60.0).await;
    assert_eq!(*told.lock().unwrap(), ["OQ-UNAVAILABLE", "1 min"]);
}

#[tokio::test(start_paused = true)]
async fn writes_that_failed_are_told_once_until_one_is_answered() {
    let world = World::new();
    let (faulty, _, worker, told) = drainer(&world, 82).await;
    let other = world.queue().await;
    let task = other.submit(Task::new("sleep", &1).unwrap()).await.unwrap();
    faulty.set(READ_ONLY);
    drain_now_and_then(&worker, 3, 10.0).await;
    assert_eq!(*told.lock().unwrap(), ["OQ-UNAVAILABLE"]);
    faulty.set(Faults::default());
    let helper = start(sleeper(&other));
    outcome(&other, task.id).await;
    helper.stop().await;
    assert_eq!(drain_now_and_then(&worker, 10, 60.0).await, 0);
    assert_eq!(*told.lock().unwrap(), ["OQ-UNAVAILABLE"]);
    other.submit(Task::new("sleep", &1).unwrap()).await.unwrap();
    assert_eq!(drain_now_and_then(&worker, 1, 0.0).await, 1);
    let told = told.lock().unwrap().clone();
    assert!(
        matches!(&told[..], [_, after] if after.ends_with("min")),
        "{told:?}"
    );
}

const FINE: u8 = 0;
const REFUSES_LISTS: u8 = 1;
const PANICS: u8 = 2;
const SILENT: u8 = 3;
const SLOW: u8 = 4;

/// Its listings are refused, or panic; or it answers nothing, or late.
#[derive(Debug)]
struct Odd {
    inner: Arc<dyn Store>,
    mood: AtomicU8,
}

#[async_trait]
impl Store for Odd {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.hesitate().await;
        self.inner.get(key).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.hesitate().await;
        self.inner.get_if_changed(key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.hesitate().await;
        self.inner.create(key, body).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.hesitate().await;
        self.inner.update(key, body, seen).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.hesitate().await;
        self.inner.delete(key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        self.hesitate().await;
        self.inner.delete_many(keys).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.hesitate().await;
        self.inner.delete_if(key, seen).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.hesitate().await;
        match self.mood.load(Ordering::SeqCst) {
            REFUSES_LISTS => Err(StoreError::Denied("s3:ListBucket is not allowed".into())),
            PANICS => panic!("a listing like no other"),
            _ => self.inner.list(list).await,
        }
    }
}

impl Odd {
    async fn hesitate(&self) {
        match self.mood.load(Ordering::SeqCst) {
            SILENT => std::future::pending().await,
            SLOW => pause(6.0).await,
            _ => {}
        }
    }
}

fn odd(world: &World, mood: u8) -> Arc<Odd> {
    Arc::new(Odd {
        inner: world.store.clone(),
        mood: AtomicU8::new(mood),
    })
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_never_allowed_to_list_ends_and_says_why() {
    let world = World::new();
    let odd = odd(&world, REFUSES_LISTS);
    let told = Told::default();
    let queue = queue(odd.clone(), 72).await;
    let worker = sleeper(&queue)
        .on_event(note_outages(&told))
        .build()
        .unwrap();
    let clock = queue.root().env().clone();
    let began = clock.now();
    let error = worker.run(std::future::pending()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Denied(why) if why.contains("s3:ListBucket")),
        "{error}"
    );
    assert!(clock.now().since(began) < 300 * S);
    assert_eq!(*told.lock().unwrap(), ["OQ-DENIED"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_once_could_list_waits_until_it_can_again() {
    let world = World::new();
    let odd = odd(&world, FINE);
    let told = Told::default();
    let worker = start(sleeper(&queue(odd.clone(), 73).await).on_event(note_outages(&told)));
    pause(10.0).await;
    odd.mood.store(REFUSES_LISTS, Ordering::SeqCst);
    let queue = world.queue().await;
    let id = queue
        .submit(Task::new("sleep", &1).unwrap())
        .await
        .unwrap()
        .id;
    pause(3600.0).await;
    odd.mood.store(FINE, Ordering::SeqCst);
    assert_eq!(outcome(&queue, id).await.state, TaskState::Completed);
    pause(60.0).await;
    assert_eq!(*told.lock().unwrap(), ["OQ-DENIED", "60 min"]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_search_breaks_gives_back_what_it_holds_and_ends() {
    let world = World::new();
    let odd = odd(&world, FINE);
    let queue = world.queue().await;
    let id = queue
        .submit(Task::new("sleep", &1000).unwrap().timeout(2000 * S))
        .await
        .unwrap()
        .id;
    let worker = sleeper(&self::queue(odd.clone(), 74).await)
        .build()
        .unwrap();
    let breaks = async {
        pause(10.0).await;
        assert_eq!(queue.get(id).await.unwrap().state, TaskState::Running);
        odd.mood.store(PANICS, Ordering::SeqCst);
    };
    let (ended, ()) = futures::future::join(worker.run(std::future::pending()), breaks).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::Unusable(_)), "{error}");
    assert!(
        error.to_string().contains("a listing like no other"),
        "{error}"
    );
    let view = queue.get(id).await.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Pending, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_in_time_although_the_store_answers_nothing() {
    let world = World::new();
    let odd = odd(&world, FINE);
    let queues = [
        queue(odd.clone(), 75).await,
        queue(odd.clone(), 76).await.named("r").await.unwrap(),
    ];
    let task = Task::new("sleep", &1000).unwrap().timeout(2000 * S);
    queues[0].submit(task).await.unwrap();
    let clock = queues[0].root().env().clone();
    let worker = sleeper(&queues[0]).queue(&queues[1]).grace(10 * S);
    let shutdown = async {
        pause(5.0).await;
        odd.mood.store(SILENT, Ordering::SeqCst);
    };
    let began = clock.now();
    worker.build().unwrap().run(shutdown).await.unwrap();
    let took = clock.now().since(began) - 5 * S;
    assert!(took >= 10 * S && took <= 17 * S, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_long_is_given_more_time() {
    let world = World::new();
    let odd = odd(&world, FINE);
    let queue = queue(odd.clone(), 77).await;
    let id = queue
        .submit(Task::new("sleep", &1).unwrap())
        .await
        .unwrap()
        .id;
    odd.mood.store(SLOW, Ordering::SeqCst);
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Pending);
}
