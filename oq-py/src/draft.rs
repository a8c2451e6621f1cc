//! A task without its input: the type and the options, read and checked once for many tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::queue::{Moment, RetrySpec, Span, TaskSpec};
use oq_core::record::{Growth, Json, Priority, QueueName, TaskType};
use oq_core::{Error, Result, StoreTime, Task};
use oq_lambda::Submit;
use pyo3::prelude::*;

use crate::errors::raise;

/// A retry policy, as Python passes it; durations in seconds.
type RetryParts = (u32, String, f64, f64, f64, Vec<String>, Vec<String>);

/// All of a task but its input.
#[pyclass(frozen, module = "oq._oq")]
pub struct Draft {
    /// The task, with nothing as its input.
    pub task: Task,
    /// What was said of it.
    spec: TaskSpec,
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
        let build = || -> Result<Draft> {
            let spec = TaskSpec {
                task_type: TaskType::new(task_type)?,
                input: Json::null(),
                delay: span("delay", delay)?,
                at: at.map(moment).transpose()?,
                priority: priority.map(str::parse::<Priority>).transpose()?,
                timeout: span("timeout", timeout)?,
                lease: span("lease", lease)?,
                expires_in: span("expires_in", expires_in)?,
                retention: span("retention", retention)?,
                key,
                key_window: span("key_window", key_window)?,
                tags: tags.unwrap_or_default(),
                retry: retry.map(policy).transpose()?,
                max_reschedules: max_snoozes,
                trace,
            };
            let task = spec.clone().task()?;
            Ok(Draft { task, spec })
        };
        build().map_err(|e| raise(py, e))
    }
}

impl Draft {
    /// What its type declares: all that is said here of how it is run, and its queue.
    pub fn declared(&self, queue: &str) -> Result<Submit> {
        Ok(Submit {
            task: self.spec.clone(),
            queue: Some(QueueName::new(queue)?),
        })
    }
}

/// A number of seconds from Python.
pub fn seconds(what: &str, value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|e| Error::Invalid {
        what: format!("{what} of {value} s"),
        why: e.to_string(),
    })
}

fn span(what: &str, value: Option<f64>) -> Result<Option<Span>> {
    value.map(|s| seconds(what, s).map(Span)).transpose()
}

fn moment(at: f64) -> Result<Moment> {
    let since_1970 = seconds("time", at.max(0.0))?.as_millis();
    let millis = u64::try_from(since_1970).unwrap_or(u64::MAX);
    Ok(Moment(StoreTime::from_millis(millis)))
}

fn policy(parts: RetryParts) -> Result<RetrySpec> {
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
    Ok(RetrySpec {
        attempts: Some(attempts),
        growth: Some(growth),
        base: span("retry base", Some(base))?,
        cap: span("retry cap", Some(cap))?,
        jitter: Some(jitter),
        never,
        only,
    })
}
