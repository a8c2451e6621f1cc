//! Answers on their way to one asyncio loop.

use std::sync::Arc;

use oq_core::Result;
use pyo3::prelude::*;

use crate::errors::raise;
use crate::mailbox::Mailbox;
use crate::request::Answer;

type Answers = Mailbox<(Py<PyAny>, Result<Answer>)>;

/// The answers of one loop, which watches `fileno()` and calls `deliver()`.
#[pyclass(frozen, module = "oq._oq")]
pub struct Bridge {
    answers: Arc<Answers>,
}

impl Bridge {
    /// Where answers are left.
    pub fn mailbox(&self) -> Arc<Answers> {
        self.answers.clone()
    }
}

#[pymethods]
impl Bridge {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Bridge> {
        let answers = Mailbox::new().map_err(|e| raise(py, e))?;
        Ok(Bridge {
            answers: Arc::new(answers),
        })
    }

    /// The descriptor that becomes readable when there are answers.
    fn fileno(&self) -> i32 {
        self.answers.fileno()
    }

    /// Gives all answers that are there to their futures; on the loop's thread only.
    fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        for (future, answer) in self.answers.take().0 {
            let future = future.bind(py);
            if future.call_method0("done")?.is_truthy()? {
                continue;
            }
            match answer.map_err(|e| raise(py, e)).and_then(|a| a(py)) {
                Ok(value) => future.call_method1("set_result", (value,))?,
                Err(e) => future.call_method1("set_exception", (e,))?,
            };
        }
        Ok(())
    }
}
