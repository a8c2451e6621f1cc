//! A bucket on virtual time that writes an event for every write, and functions that answer them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oq_core::protocol::Root;
use oq_core::record::QueueName;
use oq_core::store::{Faults, Faulty, List, MemoryStore, Meter, Metered, Place, Store, TimeSource};
use oq_core::testing::sim_clock::SimHost;
use oq_core::worker::WorkerBuilder;
use oq_core::{Context, Queue, StoreTime, TaskError, Worker};
use oq_lambda::emulator::Bucket;
use oq_lambda::{Answer, Failed, Function, Time};
use serde_json::{Value, json};

pub const S: Duration = Duration::from_secs(1);

/// A store that answers nothing.
pub const DOWN: Faults = Faults {
    again: 1.0,
    unknown_not_applied: 0.0,
    unknown_applied: 0.0,
    unavailable: 1.0,
};

/// What SQS delivers: these bodies, under their ids.
pub fn messages<'a>(bodies: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let message = |(id, body): (&str, &str)| json!({ "messageId": id, "body": body, "eventSource": "aws:sqs" });
    let messages: Vec<_> = bodies.into_iter().map(message).collect();
    json!({ "Records": messages }).to_string()
}

/// A `POST` to a function URL with these headers.
pub fn request(headers: &Value, body: &str) -> String {
    json!({ "version": "2.0", "headers": headers, "body": body,
        "requestContext": { "http": { "method": "POST" } } })
    .to_string()
}

/// The same with the headers of a task, under this idempotency key or none.
pub fn post(key: Option<&str>, body: &str) -> String {
    let mut headers = json!({ "content-type": "application/json" });
    if let Some(key) = key {
        headers["Idempotency-Key"] = json!(key);
    }
    request(&headers, body)
}

/// The ids that SQS is to deliver again.
pub fn again(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().unwrap();
    let id = |one: &Value| one["itemIdentifier"].as_str().unwrap().to_owned();
    failures.iter().map(id).collect()
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
        let place = Place {
            bucket: "acme-jobs".into(),
            prefix: "prod/".into(),
        };
        let bucket = Arc::new(Bucket::new(Arc::new(MemoryStore::with_time(time)), place));
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
        self.queue_of(self.store.clone()).await
    }

    /// The same through a store that stands before the bucket.
    pub async fn queue_of(&self, store: Arc<dyn Store>) -> Queue {
        let n = self.hosts.fetch_add(1, Ordering::Relaxed);
        let host = u16::try_from(n).unwrap();
        let env = SimHost::new(host, Duration::from_secs(n * 1000), 0).env(n);
        let root = Root::new(store, env);
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

    /// The bucket through a store that fails when it is told to, and works until then.
    pub fn faulty(&self) -> Arc<Faulty> {
        let env = SimHost::new(900, S, 0).env(900);
        let faulty = Faulty::new(self.store.clone(), Faults::default(), env);
        Arc::new(faulty)
    }

    /// The events since the last call.
    pub fn events(&self) -> Vec<String> {
        self.bucket.events()
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
