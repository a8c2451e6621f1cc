//! What can be said on the command line.

use std::time::Duration;

use clap::{Parser, Subcommand};
use oq_core::record::{Priority, QueueName, TaskId, TaskType};

/// A serverless task queue whose only dependency is an object store.
///
/// Exit codes: 0 ok, 1 the awaited task did not complete, 2 usage, 3 not found, 4 access refused,
/// 5 conflict, 6 timed out waiting, 7 store unreachable or not usable.
#[derive(Debug, Parser)]
#[command(name = "oq", version, max_term_width = 100)]
pub struct Args {
    /// The store: s3://BUCKET/PREFIX or sqlite:PATH.
    #[arg(long, global = true, env = "OQ_URL", hide_env_values = true)]
    pub url: Option<String>,

    /// The queue.
    #[arg(
        long,
        short,
        global = true,
        env = "OQ_QUEUE",
        default_value = "default"
    )]
    pub queue: QueueName,

    /// Say on stderr which requests the command made and what they cost.
    #[arg(long, global = true)]
    pub cost: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a task; prints its id.
    Submit(Submit),
    /// Show a task as JSON.
    Get {
        /// The task's id.
        id: TaskId,
    },
    /// Wait until a task is over; prints its result, if it completed, as JSON.
    Wait {
        /// The task's id.
        id: TaskId,
        /// Give up waiting after this time (the task goes on), as in 30s, 10m, 1h30m.
        #[arg(long, value_parser = duration, default_value = "1h")]
        timeout: Duration,
    },
}

#[derive(Debug, clap::Args)]
pub struct Submit {
    /// The task's type: which handler runs it.
    pub task_type: TaskType,

    /// Its input: a JSON text, @FILE to read it from a file, - to read it from stdin.
    #[arg(default_value = "null", allow_hyphen_values = true)]
    pub input: String,

    /// Not before this time has passed, as in 30s, 10m, 1h30m, 2d.
    #[arg(long, value_parser = duration)]
    pub delay: Option<Duration>,

    /// 0 (most urgent) to 31, or high, normal, low.
    #[arg(long, value_parser = priority)]
    pub priority: Option<Priority>,

    /// How long one attempt may run.
    #[arg(long, value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Not started any more after this time.
    #[arg(long, value_parser = duration)]
    pub expires_in: Option<Duration>,

    /// How long the outcome is kept.
    #[arg(long, value_parser = duration)]
    pub retention: Option<Duration>,

    /// Idempotency key: a second submission under it gets the first one's id.
    #[arg(long)]
    pub key: Option<String>,

    /// A tag to find the task by; may be repeated.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s, 10m, 1h30m or 2d".to_owned();
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let exact = span.to_duration(days).map_err(|_| wrong())?;
    Duration::try_from(exact).map_err(|_| "it cannot be negative".to_owned())
}

fn priority(text: &str) -> Result<Priority, String> {
    match text {
        "high" => Ok(Priority::HIGH),
        "normal" => Ok(Priority::NORMAL),
        "low" => Ok(Priority::LOW),
        number => {
            let value = number
                .parse()
                .map_err(|_| "use 0 to 31, high, normal or low")?;
            Priority::new(value).map_err(|e| e.to_string())
        }
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(2 * 86_400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "-1s", "1e309s", "1 month", "soon", "1y"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn priorities_have_names() {
        assert_eq!(priority("high"), Ok(Priority::HIGH));
        assert_eq!(priority("31").map(Priority::value), Ok(31));
        assert!(priority("32").is_err() && priority("-1").is_err() && priority("urgent").is_err());
    }
}
