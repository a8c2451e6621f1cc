//! Submitting many tasks: Python puts them in portions, the core packs and writes them meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{StreamExt, iter, unfold};
use oq_core::queue::Summary;
use oq_core::record::{Json, TaskId};
use oq_core::{Error, Result, Task};
use pyo3::prelude::*;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::Store;
use crate::draft::Draft;
use crate::errors::raise;
use crate::request::Request;
use crate::runtime::runtime;

/// How many portions may wait for the store before Python waits for it as well.
const AHEAD: usize = 4;

/// A submission of many tasks to one queue.
#[pyclass(frozen, module = "oq._oq")]
pub struct Many {
    tasks: Mutex<Option<mpsc::Sender<Vec<Task>>>>,
    work: Mutex<Option<JoinHandle<Result<Done>>>>,
}

struct Done {
    summary: Summary,
    ids: Vec<Option<TaskId>>,
}

impl Many {
    /// Begins one.
    pub fn new(store: Arc<Store>, queue: String) -> Result<Many> {
        let (send, receive) = mpsc::channel::<Vec<Task>>(AHEAD);
        let work = runtime()?.spawn(async move {
            let queue = store.queue(&queue).await?;
            let portions = unfold(receive, |mut receive| async move {
                Some((receive.recv().await?, receive))
            });
            let mut ids: Vec<Option<TaskId>> = Vec::new();
            let many = queue.submit_stream(portions.flat_map(iter));
            let summary = many
                .run_with(|batch| {
                    for (n, place) in batch.places.iter().enumerate() {
                        let place = usize::try_from(*place).unwrap_or(usize::MAX);
                        if ids.len() <= place {
                            ids.resize(place + 1, None);
                        }
                        ids[place] = match &batch.ids {
                            Ok(accepted) => accepted.get(n).copied(),
                            // In doubt: under these ids, if at all.
                            Err(Error::InDoubt { ids }) => ids.get(n).copied(),
                            Err(_) => None,
                        };
                    }
                })
                .await;
            Ok(Done { summary, ids })
        });
        Ok(Many {
            tasks: Mutex::new(Some(send)),
            work: Mutex::new(Some(work)),
        })
    }
}

#[pymethods]
impl Many {
    /// Adds tasks; the answer comes when there is room for more. `False`: the store failed, and no
    /// more are wanted.
    fn put(&self, py: Python<'_>, tasks: Vec<(Py<Draft>, String)>) -> Request {
        let tasks: Vec<(Task, String)> = tasks
            .into_iter()
            .map(|(draft, input)| (draft.get().task.clone(), input))
            .collect();
        let _attached = py;
        let send = {
            let send = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            send.clone()
        };
        Request::new(async move {
            let tasks: Vec<Task> = tasks
                .into_iter()
                .map(|(task, input)| Ok(task.with_input(Json::parse(input)?)))
                .collect::<Result<_>>()?;
            let Some(send) = send else { return Ok(false) };
            Ok(send.send(tasks).await.is_ok())
        })
    }

    /// Ends the submission; the answer is what became of all tasks.
    fn end(&self) -> Request {
        let closed = self.tasks.lock().map(|mut tasks| tasks.take());
        drop(closed);
        let work = {
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            work.take()
        };
        Request::new(async move {
            let ended = || Error::Unusable("a defect of oq: it was ended before".into());
            let done = work.ok_or_else(ended)?.await.map_err(|_| ended())??;
            Ok(Ids {
                ids: done.ids,
                summary: done.summary,
            })
        })
    }
}

/// The ids of many tasks, in the order in which the tasks were put; made into text one by one.
#[pyclass(frozen, module = "oq._oq")]
pub struct Ids {
    ids: Vec<Option<TaskId>>,
    summary: Summary,
}

#[pymethods]
impl Ids {
    fn __len__(&self) -> usize {
        self.ids.len()
    }

    /// The id at this place; `None` if the task was not accepted.
    fn at(&self, place: usize) -> Option<String> {
        self.ids.get(place)?.map(|id| id.to_string())
    }

    /// How many were accepted.
    #[getter]
    fn accepted(&self) -> u64 {
        self.summary.accepted
    }

    /// How many were there already, under their key.
    #[getter]
    fn existing(&self) -> u64 {
        self.summary.existing
    }

    /// How many were refused.
    #[getter]
    fn failed(&self) -> u64 {
        self.summary.failed
    }

    /// The first error as an exception, if there was one.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let error = self.summary.error.clone()?;
        let error = match error {
            // All that are in doubt, not only the first object's.
            Error::InDoubt { .. } => Error::InDoubt {
                ids: self.summary.in_doubt.clone(),
            },
            other => other,
        };
        Some(raise(py, error).into_value(py).into_any())
    }
}
