//! A bucket on virtual time that writes an event for every write, and functions that answer them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::protocol::Root;
use oq_core::record::QueueName;
use oq_core::store::{
    Abilities, Changed, Dated, Etag, List, MemoryStore, Meter, Metered, Object, Page, Place, Store,
    StoreError, StoreKey, TimeSource, Write,
};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::WorkerBuilder;
use oq_core::{Context, Queue, StoreTime, TaskError, Worker};
use oq_lambda::{Answer, Failed, Function, Time};
use serde_json::{Value, json};

pub const S: Duration = Duration::from_secs(1);
const BUCKET: &str = "acme-jobs";
const PREFIX: &str = "prod/";

/// A bucket, as far as its notifications go: one for every write below `default/live/`.
#[derive(Debug)]
pub struct Bucket {
    inner: MemoryStore,
    time: StoreTimeSource,
    written: AtomicU64,
    pub events: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct StoreTimeSource(TimeSource);

impl std::fmt::Debug for StoreTimeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("virtual time")
    }
}

impl Bucket {
    fn tell(&self, key: &StoreKey, size: usize, write: &Write) {
        if !matches!(write, Write::Won { .. }) || !key.as_str().contains("/live/") {
            return;
        }
        let n = self.written.fetch_add(1, Ordering::Relaxed);
        let event = event(key.as_str(), size as u64, n, (self.time.0)());
        self.events.lock().unwrap().push(event);
    }
}

/// S3's notification of a write.
pub fn event(key: &str, size: u64, sequence: u64, at: StoreTime) -> String {
    let object = json!({ "key": format!("{PREFIX}{key}"), "size": size, "eTag": "e",
        "sequencer": format!("{sequence:018X}") });
    json!({ "Records": [{ "eventVersion": "2.1", "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put", "eventTime": at.to_string(),
        "s3": { "bucket": { "name": BUCKET }, "object": object } }] })
    .to_string()
}

#[async_trait]
impl Store for Bucket {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }
    fn place(&self) -> Option<Place> {
        Some(Place {
            bucket: BUCKET.into(),
            prefix: PREFIX.into(),
        })
    }
    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.inner.get(key).await
    }
    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.inner.get_if_changed(key, seen).await
    }
    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let size = body.len();
        let write = self.inner.create(key, body).await?;
        self.tell(key, size, &write);
        Ok(write)
    }
    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let size = body.len();
        let write = self.inner.update(key, body, seen).await?;
        self.tell(key, size, &write);
        Ok(write)
    }
    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.inner.delete(key).await
    }
    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        self.inner.delete_many(keys).await
    }
    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.inner.delete_if(key, seen).await
    }
    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.inner.list(list).await
    }
}

pub struct World {
    pub bucket: Arc<Bucket>,
    pub store: Arc<dyn Store>,
    pub meter: Meter,
    hosts: AtomicU64,
}

impl World {
    #[allow(clippy::disallowed_methods)] // virtual time
    pub fn new() -> World {
        let start = tokio::time::Instant::now();
        let epoch = StoreTime(1_795_255_200_000);
        let time: TimeSource = Arc::new(move || epoch.plus(start.elapsed()));
        let bucket = Arc::new(Bucket {
            inner: MemoryStore::with_time(time.clone()),
            time: StoreTimeSource(time),
            written: AtomicU64::new(1),
            events: Mutex::default(),
        });
        let metered = Metered::new(bucket.clone());
        let meter = metered.meter();
        World {
            bucket,
            store: Arc::new(metered),
            meter,
            hosts: AtomicU64::new(1),
        }
    }

    /// A queue as its own machine sees it.
    pub async fn queue(&self) -> Queue {
        let n = self.hosts.fetch_add(1, Ordering::Relaxed);
        let host = u16::try_from(n).unwrap();
        let env = SimHost::new(host, Duration::from_secs(n * 1000), 0).env(n);
        let root = Root::new(self.store.clone(), env);
        let name = QueueName::new("default").unwrap();
        Queue::open(root, name)
            .await
            .unwrap()
            .silent()
            .await
            .unwrap()
    }

    pub async fn function(&self) -> Function {
        oq_lambda::handler(worker(&self.queue().await).build().unwrap())
    }

    /// The events since the last call.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.bucket.events.lock().unwrap())
    }

    pub async fn live(&self) -> usize {
        let page = self
            .store
            .list(&List::prefix("default/live/"))
            .await
            .unwrap();
        page.value.entries.len()
    }
}

/// `sleep` takes the seconds of its input; `fail` fails; `later` answers so twice; `save` goes on
/// from where it was, a minute for each step of ten.
pub fn worker(queue: &Queue) -> WorkerBuilder {
    Worker::builder()
        .queue(queue)
        .handler("sleep", |ctx: Context, seconds: u64| async move {
            ctx.sleep(Duration::from_secs(seconds)).await;
            Ok::<_, TaskError>(seconds)
        })
        .handler("fail", |_: Context, (): ()| async move {
            Err::<(), _>(TaskError::new("no"))
        })
        .handler("later", |ctx: Context, times: u32| async move {
            if ctx.delivery() <= times {
                return Err(TaskError::later(S));
            }
            Ok(())
        })
        .handler("save", |ctx: Context, steps: u32| async move {
            for step in ctx.saved().unwrap_or(0)..steps {
                ctx.sleep(60 * S).await;
                ctx.save(&(step + 1))?;
            }
            Ok::<_, TaskError>(())
        })
}

/// One invocation of a function with so many seconds.
pub async fn invoke(function: &Function, event: &str, seconds: u64) -> Result<Value, Failed> {
    let answer: Answer = function
        .answer(event, Time::left(Duration::from_secs(seconds)))
        .await?;
    Ok(serde_json::to_value(answer).unwrap())
}

#[allow(clippy::disallowed_methods)] // virtual time
pub async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
