//! A task without its input: the type and the options, read and checked once for many tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::record::{Growth, Json, Priority, Retry, TaskType};
use oq_core::{Error, Result, StoreTime, Task};
use pyo3::prelude::*;

use crate::errors::raise;

/// A retry policy, as Python passes it; durations in seconds.
type RetryParts = (u32, String, f64, f64, f64, Vec<String>, Vec<String>);

/// All of a task but its input.
#[pyclass(frozen, module = "oq._oq")]
pub struct Draft {
    /// The task, with nothing as its input.
    pub task: Task,
}

#[pymethods]
impl Draft {
    /// Durations are in seconds, moments in seconds since 1970.
    #[new]
    #[pyo3(signature = (task_type, *, delay=None, at=None, priority=None, timeout=None, lease=None,
        retry=None, expires_in=None, retention=None, key=None, key_window=None, tags=None,
        trace=None, max_snoozes=None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments, one for each option
    fn new(
        py: Python<'_>,
        task_type: &str,
        delay: Option<f64>,
        at: Option<f64>,
        priority: Option<&str>,
        timeout: Option<f64>,
        lease: Option<f64>,
        retry: Option<RetryParts>,
        expires_in: Option<f64>,
        retention: Option<f64>,
        key: Option<String>,
        key_window: Option<f64>,
        tags: Option<BTreeMap<String, String>>,
        trace: Option<String>,
        max_snoozes: Option<u32>,
    ) -> PyResult<Draft> {
        let build = || -> Result<Task> {
            let mut task = Task::of(TaskType::new(task_type)?, Json::null())?;
            if let Some(delay) = delay {
                task = task.delay(seconds("delay", delay)?);
            }
            if let Some(at) = at {
                let since_1970 = seconds("time", at.max(0.0))?.as_millis();
                let millis = u64::try_from(since_1970).unwrap_or(u64::MAX);
                task = task.available_at(StoreTime::from_millis(millis));
            }
            if let Some(priority) = priority {
                task = task.priority(priority.parse::<Priority>()?);
            }
            if let Some(timeout) = timeout {
                task = task.timeout(seconds("timeout", timeout)?);
            }
            if let Some(lease) = lease {
                task = task.lease(seconds("lease", lease)?);
            }
            if let Some(parts) = retry {
                task = task.retry(policy(parts)?);
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
            if let Some(window) = key_window {
                task = task.key_window(seconds("key_window", window)?);
            }
            for (name, value) in tags.into_iter().flatten() {
                task = task.tag(name, value);
            }
            if let Some(trace) = trace {
                task = task.trace_parent(trace);
            }
            if let Some(times) = max_snoozes {
                task = task.max_reschedules(times);
            }
            task.check()?;
            Ok(task)
        };
        let task = build().map_err(|e| raise(py, e))?;
        Ok(Draft { task })
    }
}

/// A number of seconds from Python.
pub fn seconds(what: &str, value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|e| Error::Invalid {
        what: format!("{what} of {value} s"),
        why: e.to_string(),
    })
}

fn policy(parts: RetryParts) -> Result<Retry> {
    let (attempts, growth, base, cap, jitter, never, only) = parts;
    let growth = match growth.as_str() {
        "fixed" => Growth::Fixed,
        "linear" => Growth::Linear,
        "exponential" => Growth::Exponential,
        other => {
            return Err(Error::Invalid {
                what: format!("growth {other:?}"),
                why: "use fixed, linear or exponential".into(),
            });
        }
    };
    Ok(Retry {
        attempts,
        growth,
        base: seconds("retry base", base)?,
        cap: seconds("retry cap", cap)?,
        jitter,
        never,
        only,
    })
}
