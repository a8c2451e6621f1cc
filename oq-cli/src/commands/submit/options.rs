//! The options of a task, as options of the command line.

use std::time::Duration;

use oq_core::StoreTime;
use oq_core::queue::Task;
use oq_core::record::{Growth, Priority, Retry};

use crate::failed::Failed;
use crate::said::{self, Time};

/// How a task is to be run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How it is run")]
pub struct TaskArgs {
    /// Not before this time has passed, as in 30s, 10m, 1h30m, 2d
    #[arg(long, value_name = "SPAN", value_parser = said::duration, conflicts_with = "at", allow_hyphen_values = true)]
    delay: Option<Duration>,

    /// Not before this moment: tomorrow, 2h, 2026-12-24, 2026-12-24T12:00:00Z; 366d ahead at most
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<Time>,

    /// 0 (most urgent) to 31, or high, normal, low
    #[arg(long, value_parser = said::priority, allow_negative_numbers = true)]
    priority: Option<Priority>,

    /// How long one attempt may run
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,

    /// Not started any more after this time
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    expires_in: Option<Duration>,

    /// How long the outcome is kept
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    retention: Option<Duration>,

    /// Idempotency key: a second submission under it gets the first one's id
    #[arg(long, conflicts_with = "jsonl")]
    key: Option<String>,

    /// How long the key stands for the task after it completed; a day unless set
    #[arg(long, value_name = "SPAN", value_parser = said::duration, requires = "key", allow_hyphen_values = true)]
    key_window: Option<Duration>,

    /// A tag to find the task by; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = said::tag)]
    tags: Vec<(String, String)>,

    /// How many attempts in all, the first included
    #[arg(long, value_name = "N", value_parser = said::attempts, allow_negative_numbers = true)]
    attempts: Option<u32>,

    /// How the delay between attempts grows: fixed, linear or exponential
    #[arg(long, value_name = "HOW", value_parser = growth)]
    backoff: Option<Growth>,

    /// The delay after the first attempt
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    retry_base: Option<Duration>,

    /// No delay between attempts is longer
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    retry_cap: Option<Duration>,

    /// How much of the delay is random, 0.0 to 1.0
    #[arg(long, value_name = "PART")]
    jitter: Option<f64>,

    /// A kind of error that is not tried again; may be repeated
    #[arg(long, value_name = "KIND")]
    never: Vec<String>,
}

fn growth(text: &str) -> Result<Growth, String> {
    match text {
        "fixed" => Ok(Growth::Fixed),
        "linear" => Ok(Growth::Linear),
        "exponential" => Ok(Growth::Exponential),
        _ => Err("use fixed, linear or exponential".to_owned()),
    }
}

impl TaskArgs {
    /// What can be wrong whatever the time is.
    pub fn check(&self) -> Result<(), Failed> {
        if let Some(retry) = self.retry() {
            retry.check()?;
        }
        said::tags(&self.tags).map(drop)
    }

    fn retry(&self) -> Option<Retry> {
        let unset = Retry::default();
        let retry = Retry {
            attempts: self.attempts.unwrap_or(unset.attempts),
            growth: self.backoff.unwrap_or(unset.growth),
            base: self.retry_base.unwrap_or(unset.base),
            cap: self.retry_cap.unwrap_or(unset.cap),
            jitter: self.jitter.unwrap_or(unset.jitter),
            never: self.never.clone(),
            only: Vec::new(),
        };
        (retry != Retry::default()).then_some(retry)
    }

    /// The task with these options, `now` on the store's clock.
    pub fn apply(&self, mut task: Task, now: StoreTime) -> Result<Task, Failed> {
        if let Some(delay) = self.delay {
            task = task.delay(delay);
        }
        if let Some(at) = self.at {
            task = task.available_at(at.after(now));
        }
        if let Some(priority) = self.priority {
            task = task.priority(priority);
        }
        if let Some(timeout) = self.timeout {
            task = task.timeout(timeout);
        }
        if let Some(after) = self.expires_in {
            task = task.expires_in(after);
        }
        if let Some(retention) = self.retention {
            task = task.retention(retention);
        }
        if let Some(key) = &self.key {
            task = task.key(key);
        }
        if let Some(window) = self.key_window {
            task = task.key_window(window);
        }
        if let Some(retry) = self.retry() {
            task = task.retry(retry);
        }
        for (name, value) in said::tags(&self.tags)? {
            task = task.tag(name, value);
        }
        task.check()?;
        Ok(task)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.delay.is_none()
            && self.at.is_none()
            && self.priority.is_none()
            && self.timeout.is_none()
            && self.expires_in.is_none()
            && self.retention.is_none()
            && self.key.is_none()
            && self.tags.is_empty()
            && self.retry().is_none()
    }
}
