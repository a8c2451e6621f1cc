//! A bucket in a region of AWS, on virtual time: as slow as S3, counted, and it tells of its writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use oq_core::protocol::Root;
use oq_core::queue::{Queue, Task};
use oq_core::record::{QueueName, prefix};
use oq_core::store::{
    Delayed, Latency, List, MemoryStore, Meter, Metered, Place, Requests, Store, TimeSource,
};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::{Context, TaskError, Worker};
use oq_core::{Error, Result, StoreTime};
use oq_lambda::emulator::Bucket;
use oq_lambda::{Function, Time};
use serde_json::Value;

use crate::counts::Counted;

const QUEUE: &str = "default";
const TIMEOUT: Duration = Duration::from_secs(60);
const EPOCH: StoreTime = StoreTime(1_795_255_200_000);

/// What every handler here takes.
pub const HANDLER: Duration = Duration::from_millis(200);

/// How many tasks share an object.
pub const PACK: usize = 32;

pub struct Region {
    time: TimeSource,
    bucket: Arc<Bucket>,
    counted: Arc<dyn Store>,
    meter: Meter,
    hosts: AtomicU16,
}

impl Region {
    /// Inside a runtime with paused time.
    #[allow(clippy::disallowed_methods)] // virtual time: this is the clock
    pub fn new() -> Region {
        let start = tokio::time::Instant::now();
        let time: TimeSource = Arc::new(move || EPOCH.plus(start.elapsed()));
        let place = Place {
            bucket: "acme-jobs".into(),
            prefix: "prod/".into(),
        };
        let bare = Arc::new(MemoryStore::with_time(time.clone()));
        let bucket = Arc::new(Bucket::new(bare, place));
        let metered = Metered::new(bucket.clone());
        Region {
            time,
            bucket,
            meter: metered.meter(),
            counted: Arc::new(metered),
            hosts: AtomicU16::new(1),
        }
    }

    pub fn requests(&self) -> Requests {
        self.meter.snapshot()
    }

    /// The events since the last call.
    pub fn events(&self) -> Vec<String> {
        self.bucket.events()
    }

    pub fn is_quiet(&self) -> bool {
        self.bucket.is_quiet()
    }

    /// Lets time pass.
    #[allow(clippy::disallowed_methods)] // virtual time
    pub async fn pause(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// The queue as a machine of its own sees it.
    pub async fn queue(&self) -> Result<Queue> {
        let n = self.hosts.fetch_add(1, Ordering::Relaxed);
        let env = SimHost::new(n, Duration::from_secs(n.into()), 0).env(n.into());
        let store = Delayed::new(self.counted.clone(), Latency::S3, env.clone());
        let root = Root::new(Arc::new(store), env);
        oq_lambda::quiet(Queue::open(root, QueueName::new(QUEUE)?).await?).await
    }

    /// A function that runs so many tasks at a time.
    pub async fn function(&self, concurrency: usize) -> Result<Function> {
        let worker = Worker::builder()
            .queue(&self.queue().await?)
            .concurrency(concurrency)
            .handler("work", |ctx: Context, n: u64| async move {
                ctx.sleep(HANDLER).await;
                Ok::<_, TaskError>(n)
            });
        Ok(oq_lambda::handler(worker.build()?))
    }

    /// Submits tasks that share objects.
    pub async fn submit(&self, producer: &Queue, tasks: usize) -> Result<()> {
        let tasks = (0..tasks)
            .map(|n| Task::new("work", &n))
            .collect::<Result<Vec<_>>>()?;
        let report = producer.submit_many(tasks).pack(PACK).run().await;
        report.error.map_or(Ok(()), Err)
    }

    /// Answers an event, and counts that into what it is one of.
    pub async fn answer(
        &self,
        function: &Function,
        event: &str,
        into: &mut [&mut Counted],
    ) -> Result<Value> {
        let (before, began) = (self.requests(), (self.time)());
        let answer = function.answer(event, Time::left(TIMEOUT)).await;
        let took = (self.time)().since(began);
        for counted in into {
            counted.requests = counted.requests + (self.requests() - before);
            counted.invocations += 1;
            counted.billed += took.max(Duration::from_millis(1));
        }
        let answer = answer.map_err(Error::from)?;
        Ok(serde_json::to_value(answer).expect("an answer is JSON"))
    }

    /// Nothing may be left when all events were answered.
    pub async fn assert_empty(&self) -> Result<()> {
        let list = List::prefix(prefix::live(&QueueName::new(QUEUE)?));
        assert!(self.bucket.list(&list).await?.value.entries.is_empty());
        Ok(())
    }
}
