//! Why a task is not running: what somebody who waits for it asks first.

use std::fmt;

use serde::Serialize;

use super::Queue;
use super::view::{TaskState, TaskView};
use crate::error::Result;
use crate::protocol::purged::is_purged;
use crate::record::{Step, TaskType};
use crate::span;
use crate::time::StoreTime;

/// Why a task has not been started, or not again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum WhyWaits {
    /// It was purged: nobody runs it, and it is about to be removed.
    Purged,
    /// Its queue is paused.
    Paused,
    /// It was submitted for later.
    Delayed {
        /// When it may be started.
        until: StoreTime,
    },
    /// An attempt failed, and the next one comes later.
    Retry {
        /// When it may be started.
        until: StoreTime,
        /// How many attempts were made.
        attempts: u32,
        /// How many it has in all.
        of: u32,
    },
    /// Its handler answered "later".
    Rescheduled {
        /// When it may be started.
        until: StoreTime,
    },
    /// Nobody works on this queue.
    NoWorker,
    /// Workers are there, and none of them has a handler for its type.
    NoHandler {
        /// The type.
        #[serde(rename = "type")]
        task_type: TaskType,
        /// What they do run.
        known: Vec<String>,
    },
    /// It waits for its turn.
    InLine {
        /// How many workers are present.
        workers: usize,
    },
}

impl Queue {
    /// Why this task is not running; `None` if it runs or is over. One GET, and if it may be
    /// started now one LIST and one GET for each worker.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task, WhyWaits};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
    /// let view = queue.get(task.id).await?;
    /// assert_eq!(queue.why_waits(&view).await?, Some(WhyWaits::NoWorker));
    /// # Ok(()) }
    /// ```
    pub async fn why_waits(&self, view: &TaskView) -> Result<Option<WhyWaits>> {
        if !matches!(view.state, TaskState::Pending | TaskState::Waiting) {
            return Ok(None);
        }
        let settings = self.settings().await?;
        if is_purged(settings.purged_before, view.submitted) {
            return Ok(Some(WhyWaits::Purged));
        }
        if settings.paused {
            return Ok(Some(WhyWaits::Paused));
        }
        if let Some(until) = view.available_at {
            return Ok(Some(later(view, until)));
        }
        let mut workers = self.workers().await?;
        workers.retain(|w| w.present);
        if workers.is_empty() {
            return Ok(Some(WhyWaits::NoWorker));
        }
        let able = workers.iter().filter(|w| w.runs(&view.task_type)).count();
        if able > 0 {
            return Ok(Some(WhyWaits::InLine { workers: able }));
        }
        let types = workers.iter().filter_map(|w| w.types()).flatten();
        let mut known: Vec<String> = types.map(str::to_owned).collect();
        known.sort_unstable();
        known.dedup();
        Ok(Some(WhyWaits::NoHandler {
            task_type: view.task_type.clone(),
            known,
        }))
    }
}

fn later(view: &TaskView, until: StoreTime) -> WhyWaits {
    let last = view.history.iter().rev().map(|event| event.what);
    let mut last = last.filter(|step| matches!(step, Step::Retried | Step::Rescheduled));
    match last.next() {
        Some(Step::Rescheduled) => WhyWaits::Rescheduled { until },
        Some(_) => WhyWaits::Retry {
            until,
            attempts: view.attempts,
            of: view.options.retry.attempts,
        },
        None => WhyWaits::Delayed { until },
    }
}

impl WhyWaits {
    /// The reason as a sentence, for somebody who reads it at `now`.
    pub fn told(&self, now: StoreTime) -> String {
        let in_ = |until: &StoreTime| format!("in {}", span::rough(until.since(now)));
        match self {
            WhyWaits::Delayed { until } => format!("delayed: due {}", in_(until)),
            WhyWaits::Retry {
                until,
                attempts,
                of,
            } => format!(
                "attempt {attempts} of {of} failed: the next is due {}",
                in_(until)
            ),
            WhyWaits::Rescheduled { until } => {
                format!("its handler answered \"later\": due {}", in_(until))
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for WhyWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyWaits::Purged => f.write_str(
                "it was purged: it does not run, and is removed by the next worker or purge",
            ),
            WhyWaits::Paused => f.write_str("its queue is paused"),
            WhyWaits::Delayed { until } => write!(f, "delayed: due at {until}"),
            WhyWaits::Retry {
                until,
                attempts,
                of,
            } => write!(
                f,
                "attempt {attempts} of {of} failed: the next is due at {until}"
            ),
            WhyWaits::Rescheduled { until } => {
                write!(f, "its handler answered \"later\": due at {until}")
            }
            WhyWaits::NoWorker => f.write_str("no worker is present at its queue"),
            WhyWaits::NoHandler { task_type, known } => write!(
                f,
                "no worker that is present runs the type {task_type}; they run {}",
                known.join(", ")
            ),
            WhyWaits::InLine { workers: 1 } => f.write_str("in line: one worker is present"),
            WhyWaits::InLine { workers } => write!(f, "in line: {workers} workers are present"),
        }
    }
}
