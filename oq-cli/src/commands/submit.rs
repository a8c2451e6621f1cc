//! `oq submit`.

use std::time::Duration;

use oq_core::queue::Task;
use oq_core::record::{Priority, TaskType};

use crate::exit::Exit;
use crate::failed::Failed;
use crate::said;
use crate::session::Session;

/// Submit a task; prints its id.
#[derive(Debug, clap::Args)]
pub struct Submit {
    /// The task's type: which handler runs it.
    task_type: TaskType,

    /// Its input: a JSON text, @FILE to read it from a file, - to read it from stdin.
    #[arg(default_value = "null", allow_hyphen_values = true)]
    input: String,

    /// Not before this time has passed, as in 30s, 10m, 1h30m, 2d.
    #[arg(long, value_parser = said::duration)]
    delay: Option<Duration>,

    /// 0 (most urgent) to 31, or high, normal, low.
    #[arg(long, value_parser = said::priority)]
    priority: Option<Priority>,

    /// How long one attempt may run.
    #[arg(long, value_parser = said::duration)]
    timeout: Option<Duration>,

    /// Not started any more after this time.
    #[arg(long, value_parser = said::duration)]
    expires_in: Option<Duration>,

    /// How long the outcome is kept.
    #[arg(long, value_parser = said::duration)]
    retention: Option<Duration>,

    /// Idempotency key: a second submission under it gets the first one's id.
    #[arg(long)]
    key: Option<String>,

    /// A tag to find the task by; may be repeated.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = said::tag)]
    tags: Vec<(String, String)>,
}

impl Submit {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let task = self.task()?;
        let queue = oq.queue().await?;
        let submitted = queue.submit(task).await?;
        // What is accepted is said before the bell: the id must not be lost with the ring.
        oq.print.line(&submitted.id.to_string())?;
        if submitted.existing {
            oq.print.note("its key stands for this task already");
        }
        queue.flush().await;
        Ok(Exit::Ok)
    }

    fn task(&self) -> Result<Task, Failed> {
        let input = said::text(&self.input)?;
        let mut task = Task::json(self.task_type.as_str(), input).map_err(|e| {
            let next = r#"the input is JSON; a text is written with its quotes: '"text"'"#;
            Failed::usage(e.to_string(), next)
        })?;
        if let Some(delay) = self.delay {
            task = task.delay(delay);
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
        for (name, value) in &self.tags {
            task = task.tag(name, value);
        }
        Ok(task)
    }
}
