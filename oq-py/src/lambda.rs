//! A function on AWS Lambda whose handlers are Python's. What an event means, what is claimed for it
//! and what is answered is decided in `oq_lambda`, as for functions in Rust.

use std::sync::Arc;
use std::time::Duration;

use oq_core::record::QueueName;
use oq_core::{Error, Result};
use oq_lambda::Submit;
use pyo3::prelude::*;

use crate::client::Client;
use crate::draft::{Draft, seconds};
use crate::errors::raise;
use crate::request::Request;
use crate::worker::Worker;

/// How tasks are declared, and their queues.
type Declared = Vec<(Py<Draft>, String)>;

/// A function that answers one event after the other.
#[pyclass(frozen, module = "oq._oq")]
pub struct Function(Arc<oq_lambda::Function>);

#[pymethods]
impl Function {
    /// Runs the tasks of a worker's queues, and takes tasks by HTTP for those of `open_to`.
    #[staticmethod]
    fn handler(
        py: Python<'_>,
        worker: &Worker,
        declared: Declared,
        open_to: Vec<String>,
        max_body: usize,
        linger: f64,
    ) -> PyResult<Request> {
        let read = || {
            let linger = seconds("linger", linger)?;
            Ok((linger, read(&declared)?, names(&open_to)?))
        };
        let (linger, declared, open_to) = read().map_err(|e| raise(py, e))?;
        let worker = worker.build();
        Ok(Request::new(async move {
            let function = oq_lambda::handler(worker.await?).linger(linger);
            let function = function.declare(declared);
            Ok(Function(Arc::new(match open_to.is_empty() {
                true => function,
                false => function.open_to(open_to, max_body),
            })))
        }))
    }

    /// How many tasks run at once, if `OQ_CONCURRENCY` says.
    #[staticmethod]
    fn concurrency(py: Python<'_>) -> PyResult<Option<usize>> {
        oq_lambda::settings::concurrency().map_err(|e| raise(py, e))
    }

    /// Only submits: to its queue, and to those of what is declared.
    #[staticmethod]
    fn submitter(
        py: Python<'_>,
        client: &Client,
        queue: String,
        declared: Declared,
        max_body: usize,
    ) -> PyResult<Request> {
        let store = client.store(py)?;
        let declared = read(&declared).map_err(|e| raise(py, e))?;
        Ok(Request::new(async move {
            let queue = store.queue(&queue).await?;
            let own = std::iter::once(queue.name().clone());
            let queues = declared.iter().filter_map(|submit| submit.queue.clone());
            let open_to: Vec<_> = own.chain(queues).collect();
            let function = oq_lambda::submitter(queue).open_to(open_to, max_body);
            Ok(Function(Arc::new(function.declare(declared))))
        }))
    }

    /// Answers an event; `deadline` is when Lambda stops it, in seconds since 1970, and `request` the id
    /// under which Lambda repeats it.
    fn answer(
        &self,
        py: Python<'_>,
        event: String,
        deadline: f64,
        request: Option<String>,
    ) -> PyResult<Request> {
        let deadline = seconds("deadline", deadline).map_err(|e| raise(py, e))?;
        let function = self.0.clone();
        Ok(Request::new(answer(function, event, deadline, request)))
    }
}

fn read(declared: &Declared) -> Result<Vec<Submit>> {
    declared
        .iter()
        .map(|(draft, queue)| draft.get().declared(queue))
        .collect()
}

fn names(queues: &[String]) -> Result<Vec<QueueName>> {
    queues.iter().map(QueueName::new).collect()
}

async fn answer(
    function: Arc<oq_lambda::Function>,
    event: String,
    deadline: Duration,
    request: Option<String>,
) -> Result<String> {
    let answer = function.answer_by(&event, deadline, request.as_deref());
    let answer = answer.await?;
    serde_json::to_string(&answer).map_err(|e| Error::Unusable(format!("a defect of oq: {e}")))
}
