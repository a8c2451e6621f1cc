//! One attempt in the hands of Python: what it is about, and its one answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use oq_core::record::Json;
use oq_core::{Context, Error, TaskError};
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::draft::seconds;
use crate::errors::raise;

/// What Python answers; a result is still a text that nobody checked.
pub type Answer = Result<String, TaskError>;

/// One attempt of one task.
#[pyclass(frozen, module = "oq._oq")]
pub struct Job {
    #[pyo3(get)]
    pub number: u64,
    context: Context,
    input: Json,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
    process: u32,
}

impl Job {
    /// The attempt that this context is of.
    pub fn new(number: u64, context: Context, input: Json) -> (Job, oneshot::Receiver<Answer>) {
        let (send, receive) = oneshot::channel();
        let job = Job {
            number,
            context,
            input,
            answer: Mutex::new(Some(send)),
            process: std::process::id(),
        };
        (job, receive)
    }

    /// The first answer counts; after the attempt was stopped nobody listens, and what the handler
    /// forked is not asked.
    fn answer(&self, answer: Answer) {
        if self.process != std::process::id() {
            return;
        }
        let send = {
            let mut send = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
            send.take()
        };
        if let Some(send) = send {
            let _too_late = send.send(answer);
        }
    }
}

#[pymethods]
impl Job {
    #[getter]
    fn task(&self) -> &str {
        self.context.task_type().as_str()
    }

    #[getter]
    fn input(&self) -> &str {
        self.input.as_str()
    }

    #[getter]
    fn id(&self) -> String {
        self.context.id().to_string()
    }

    #[getter]
    fn queue(&self) -> &str {
        self.context.queue().as_str()
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    #[getter]
    fn delivery(&self) -> u32 {
        self.context.delivery()
    }

    #[getter]
    fn token(&self) -> String {
        self.context.token().to_string()
    }

    #[getter]
    fn tags(&self) -> BTreeMap<String, String> {
        self.context.tags().clone()
    }

    #[getter]
    fn trace(&self) -> Option<&str> {
        self.context.trace_parent()
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.context.is_cancelled()
    }

    fn progress(&self, done: u64, total: u64) {
        self.context.progress(done, total);
    }

    /// What was saved last, as a JSON text.
    fn saved(&self) -> Option<String> {
        let saved: Option<Json> = self.context.saved();
        saved.map(|json| json.as_str().to_owned())
    }

    fn save(&self, py: Python<'_>, cursor: String) -> PyResult<()> {
        let save = || self.context.save(&Json::parse(cursor)?);
        save().map_err(|e| raise(py, e))
    }

    fn flush(&self) {
        self.context.flush();
    }

    fn extend(&self, py: Python<'_>, more: f64) -> PyResult<()> {
        let more = seconds("extension", more).map_err(|e| raise(py, e))?;
        self.context.extend(more);
        Ok(())
    }

    /// It succeeded with this JSON text.
    fn complete(&self, output: String) {
        self.answer(Ok(output));
    }

    /// It failed.
    fn fail(&self, kind: &str, message: &str, fatal: bool) {
        let failure = TaskError::of_kind(kind, message);
        self.answer(Err(match fatal {
            true => failure.into_fatal(),
            false => failure,
        }));
    }

    /// It is to run again in so many seconds.
    fn snooze(&self, py: Python<'_>, delay: f64) -> PyResult<()> {
        let delay = seconds("snooze", delay).map_err(|e: Error| raise(py, e))?;
        self.answer(Err(TaskError::later(delay)));
        Ok(())
    }

    /// It stopped because it was asked to.
    fn cancel(&self) {
        self.answer(Err(TaskError::cancelled()));
    }
}
