//! The tasks that `oq dev` and `oq demo` can run, one for each thing that may become of a task.
//!
//! | type | input | what becomes of it |
//! |---|---|---|
//! | `echo` | anything | completes with its input |
//! | `sleep` | seconds, 1 unless said | completes when they have passed |
//! | `fail` | a message | fails at every attempt |
//! | `flaky` | how often, 2 unless said | fails so often, then completes |
//! | `later` | seconds, 2 unless said | answers "later" once, then completes |

use std::time::Duration;

use oq_core::worker::WorkerBuilder;
use oq_core::{Context, TaskError};
use serde_json::{Value, json};

/// The longest that a demonstration waits.
const LONGEST: f64 = 3600.0;

/// Adds the demonstration tasks to a worker.
pub fn add_to(worker: WorkerBuilder) -> WorkerBuilder {
    worker
        .handler("echo", echo)
        .handler("sleep", sleep)
        .handler("fail", fail)
        .handler("flaky", flaky)
        .handler("later", later)
}

async fn echo(_: Context, input: Value) -> Result<Value, TaskError> {
    Ok(input)
}

async fn sleep(task: Context, input: Option<f64>) -> Result<Value, TaskError> {
    let time = seconds(input.unwrap_or(1.0))?;
    if !task.sleep(time).await {
        return Err(TaskError::cancelled());
    }
    Ok(json!({ "slept": time.as_secs_f64() }))
}

async fn fail(_: Context, input: Option<String>) -> Result<(), TaskError> {
    let message = input.unwrap_or_else(|| "it always fails".to_owned());
    Err(TaskError::of_kind("demonstration", message))
}

async fn flaky(task: Context, input: Option<u32>) -> Result<Value, TaskError> {
    let (times, attempt) = (input.unwrap_or(2), task.attempt());
    if attempt <= times {
        let message = format!("attempt {attempt}; it fails {times} times");
        return Err(TaskError::of_kind("demonstration", message));
    }
    Ok(json!({ "attempts": attempt }))
}

async fn later(task: Context, input: Option<f64>) -> Result<Value, TaskError> {
    let wait = seconds(input.unwrap_or(2.0))?;
    if task.saved::<bool>().is_none() {
        task.save(&true)?;
        return Err(TaskError::later(wait));
    }
    Ok(json!({ "later": wait.as_secs_f64() }))
}

fn seconds(input: f64) -> Result<Duration, TaskError> {
    if (0.0..=LONGEST).contains(&input) {
        return Ok(Duration::from_secs_f64(input));
    }
    let why = format!("{input} is no number of seconds from 0 to {LONGEST}");
    Err(TaskError::fatal(why))
}
