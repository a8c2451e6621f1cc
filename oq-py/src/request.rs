//! One request, made ready: Python either waits for it or sends it and is told of the answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oq_core::env::{BoxFuture, Env};
use oq_core::{Error, Result};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::bridge::Bridge;
use crate::errors::raise;
use crate::runtime::runtime;

/// How often a waiting call looks for Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(100);

/// An answer that becomes an object once a thread with the GIL has it.
pub type Answer = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// The work of a request.
pub type Work = BoxFuture<'static, Result<Answer>>;

/// A request that can be made once.
#[pyclass(frozen, module = "oq._oq")]
pub struct Request {
    work: Mutex<Option<Work>>,
    sent: Mutex<Option<AbortHandle>>,
}

impl Request {
    /// A request that does this work.
    pub fn new<T>(work: impl Future<Output = Result<T>> + Send + 'static) -> Request
    where
        T: for<'py> IntoPyObjectExt<'py> + Send + 'static,
    {
        Request {
            work: Mutex::new(Some(Box::pin(async move {
                let value = work.await?;
                let answer: Answer = Box::new(move |py| value.into_py_any(py));
                Ok(answer)
            }))),
            sent: Mutex::new(None),
        }
    }

    fn work(&self) -> Result<Work> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.take()
            .ok_or_else(|| Error::Unusable("a defect of oq: a request was made twice".into()))
    }
}

#[pymethods]
impl Request {
    /// Makes the request without the GIL, and looks for Ctrl-C meanwhile.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let ready = self.work().and_then(|work| Ok((work, runtime()?)));
        let (work, runtime) = ready.map_err(|e| raise(py, e))?;
        let mut work = runtime.spawn(work);
        let env = Env::system();
        loop {
            match py.detach(|| runtime.block_on(env.within(SIGNALS, &mut work))) {
                Some(Ok(Ok(answer))) => return answer(py),
                Some(Ok(Err(e))) => return Err(raise(py, e)),
                Some(Err(e)) => {
                    let defect = Error::Unusable(format!("a defect of oq: {e}"));
                    return Err(raise(py, defect));
                }
                None => {
                    if let Err(interrupted) = py.check_signals() {
                        work.abort();
                        return Err(interrupted);
                    }
                }
            }
        }
    }

    /// Makes the request in the background; the bridge gives the answer to `future`.
    fn send(&self, py: Python<'_>, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let ready = self.work().and_then(|work| Ok((work, runtime()?)));
        let (work, runtime) = ready.map_err(|e| raise(py, e))?;
        let mailbox = bridge.mailbox();
        let sent = runtime.spawn(async move {
            let answer = work.await;
            mailbox.put((future, answer));
        });
        let mut handle = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        *handle = Some(sent.abort_handle());
        Ok(())
    }

    /// Gives up waiting for the answer.
    fn abort(&self) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sent) = &*sent {
            sent.abort();
        }
    }
}
