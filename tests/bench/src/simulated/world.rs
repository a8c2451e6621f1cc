//! A store that answers as slowly as its profile says on virtual time, counts every request, and the
//! clients on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::queue::Queue;
use oq_core::record::{QueueName, prefix};
use oq_core::store::{
    Delayed, Latency, List, MemoryStore, Meter, Metered, Requests, Store, TimeSource,
};
use oq_core::testing::sim_clock::SimHost;
use oq_core::{Result, StoreTime};

use super::log::Log;

/// When the virtual world begins: 2023-11-14.
pub const EPOCH: StoreTime = StoreTime(1_700_000_000_000);

/// The queue that everything is done in.
pub const QUEUE: &str = "bench";

pub struct World {
    /// The store itself: what is prepared here is neither counted nor slow.
    pub bare: Arc<dyn Store>,
    counted: Arc<dyn Store>,
    meter: Meter,
    latency: Latency,
    hosts: AtomicUsize,
    start: tokio::time::Instant,
    /// What the handlers saw.
    pub log: Arc<Log>,
}

impl World {
    /// Inside a runtime with paused time.
    #[allow(clippy::disallowed_methods)] // virtual time: the world's own clock
    pub fn new(latency: Latency) -> World {
        let start = tokio::time::Instant::now();
        let time: TimeSource = Arc::new(move || EPOCH.plus(start.elapsed()));
        let bare: Arc<dyn Store> = Arc::new(MemoryStore::with_time(time));
        let metered = Metered::new(bare.clone());
        let meter = metered.meter();
        World {
            bare,
            counted: Arc::new(metered),
            meter,
            latency,
            hosts: AtomicUsize::new(1),
            start,
            log: Arc::default(),
        }
    }

    fn host(&self) -> Env {
        let n = self.hosts.fetch_add(1, Ordering::Relaxed);
        let id = u16::try_from(n).unwrap_or(0);
        SimHost::new(id, Duration::from_secs(n as u64), 0).env(n as u64)
    }

    async fn open(&self, store: Arc<dyn Store>) -> Result<Queue> {
        let env = self.host();
        let store = Arc::new(Delayed::new(store, self.latency, env.clone()));
        Queue::open(Root::new(store, env), QueueName::new(QUEUE)?).await
    }

    /// A client of its own: its own clock, randomness and connection.
    pub async fn client(&self) -> Result<Queue> {
        self.open(self.counted.clone()).await
    }

    /// A client whose requests are as slow as all others' but not counted.
    pub async fn onlooker(&self) -> Result<Queue> {
        self.open(self.bare.clone()).await
    }

    /// Gives the queue so many shards, of which producers use the first ones only; to be called before
    /// anybody works.
    pub async fn set_shards(&self, queue: &Queue, shards: u16, used: u16) -> Result<()> {
        let now = queue.settings().await?.shards;
        if shards != now {
            queue.set_shards(shards).await?;
        }
        if shards < now {
            // Until then workers would look at those that it had before.
            self.pause(Duration::from_secs(7200)).await;
            assert!(queue.settle_shards().await?, "the shards are not settled");
        }
        if used != shards {
            queue.set_shards(used).await?;
        }
        Ok(())
    }

    /// How long the world has been there.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A clock for those who do not hold the world.
    pub fn clock(&self) -> impl Fn() -> Duration + Clone + Send + Sync + 'static {
        let start = self.start;
        move || start.elapsed()
    }

    /// Lets time pass.
    pub async fn pause(&self, duration: Duration) {
        pause(duration).await;
    }

    /// How many live objects there are; not counted.
    pub async fn live(&self) -> Result<usize> {
        let mut list = List::prefix(prefix::live(&QueueName::new(QUEUE)?));
        let mut found = 0;
        loop {
            let page = self.bare.list(&list).await?.value;
            found += page.entries.len();
            match page.next {
                Some(next) => list = list.after(next),
                None => return Ok(found),
            }
        }
    }

    pub fn requests(&self) -> Requests {
        self.meter.snapshot()
    }
}

/// Lets virtual time pass.
#[allow(clippy::disallowed_methods)] // virtual time: the world's own clock
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs `work` on virtual time.
pub fn virtually<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work)
}
