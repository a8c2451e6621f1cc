//! What no seed draws: a crowd before one task, one worker before a crowd, a backup that is put back.

#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::record::{Done, Key, QueueName, TaskId, decode};
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_store::{Modes, Plan, SimStore};
use oq_core::{Context, Queue, Task, TaskError, Worker};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const S: Duration = Duration::from_secs(1);

/// How often each task was started.
type Starts = Arc<Mutex<BTreeMap<TaskId, u32>>>;

struct Town {
    store: SimStore,
    hosts: u16,
    starts: Starts,
}

impl Town {
    fn new() -> Town {
        Town {
            store: SimStore::new(1, Modes::default(), Plan::calm()),
            hosts: 0,
            starts: Starts::default(),
        }
    }

    fn env(&mut self) -> (Arc<SimHost>, Env) {
        self.hosts += 1;
        let host = SimHost::new(self.hosts, S, 0);
        let env = host.env(1);
        (host, env)
    }

    async fn queue(&mut self) -> Queue {
        let (host, env) = self.env();
        let root = Root::new(self.store.client(&host), env);
        let name = QueueName::new("mail").expect("a valid name");
        Queue::open(root, name).await.expect("the store is there")
    }

    /// A worker whose handler takes so long.
    async fn worker(&mut self, concurrency: usize, takes: Duration) -> Running {
        let queue = self.queue().await;
        let (starts, env) = (self.starts.clone(), self.env().1);
        let handler = move |context: Context, _: usize| {
            let (starts, env) = (starts.clone(), env.clone());
            async move {
                *starts
                    .lock()
                    .expect("no panics")
                    .entry(context.id())
                    .or_default() += 1;
                env.sleep(takes).await;
                Ok::<_, TaskError>(())
            }
        };
        let worker = Worker::builder()
            .queue(&queue)
            .concurrency(concurrency)
            .handler("act", handler)
            .build()
            .expect("a handler and a queue");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            worker.run(stopped.cancelled()).await.expect("it ends well");
        });
        Running { stop, running }
    }

    fn live(&self) -> usize {
        let live = |key: &str| matches!(Key::parse(key), Some(Key::Live(..)));
        let objects = self.store.objects();
        objects.keys().filter(|key| live(key.as_str())).count()
    }

    fn outcomes(&self) -> usize {
        let tasks =
            |(key, object): (_, oq_core::store::Object)| match decode::<Done>(&key, &object.body) {
                Ok(done) if !done.is_seal() => done.tasks.len(),
                _ => 0,
            };
        let is_done = |key: &str| matches!(Key::parse(key), Some(Key::Done(..)));
        let objects = self.store.objects().into_iter();
        objects
            .filter(|(key, _)| is_done(key.as_str()))
            .map(tasks)
            .sum()
    }

    fn started(&self) -> Vec<u32> {
        self.starts
            .lock()
            .expect("no panics")
            .values()
            .copied()
            .collect()
    }

    /// Waits until nothing is left to do.
    async fn until_done(&self, most: Duration) {
        let from = self.store.elapsed();
        while self.live() > 0 {
            assert!(
                self.store.elapsed() - from < most,
                "{} objects are left",
                self.live()
            );
            sleep(S).await;
        }
    }

    fn requests(&self) -> u64 {
        let all = self.store.requests();
        all.values()
            .map(|r| r.get + r.put + r.list + r.delete)
            .sum()
    }
}

struct Running {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        self.running.await.expect("it does not panic");
    }
}

#[allow(clippy::disallowed_methods)] // true time of the simulation
async fn sleep(length: Duration) {
    tokio::time::sleep(length).await;
}

async fn submit(queue: &Queue, tasks: usize, pack: usize) {
    let tasks = (0..tasks).map(|n| Task::new("act", &n).expect("a number"));
    let mut batches = std::pin::pin!(queue.submit_many(tasks).pack(pack).into_stream());
    while let Some(batch) = batches.next().await {
        batch.ids.expect("nothing goes wrong");
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_workers_and_one_task() {
    let mut town = Town::new();
    let mut workers = Vec::new();
    for _ in 0..200 {
        workers.push(town.worker(4, S).await);
    }
    sleep(100 * S).await;
    let queue = town.queue().await;
    let before = town.requests();
    submit(&queue, 1, 1).await;
    let began = town.store.elapsed();
    town.until_done(20 * S).await;
    let (took, sent) = (town.store.elapsed() - began, town.requests() - before);
    assert_eq!(town.started(), [1], "one of them runs it, once");
    assert_eq!(town.outcomes(), 1);
    // Each asks the bell, a few try to claim; they do not all go for it again and again.
    let idle = took.as_secs() * 200;
    assert!(sent < idle + 200 * 8, "{sent} requests in {took:?}");
    for worker in workers {
        worker.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_worker_and_a_hundred_thousand_tasks() {
    let mut town = Town::new();
    let queue = town.queue().await;
    submit(&queue, 100_000, 10).await;
    let before = town.requests();
    let worker = town.worker(64, Duration::from_millis(5)).await;
    town.until_done(3600 * S).await;
    worker.end().await;
    assert_eq!(town.outcomes(), 100_000);
    assert_eq!(town.started(), vec![1; 100_000], "each ran once");
    let each = (town.requests() - before) as f64 / 10_000.0;
    assert!(each < 6.0, "{each} requests an object of ten");
}

/// Whatever had been accepted when the backup was taken ends. Its handlers may run again, and what
/// came after the backup is gone: nobody can promise more.
#[tokio::test(start_paused = true)]
async fn a_backup_that_is_put_back_loses_nothing_that_was_in_it() {
    let mut town = Town::new();
    let queue = town.queue().await;
    submit(&queue, 40, 2).await;
    let worker = town.worker(3, 4 * S).await;
    sleep(12 * S).await;
    let backup = town.store.objects();
    assert!(
        town.outcomes() > 0 && town.live() > 0,
        "it was taken in the middle"
    );
    town.until_done(600 * S).await;
    worker.end().await;
    assert_eq!(town.outcomes(), 40);

    sleep(3600 * S).await;
    town.store.restore(backup);
    let worker = town.worker(3, 4 * S).await;
    town.until_done(600 * S).await;
    worker.end().await;
    assert_eq!(town.outcomes(), 40, "each has its outcome again");
    let most = town.started().into_iter().max();
    assert!(most <= Some(2), "no more than once before and once after");
}
