//! Building a worker.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
use super::error::TaskError;
use super::find::FindOptions;
use super::hooks::{Event, Hooks};
use super::registry::{Handler, Registry, typed};
use super::watch::Outages;
use crate::env::BoxFuture;
use crate::error::{Error, Result};
use crate::protocol::payload::MAX_INLINE;
use crate::queue::Queue;
use crate::record::{Json, MAX_LEASE, MIN_LEASE, Presence, TaskType};
use crate::span;

/// The longest list of types, in bytes, that a worker tells of itself.
const MAX_TYPES: usize = 8 << 10;

/// Turns are counted in whole numbers: far larger weights would make no difference, or all of it.
const MAX_WEIGHT: u32 = 1000;

/// A worker, ready to [`run`](Worker::run).
///
/// ```
/// use oq_core::{Context, Queue, Task, TaskError, Worker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> oq_core::Result<()> {
/// let queue = Queue::connect("memory:").await?;
/// let id = queue.submit(Task::new("double", &21)?).await?.id;
/// let worker = Worker::builder()
///     .queue(&queue)
///     .handler("double", |_: Context, n: i64| async move { Ok::<_, TaskError>(2 * n) })
///     .build()?;
/// let waiting = queue.clone();
/// let minute = std::time::Duration::from_secs(60);
/// worker.run(async move { drop(waiting.wait(id, minute).await) }).await?;
/// assert_eq!(queue.result::<i64>(id).await?, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    pub(super) queues: Vec<(Queue, u32)>,
    pub(super) registry: Arc<Registry>,
    pub(super) hooks: Hooks,
    pub(super) concurrency: usize,
    pub(super) input_budget: usize,
    pub(super) grace: Duration,
    pub(super) cancel_grace: Duration,
    pub(super) inline_limit: usize,
    pub(super) longest_lease: Duration,
    pub(super) find: FindOptions,
    pub(super) outages: Outages,
}

/// Collects what a [`Worker`] needs. Mistakes show in [`build`](WorkerBuilder::build).
#[derive(Debug)]
pub struct WorkerBuilder {
    worker: Worker,
    mistake: Option<Error>,
}

impl Worker {
    /// A worker without queues and handlers yet.
    pub fn builder() -> WorkerBuilder {
        let worker = Worker {
            queues: Vec::new(),
            registry: Arc::default(),
            hooks: Hooks::default(),
            concurrency: 32,
            input_budget: 256 << 20,
            grace: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(10),
            inline_limit: 128 << 10,
            longest_lease: MAX_LEASE,
            find: FindOptions::default(),
            outages: Outages::default(),
        };
        WorkerBuilder {
            worker,
            mistake: None,
        }
    }
}

impl WorkerBuilder {
    /// Takes tasks from this queue.
    pub fn queue(self, queue: &Queue) -> WorkerBuilder {
        self.weighted_queue(queue, 1)
    }

    /// Takes tasks from this queue; a queue of weight 3 gets three turns for each of one of weight 1
    /// while both have tasks. Weights are 1 to 1000.
    pub fn weighted_queue(mut self, queue: &Queue, weight: u32) -> WorkerBuilder {
        if !(1..=MAX_WEIGHT).contains(&weight) {
            self.fail(Error::invalid(
                format!("weight {weight} of queue {}", queue.name()),
                format!("use 1 to {MAX_WEIGHT}"),
            ));
        }
        let there = self
            .worker
            .queues
            .iter()
            .any(|(other, _)| other.name() == queue.name() && is_same_store(other, queue));
        if there {
            self.fail(Error::invalid(
                format!("queue {}", queue.name()),
                "it is named twice",
            ));
        }
        self.worker.queues.push((queue.clone(), weight));
        self
    }

    /// Runs tasks of this type with an async function over types: its input and output are JSON by
    /// serde, its errors are tried again as the task says.
    pub fn handler<I, O, E, F, Fut>(self, task_type: &str, handler: F) -> WorkerBuilder
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
        E: Into<TaskError> + 'static,
        F: Fn(Context, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        self.add(task_type, typed(handler))
    }

    /// Runs tasks of this type with a function over JSON texts.
    pub fn json_handler<F, Fut>(self, task_type: &str, handler: F) -> WorkerBuilder
    where
        F: Fn(Context, Json) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json, TaskError>> + Send + 'static,
    {
        let boxed =
            move |context, input| -> BoxFuture<'static, _> { Box::pin(handler(context, input)) };
        self.add(task_type, Arc::new(boxed))
    }

    fn add(mut self, task_type: &str, handler: Handler) -> WorkerBuilder {
        match TaskType::new(task_type) {
            Ok(name) => {
                if !Arc::make_mut(&mut self.worker.registry).add(name, handler) {
                    self.fail(Error::invalid(
                        format!("task type {task_type}"),
                        "it has two handlers",
                    ));
                }
            }
            Err(e) => self.fail(e),
        }
        self
    }

    /// How many tasks run at once; 32 unless set.
    pub fn concurrency(mut self, slots: usize) -> WorkerBuilder {
        if !(1..=100_000).contains(&slots) {
            self.fail(Error::invalid(
                format!("concurrency {slots}"),
                "use 1 to 100000",
            ));
        }
        self.worker.concurrency = slots;
        self
    }

    /// How many bytes the inputs of all running tasks may take together; 256 MiB unless set. A worker
    /// whose tasks have taken it all claims nothing more, and what it has claimed waits for its share
    /// before its input is read and its timeout begins. A task whose input is larger runs alone.
    pub fn input_budget(mut self, bytes: usize) -> WorkerBuilder {
        if bytes == 0 {
            self.fail(Error::invalid("input budget of 0 bytes", "use at least 1"));
        }
        self.worker.input_budget = bytes;
        self
    }

    /// How often an idle worker asks at least, once it is idle for a while; 2 s unless set. See the
    /// cost table in `docs/protocol.md`.
    pub fn poll(mut self, at_least_every: Duration) -> WorkerBuilder {
        if !(Duration::from_millis(50)..=Duration::from_secs(60)).contains(&at_least_every) {
            self.fail(Error::invalid(
                format!("poll of {}", span::exact(at_least_every)),
                "use 50ms to 1m",
            ));
        }
        self.worker.find.poll = at_least_every;
        self
    }

    /// Whether the worker takes part in the fleet: it announces itself and lists only its share of
    /// the shards. Turn it off for a short run, which then looks at all shards by itself.
    pub fn fleet(mut self, join: bool) -> WorkerBuilder {
        self.worker.find.fleet = join;
        self
    }

    /// What the worker tells of itself to people who look at who is present, such as its host. The
    /// types that it runs are told anyway.
    pub fn about(mut self, name: impl Into<String>, value: impl Into<String>) -> WorkerBuilder {
        self.worker.find.about.insert(name.into(), value.into());
        self
    }

    /// How long running tasks may go on after shutdown began; 30 s unless set. Then they are stopped
    /// and given back, which is not charged. [`Worker::run`] returns 6 s later at the latest, also when
    /// a handler blocks its thread, which cannot be stopped, or the store does not answer: others take
    /// those tasks over.
    pub fn grace(mut self, grace: Duration) -> WorkerBuilder {
        self.worker.grace = grace;
        self
    }

    /// How long a cancelled handler may go on before it is stopped; 10 s unless set.
    pub fn cancel_grace(mut self, grace: Duration) -> WorkerBuilder {
        self.worker.cancel_grace = grace;
        self
    }

    /// The longest lease this worker asks for, for one that does not live long.
    pub fn longest_lease(mut self, lease: Duration) -> WorkerBuilder {
        if !(MIN_LEASE..=MAX_LEASE).contains(&lease) {
            self.fail(Error::invalid(
                format!("lease of {}", span::exact(lease)),
                format!(
                    "use {} to {}",
                    span::exact(MIN_LEASE),
                    span::exact(MAX_LEASE)
                ),
            ));
        }
        self.worker.longest_lease = lease;
        self
    }

    /// Results up to so many bytes stay in the outcome; larger ones get an object of their own.
    pub fn inline_limit(mut self, bytes: usize) -> WorkerBuilder {
        if bytes > MAX_INLINE {
            self.fail(Error::invalid(
                format!("inline limit of {bytes} bytes"),
                format!("use at most {MAX_INLINE}"),
            ));
        }
        self.worker.inline_limit = bytes;
        self
    }

    /// Tells a function of everything that happens.
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> WorkerBuilder {
        self.worker = self.worker.on_event(hook);
        self
    }

    /// The worker, or the first mistake made on the way.
    pub fn build(self) -> Result<Worker> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.worker.queues.is_empty() {
            return Err(Error::invalid(
                "worker",
                "it has no queue: add one with .queue(…)",
            ));
        }
        if self.worker.registry.types().next().is_none() {
            return Err(Error::invalid(
                "worker",
                "it has no handler: add one with .handler(…)",
            ));
        }
        let mut worker = self.worker;
        let types: Vec<&str> = worker.registry.types().map(TaskType::as_str).collect();
        let types = types.join(" ");
        // Presence is written every half minute; who runs thousands of types does not tell them.
        if types.len() <= MAX_TYPES {
            worker.find.about.insert(Presence::TYPES.to_owned(), types);
        }
        Ok(worker)
    }

    fn fail(&mut self, mistake: Error) {
        self.mistake.get_or_insert(mistake);
    }
}

/// Whether two queues are in one store, as far as that can be told.
fn is_same_store(one: &Queue, other: &Queue) -> bool {
    let (one, other) = (one.root().store(), other.root().store());
    let place = one.place();
    Arc::ptr_eq(one, other) || (place.is_some() && place == other.place())
}
