//! A store that answers as slowly as S3 on virtual time, counts every request, and the clients on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oq_core::measure::Count;
use oq_core::protocol::Root;
use oq_core::queue::Queue;
use oq_core::record::{QueueName, prefix};
use oq_core::store::{
    Delayed, Latency, List, MemoryStore, Meter, Metered, Requests, Store, TimeSource,
};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::{Context, TaskError, Worker};
use oq_core::{Result, StoreTime};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// When the virtual world begins: 2023-11-14.
pub const EPOCH: StoreTime = StoreTime(1_700_000_000_000);

pub struct World {
    /// The store itself: what is prepared here is neither counted nor slow.
    pub bare: Arc<dyn Store>,
    counted: Arc<dyn Store>,
    meter: Meter,
    time: TimeSource,
    latency: Latency,
    hosts: AtomicUsize,
    /// The tasks that came to their handler's end.
    pub done: Arc<Count>,
}

impl World {
    /// Inside a runtime with paused time.
    #[allow(clippy::disallowed_methods)] // virtual time: the world's own clock
    pub fn new(latency: Latency) -> World {
        let start = tokio::time::Instant::now();
        let time: TimeSource = Arc::new(move || EPOCH.plus(start.elapsed()));
        let bare: Arc<dyn Store> = Arc::new(MemoryStore::with_time(time.clone()));
        let metered = Metered::new(bare.clone());
        let meter = metered.meter();
        World {
            bare,
            counted: Arc::new(metered),
            meter,
            time,
            latency,
            hosts: AtomicUsize::new(1),
            done: Arc::default(),
        }
    }

    /// A client of its own: its own clock, randomness and connection.
    pub async fn client(&self, queue: &str) -> Result<Queue> {
        let n = self.hosts.fetch_add(1, Ordering::Relaxed);
        let env = SimHost::new(
            u16::try_from(n).unwrap_or(0),
            Duration::from_secs(n as u64),
            0,
        )
        .env(n as u64);
        let store = Arc::new(Delayed::new(
            self.counted.clone(),
            self.latency,
            env.clone(),
        ));
        Queue::open(Root::new(store, env), QueueName::new(queue)?).await
    }

    /// Now, in the virtual world.
    pub fn now(&self) -> StoreTime {
        (self.time)()
    }

    /// Lets time pass.
    #[allow(clippy::disallowed_methods)] // virtual time: the world's own clock
    pub async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// How many live objects there are; not counted.
    pub async fn live(&self, queue: &str) -> Result<usize> {
        let mut list = List::prefix(prefix::live(&QueueName::new(queue)?));
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

    /// Starts a worker whose handler does nothing.
    pub async fn worker(
        &self,
        queue: &str,
        stop: Arc<Notify>,
        into: &mut JoinSet<Result<()>>,
    ) -> Result<()> {
        let done = self.done.clone();
        let worker = Worker::builder()
            .queue(&self.client(queue).await?)
            .handler("noop", move |_: Context, _: serde_json::Value| {
                done.add();
                async { Ok::<_, TaskError>(()) }
            })
            .build()?;
        into.spawn(async move { worker.run(async move { stop.notified().await }).await });
        Ok(())
    }
}

/// Runs `work` on virtual time.
pub fn virtually<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(e) => {
            eprintln!("no runtime: {e}");
            std::process::exit(1)
        }
    }
}
