//! A memory store on virtual time and clients with clocks of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use oq_core::protocol::Root;
use oq_core::queue::TaskView;
use oq_core::record::{QueueName, TaskId};
use oq_core::store::{List, MemoryStore, Meter, Metered, Store, TimeSource};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::WorkerBuilder;
use oq_core::{Queue, Result, StoreTime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub struct World {
    pub store: Arc<dyn Store>,
    pub meter: Meter,
    hosts: AtomicU16,
}

impl World {
    pub fn new() -> World {
        World::with_dates(|since| since)
    }

    /// A store whose dates have no fractions.
    pub fn of_whole_seconds() -> World {
        World::with_dates(|since| Duration::from_secs(since.as_secs()))
    }

    #[allow(clippy::disallowed_methods)] // virtual time
    fn with_dates(shown: fn(Duration) -> Duration) -> World {
        let start = tokio::time::Instant::now();
        let epoch = StoreTime(1_700_000_000_000);
        let time: TimeSource = Arc::new(move || epoch.plus(shown(start.elapsed())));
        let metered = Metered::new(Arc::new(MemoryStore::with_time(time)));
        let meter = metered.meter();
        World {
            store: Arc::new(metered),
            meter,
            hosts: AtomicU16::new(1),
        }
    }

    pub async fn queue(&self) -> Queue {
        self.named("q").await
    }

    pub async fn named(&self, name: &str) -> Queue {
        let n = self.hosts.fetch_add(1, Ordering::Relaxed);
        let env = SimHost::new(n, Duration::from_secs(u64::from(n) * 1000), 0).env(u64::from(n));
        let root = Root::new(self.store.clone(), env);
        Queue::open(root, QueueName::new(name).unwrap())
            .await
            .unwrap()
    }

    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let page = self.store.list(&List::prefix(prefix)).await.unwrap().value;
        page.entries.iter().map(|e| e.key.to_string()).collect()
    }

    /// What must be left of a queue at rest: no live objects.
    pub async fn assert_at_rest(&self) {
        assert_eq!(
            self.keys("q/live/").await,
            Vec::<String>::new(),
            "live objects left behind"
        );
    }
}

/// A worker that runs until stopped or killed.
pub struct Running {
    stop: CancellationToken,
    handle: JoinHandle<Result<()>>,
}

pub fn start(builder: WorkerBuilder) -> Running {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let worker = builder.build().unwrap();
    let handle = tokio::spawn(worker.run(async move { stopped.cancelled().await }));
    Running { stop, handle }
}

impl Running {
    /// Stops it gracefully.
    pub async fn stop(self) {
        self.stop.cancel();
        self.handle.await.unwrap().unwrap();
    }

    /// Kills it as a crash would.
    pub async fn kill(self) {
        self.handle.abort();
        let _ = self.handle.await;
    }
}

#[allow(clippy::disallowed_methods)] // virtual time
pub async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

pub async fn outcome(queue: &Queue, id: TaskId) -> TaskView {
    queue.wait(id, Duration::from_secs(3600)).await.unwrap()
}
