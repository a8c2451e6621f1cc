//! A store, as Python sees it: its queues, and the requests about one task.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use oq_core::env::Env;
use oq_core::queue::{Cancelled, Queue, TaskView};
use oq_core::record::{Json, TaskId};
use oq_core::{Error, Result};
use pyo3::prelude::*;
use tokio::sync::OnceCell;

use crate::draft::{Draft, seconds};
use crate::errors::raise;
use crate::many::Many;
use crate::request::Request;
use crate::testing::TestClock;
use crate::worker::{Worker, WorkerOptions};

/// A store, opened by the first request.
#[pyclass(frozen, module = "oq._oq")]
pub struct Client {
    /// Always there, until it is dropped.
    store: Option<Arc<Store>>,
    process: u32,
}

/// The queues that were opened so far. They share the first one's store.
pub struct Store {
    url: String,
    first: OnceCell<Queue>,
    queues: Mutex<BTreeMap<String, Arc<OnceCell<Queue>>>>,
    /// Whether queues that are opened from now on are those of a function.
    quiet: AtomicBool,
}

impl Store {
    /// The queue of this name.
    pub async fn queue(&self, name: &str) -> Result<Queue> {
        let cell = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.entry(name.to_owned()).or_default().clone()
        };
        let open = || async {
            let connect = || Queue::connect(&self.url);
            let queue = self.first.get_or_try_init(connect).await?.named(name);
            match self.quiet.load(Ordering::Relaxed) {
                true => oq_lambda::quiet(queue.await?).await,
                false => queue.await,
            }
        };
        cell.get_or_try_init(open).await.cloned()
    }

    async fn flush(&self) {
        let queues: Vec<_> = {
            let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.values().cloned().collect()
        };
        for queue in queues.iter().filter_map(|cell| cell.get()) {
            queue.flush().await;
        }
    }
}

#[pymethods]
impl Client {
    #[new]
    fn new(url: String) -> Client {
        Client::of(Store {
            url,
            first: OnceCell::new(),
            queues: Mutex::default(),
            quiet: AtomicBool::new(false),
        })
    }

    /// Queues that are opened from now on are as a function on Lambda uses them.
    fn quiet(&self, py: Python<'_>) -> PyResult<()> {
        self.store(py)?.quiet.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A new store in memory, on a clock that can be moved.
    #[staticmethod]
    fn for_tests(clock: &TestClock) -> Request {
        let root = clock.root();
        Request::new(async move {
            let name = oq_core::record::QueueName::new(oq_core::queue::DEFAULT_QUEUE)?;
            let first = Queue::open(root, name).await?;
            Ok(Client::of(Store {
                url: String::new(),
                first: OnceCell::new_with(Some(first)),
                queues: Mutex::default(),
                quiet: AtomicBool::new(false),
            }))
        })
    }

    /// Submits one task; its id, and whether it was there already under its key.
    fn submit(
        &self,
        py: Python<'_>,
        queue: String,
        draft: &Draft,
        input: String,
    ) -> PyResult<Request> {
        let (store, task) = (self.store(py)?, draft.task.clone());
        Ok(Request::new(async move {
            let task = task.with_input(Json::parse(input)?);
            let submitted = store.queue(&queue).await?.submit(task).await?;
            Ok((submitted.id.to_string(), submitted.existing))
        }))
    }

    /// Submits many tasks, packed.
    fn many(&self, py: Python<'_>, queue: String) -> PyResult<Many> {
        Many::new(self.store(py)?, queue).map_err(|e| raise(py, e))
    }

    /// One task, as a JSON text.
    fn get(&self, py: Python<'_>, queue: String, id: &str) -> PyResult<Request> {
        let (store, id) = (self.store(py)?, parse(py, id)?);
        Ok(Request::new(async move {
            let queue = store.queue(&queue).await?;
            let view = queue.get(id).await?;
            shown(&queue, &view).await
        }))
    }

    /// The same, once the task is over.
    fn wait(&self, py: Python<'_>, queue: String, id: &str, timeout: f64) -> PyResult<Request> {
        let (store, id) = (self.store(py)?, parse(py, id)?);
        let timeout = seconds("timeout", timeout).map_err(|e| raise(py, e))?;
        Ok(Request::new(async move {
            let queue = store.queue(&queue).await?;
            let view = queue.wait(id, timeout).await?;
            shown(&queue, &view).await
        }))
    }

    /// Asks to cancel a task; says what came of it: `cancelled`, `requested`, or how it had ended.
    #[pyo3(signature = (queue, id, reason=None))]
    fn cancel(
        &self,
        py: Python<'_>,
        queue: String,
        id: &str,
        reason: Option<String>,
    ) -> PyResult<Request> {
        let (store, id) = (self.store(py)?, parse(py, id)?);
        Ok(Request::new(async move {
            let queue = store.queue(&queue).await?;
            Ok(match queue.cancel_because(id, reason.as_deref()).await? {
                Cancelled::Cancelled => "cancelled",
                Cancelled::Requested => "requested",
                Cancelled::AlreadyOver(ending) => ending.as_str(),
            })
        }))
    }

    /// Waits until the workers' bells are rung for what was submitted, at most so many seconds; whether
    /// there is nothing left to ring.
    #[pyo3(signature = (within=None))]
    fn flush(&self, py: Python<'_>, within: Option<f64>) -> PyResult<Request> {
        let store = self.store(py)?;
        let within = within.map(|s| seconds("time to flush", s)).transpose();
        let within = within.map_err(|e| raise(py, e))?;
        Ok(Request::new(async move {
            Ok(match within {
                None => {
                    store.flush().await;
                    true
                }
                // Even without any time it is seen that there is nothing to ring.
                Some(within) => Env::system().within(within, store.flush()).await.is_some(),
            })
        }))
    }

    /// A worker for these queues and their weights.
    fn worker(&self, py: Python<'_>, options: WorkerOptions) -> PyResult<Worker> {
        Worker::new(self.store(py)?, options).map_err(|e| raise(py, e))
    }
}

/// In a fork it is left as it is: closing a store waits for threads that the fork does not have.
impl Drop for Client {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.store.take());
        }
    }
}

impl Client {
    fn of(store: Store) -> Client {
        Client {
            store: Some(Arc::new(store)),
            process: std::process::id(),
        }
    }

    /// The store, in the process that opened it: a fork has none of the threads that serve it.
    pub fn store(&self, py: Python<'_>) -> PyResult<Arc<Store>> {
        if let Some(store) = &self.store
            && self.process == std::process::id()
        {
            return Ok(store.clone());
        }
        let why = "this process was forked after the store was opened: use it after the fork only";
        Err(raise(py, Error::Unusable(why.into())))
    }
}

async fn shown(queue: &Queue, view: &TaskView) -> Result<String> {
    let unshown = |e: serde_json::Error| Error::Unusable(format!("it cannot be shown: {e}"));
    let mut value = serde_json::to_value(view).map_err(unshown)?;
    let mut text = String::new();
    let parts = [
        ("input", queue.input(view).await?),
        ("output", queue.output(view).await?),
    ];
    // Inputs and outputs are put there as they are: large numbers stay what they were.
    for (name, part) in parts {
        value.as_object_mut().map(|fields| fields.remove(name));
        if let Some(json) = part {
            text.push_str(&format!(",\"{name}\":{}", json.as_str()));
        }
    }
    let fields = value.to_string();
    let open = fields.strip_suffix('}').unwrap_or(&fields);
    Ok(format!("{open}{text}}}"))
}

fn parse(py: Python<'_>, id: &str) -> PyResult<TaskId> {
    id.parse().map_err(|e| raise(py, e))
}
