//! The queue as Python sees it. Every call releases the GIL and can be interrupted.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::queue::{self, Task, TaskState, TaskView};
use oq_core::record::{Priority, TaskId};
use oq_core::{Error, Result};
use pyo3::prelude::*;
use tokio::runtime::Runtime;

use crate::errors::raise;

/// How often a waiting call looks for Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(100);

/// One queue of a store.
#[pyclass(frozen, module = "oq._oq")]
pub struct Queue {
    /// Always there, until it is dropped.
    inner: Option<queue::Queue>,
    name: String,
    process: u32,
}

/// Opens the queue `name` in the store at `url`.
#[pyfunction]
pub fn connect(py: Python<'_>, url: String, name: String) -> PyResult<Queue> {
    let inner = run(py, async move {
        queue::Queue::connect(&url).await?.named(&name).await
    })?;
    Ok(Queue {
        name: inner.name().to_string(),
        inner: Some(inner),
        process: std::process::id(),
    })
}

#[pymethods]
impl Queue {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Submits a task whose input is a JSON text; returns its id.
    #[pyo3(signature = (task_type, input, *, delay=None, priority=None, timeout=None,
        expires_in=None, retention=None, key=None, tags=None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments, one for each option
    fn submit(
        &self,
        py: Python<'_>,
        task_type: &str,
        input: String,
        delay: Option<f64>,
        priority: Option<i64>,
        timeout: Option<f64>,
        expires_in: Option<f64>,
        retention: Option<f64>,
        key: Option<String>,
        tags: Option<BTreeMap<String, String>>,
    ) -> PyResult<String> {
        let build = || -> Result<Task> {
            let mut task = Task::json(task_type, input)?;
            if let Some(delay) = delay {
                task = task.delay(seconds("delay", delay)?);
            }
            if let Some(priority) = priority {
                // What no byte holds is out of range as well, and is told so by the core.
                let priority = u8::try_from(priority).unwrap_or(u8::MAX);
                task = task.priority(Priority::new(priority)?);
            }
            if let Some(timeout) = timeout {
                task = task.timeout(seconds("timeout", timeout)?);
            }
            if let Some(after) = expires_in {
                task = task.expires_in(seconds("expires_in", after)?);
            }
            if let Some(retention) = retention {
                task = task.retention(seconds("retention", retention)?);
            }
            if let Some(key) = key {
                task = task.key(key);
            }
            for (name, value) in tags.into_iter().flatten() {
                task = task.tag(name, value);
            }
            Ok(task)
        };
        let task = build().map_err(|e| raise(py, e))?;
        let queue = self.here(py)?;
        run(
            py,
            async move { Ok(queue.submit(task).await?.id.to_string()) },
        )
    }

    /// One task, as a JSON text.
    fn get(&self, py: Python<'_>, id: &str) -> PyResult<String> {
        let (queue, id) = (self.here(py)?, parse(py, id)?);
        run(py, async move {
            let view = queue.get(id).await?;
            shown(&queue, &view).await
        })
    }

    /// The same, once the task is over.
    fn wait(&self, py: Python<'_>, id: &str, timeout: f64) -> PyResult<String> {
        let (queue, id) = (self.here(py)?, parse(py, id)?);
        let timeout = seconds("timeout", timeout).map_err(|e| raise(py, e))?;
        run(py, async move {
            let view = queue.wait(id, timeout).await?;
            shown(&queue, &view).await
        })
    }

    /// Waits until the workers' bell is rung for what was submitted.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let queue = self.here(py)?;
        run(py, async move {
            queue.flush().await;
            Ok(())
        })
    }

    /// The words for where a task can stand, and whether it is over then.
    #[staticmethod]
    fn states() -> Vec<(&'static str, bool)> {
        TaskState::ALL
            .map(|state| (state.as_str(), state.is_over()))
            .to_vec()
    }
}

/// In a fork it is left as it is: closing a store waits for threads that the fork does not have.
impl Drop for Queue {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.inner.take());
        }
    }
}

impl Queue {
    /// The queue, in the process that opened it: a fork has none of the threads that serve it.
    fn here(&self, py: Python<'_>) -> PyResult<queue::Queue> {
        if let Some(inner) = &self.inner
            && self.process == std::process::id()
        {
            return Ok(inner.clone());
        }
        let why = "this process was forked after oq.connect: connect after the fork";
        Err(raise(py, Error::Unusable(why.into())))
    }
}

async fn shown(queue: &queue::Queue, view: &TaskView) -> Result<String> {
    let unshown = |e: serde_json::Error| Error::Unusable(format!("it cannot be shown: {e}"));
    let mut value = serde_json::to_value(view).map_err(unshown)?;
    let parts = [
        ("input", queue.input(view).await?),
        ("output", queue.output(view).await?),
    ];
    for (name, part) in parts {
        if let Some(json) = part {
            value[name] = json.to().map_err(unshown)?;
        }
    }
    Ok(value.to_string())
}

fn parse(py: Python<'_>, id: &str) -> PyResult<TaskId> {
    id.parse().map_err(|e| raise(py, e))
}

fn seconds(what: &str, value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|e| Error::Invalid {
        what: format!("{what} of {value} s"),
        why: e.to_string(),
    })
}

/// Runs a call without the GIL, and looks for Ctrl-C meanwhile.
fn run<T: Send + 'static>(
    py: Python<'_>,
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<T> {
    let runtime = runtime().map_err(|e| raise(py, e))?;
    let mut call = runtime.spawn(call);
    let env = Env::system();
    loop {
        let answer = py.detach(|| runtime.block_on(env.within(SIGNALS, &mut call)));
        match answer {
            Some(Ok(answer)) => return answer.map_err(|e| raise(py, e)),
            Some(Err(e)) => return Err(raise(py, Error::Unusable(format!("a defect of oq: {e}")))),
            None => {
                if let Err(interrupted) = py.check_signals() {
                    call.abort();
                    return Err(interrupted);
                }
            }
        }
    }
}

/// The threads of this process that do the work.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<(u32, Runtime)> = OnceLock::new();
    if RUNTIME.get().is_none() {
        let built = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("oq")
            .enable_all()
            .build()
            .map_err(|e| Error::Unusable(format!("no threads: {e}")))?;
        // Another thread may have been faster; then this one's is dropped.
        let _ = RUNTIME.set((std::process::id(), built));
    }
    match RUNTIME.get() {
        Some((process, runtime)) if *process == std::process::id() => Ok(runtime),
        _ => Err(Error::Unusable(
            "this process was forked after oq was used: use it after the fork only".into(),
        )),
    }
}
