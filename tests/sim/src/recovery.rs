//! How long tasks wait whose worker is killed: real workers on virtual time, on a store that is well,
//! with the lease that tasks have unless they say otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::record::TaskId;
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Modes, Plan, SimStore};
use oq_core::{Context, Queue, Task, TaskError, Worker};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use crate::producer::queue_name;

const S: Duration = Duration::from_secs(1);

/// When workers have found out who is there.
const SETTLED: Duration = Duration::from_secs(120);

/// Who started each task, and when.
type Starts = Arc<Mutex<BTreeMap<TaskId, Vec<(u16, Duration)>>>>;

struct Process {
    host: Arc<SimHost>,
    running: JoinHandle<()>,
}

/// From the death of one worker among two to five to the next start of each task that it ran.
pub fn waits(seed: u64) -> Vec<Duration> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing that could be missing");
    runtime.block_on(run(seed))
}

async fn run(seed: u64) -> Vec<Duration> {
    let mut dice = Dice::new(seed, 21);
    let store = SimStore::new(seed, Modes::default(), Plan::calm());
    let starts = Starts::default();
    let mut workers = Vec::new();
    for n in 0..dice.range(2, 5) as u16 {
        workers.push(work(&store, seed, n + 1, &starts).await);
    }
    let (host, env) = machine(seed, 100);
    let queue = open(&store, &host, env.clone()).await;
    env.sleep(SETTLED).await;
    for n in 0..workers.len() * 4 {
        let task = Task::new("act", &n).expect("a number");
        queue.submit(task).await.expect("nothing goes wrong");
        env.sleep(dice.between(S / 10, S)).await;
    }
    // Renewals come every third of a lease: the moment of a death must not go with them.
    env.sleep(20 * S + dice.between(Duration::ZERO, 30 * S))
        .await;
    let victim = workers.remove(dice.below(workers.len() as u64) as usize);
    let killed = store.elapsed();
    end(&victim).await;
    env.sleep(300 * S).await;
    let starts = lock(&starts).clone();
    for worker in &workers {
        end(worker).await;
    }
    let of_victim = starts.values().filter(|of| of[0].0 == victim.host.id());
    let wait = |of: &Vec<(u16, Duration)>| {
        let again = of.iter().find(|(_, at)| *at > killed);
        again.map_or(Duration::MAX, |(_, at)| *at - killed)
    };
    of_victim.map(wait).collect()
}

fn machine(seed: u64, id: u16) -> (Arc<SimHost>, Env) {
    let host = SimHost::new(id, S, 0);
    let env = host.env(seed);
    (host, env)
}

async fn open(store: &SimStore, host: &Arc<SimHost>, env: Env) -> Queue {
    let root = Root::new(store.client(host), env);
    Queue::open(root, queue_name(0))
        .await
        .expect("the store is there")
}

/// A worker whose handler takes ten minutes the first time, and no time when it is delivered again.
async fn work(store: &SimStore, seed: u64, id: u16, starts: &Starts) -> Process {
    let (host, env) = machine(seed, id);
    let queue = open(store, &host, env.clone()).await;
    let (starts, store) = (starts.clone(), store.clone());
    let handler = move |context: Context, _: usize| {
        let (starts, env) = (starts.clone(), env.clone());
        let at = store.elapsed();
        async move {
            lock(&starts)
                .entry(context.id())
                .or_default()
                .push((id, at));
            if context.delivery() == 1 {
                env.sleep(600 * S).await;
            }
            Ok::<_, TaskError>(())
        }
    };
    let worker = Worker::builder()
        .queue(&queue)
        .concurrency(8)
        .handler("act", handler)
        .build()
        .expect("a handler and a queue");
    let running = tokio::spawn(async move {
        worker
            .run(std::future::pending())
            .await
            .expect("it ends well");
    });
    Process { host, running }
}

async fn end(process: &Process) {
    process.running.abort();
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    process.host.kill();
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The waits of so many runs, the shortest first.
pub fn measure(runs: u64) -> Vec<Duration> {
    let mut all: Vec<Duration> = (0..runs).flat_map(waits).collect();
    all.sort_unstable();
    all
}

/// So many of a hundred waited no longer.
pub fn percentile(waits: &[Duration], part: usize) -> Duration {
    let at = (waits.len() * part).div_ceil(100).max(1) - 1;
    waits.get(at).copied().unwrap_or(Duration::MAX)
}
