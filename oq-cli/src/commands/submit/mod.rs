//! `oq submit`.

mod bulk;
mod options;

use std::time::Duration;

use oq_core::queue::{Submitted, Task};
use oq_core::record::{TaskId, TaskType};
use serde::Serialize;

use self::options::TaskArgs;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Format, Row, json};
use crate::said;
use crate::session::Session;

/// Submit a task, or many from JSON lines; prints ids.
///
/// One task costs 1 PUT (2 under a key), and a ring of the bell: 1 GET and 1 PUT. Many are packed: those
/// that are alike share objects of up to 100, few of them smaller ones, so that several workers have
/// some.
#[derive(Debug, clap::Args)]
pub struct Submit {
    /// The task's type: which handler runs it
    #[arg(required_unless_present = "jsonl")]
    task_type: Option<TaskType>,

    /// Its input: a JSON text, @FILE to read it from a file, - to read it from stdin
    #[arg(
        default_value = "null",
        allow_negative_numbers = true,
        conflicts_with = "jsonl"
    )]
    input: String,

    /// Submit many: a JSON object {"type", "input", options} a line; with a TYPE each line is an input
    #[arg(long, value_name = "FILE|-")]
    jsonl: Option<String>,

    /// With --jsonl: no more than so many tasks in an object, 1 to 1024; unless given, as many as suit
    /// their number, up to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pack: Option<u16>,

    /// Wait until the task is over and print its result
    #[arg(long, conflicts_with = "jsonl")]
    wait: bool,

    /// With --wait: give up after this time (the task goes on)
    #[arg(long, value_name = "SPAN", value_parser = said::duration, default_value = "1h", requires = "wait", allow_hyphen_values = true)]
    wait_timeout: Duration,

    #[command(flatten)]
    options: TaskArgs,
}

/// A lone task that was accepted.
#[derive(Debug, Serialize)]
struct One {
    id: TaskId,
    existing: bool,
}

impl From<&Submitted> for One {
    fn from(submitted: &Submitted) -> One {
        One {
            id: submitted.id,
            existing: submitted.existing,
        }
    }
}

impl Row for One {
    const HEADS: &'static [&'static str] = &["id", "existing"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.to_string(), self.existing.to_string()]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl One {
    /// The id alone, in a pipe too, unless a form was asked for.
    fn print(&self, oq: &Session<'_>) -> Result<(), Failed> {
        match oq.print.asked() {
            Some(Format::Json | Format::Jsonl) => oq.print.line(&json(self)?),
            Some(Format::Csv) => {
                let mut rows = oq.print.rows();
                rows.push(self)?;
                rows.end().map(drop)
            }
            Some(Format::Table | Format::Id) | None => oq.print.line(&self.id.to_string()),
        }
    }
}

/// Why ids could not be written. That nobody reads stdout any more is no quiet end here: what was
/// accepted would be submitted again.
fn unwritten(unsaid: Failed) -> Failed {
    match unsaid.is_silent() {
        true => Failed::unusable("stdout: its reader is gone", "see where the output goes"),
        false => unsaid,
    }
}

impl Submit {
    /// Whether it submits many.
    pub fn is_bulk(&self) -> bool {
        self.jsonl.is_some()
    }

    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        if let Some(from) = &self.jsonl {
            let many = bulk::Many {
                from,
                task_type: self.task_type.as_ref(),
                pack: self.pack.map(usize::from),
                options: &self.options,
            };
            return many.submit(oq).await;
        }
        if self.pack.is_some() {
            return Err(Failed::usage(
                "--pack is for many tasks, and this is one",
                "leave it out, or submit many with --jsonl",
            ));
        }
        // Read and checked before the store is asked for anything.
        let task = self.task()?;
        let queue = oq.queue().await?;
        let task = self.options.apply(task, queue.root().now())?;
        let submitted = queue.submit(task).await?;
        let id = submitted.id;
        // What is accepted is said before the bell: the id must not be lost with the ring.
        let said = match self.wait {
            false => One::from(&submitted).print(oq),
            true => {
                oq.print.note(&format!("submitted {id}"));
                Ok(())
            }
        };
        if submitted.existing {
            oq.print.note("its key stands for this task already");
        }
        queue.flush().await;
        // Who does not learn of the task would submit it again.
        said.map_err(|unsaid| {
            unwritten(unsaid)
                .of(format!(
                    "the task was accepted as {id}, which could not be written"
                ))
                .next(format!("do not submit it again: oq get {id}"))
        })?;
        if !self.wait {
            return Ok(Exit::Ok);
        }
        let waited = queue.wait(id, self.wait_timeout).await;
        let view = waited.map_err(|e| Failed::from(e).next(format!("oq get {id}")))?;
        super::wait::result(oq, &queue, &view).await
    }

    fn task(&self) -> Result<Task, Failed> {
        let Some(task_type) = &self.task_type else {
            return Err(Failed::usage("no type", "oq submit --help"));
        };
        let input = said::text(&self.input)?;
        let task = Task::json(task_type.as_str(), input.as_str());
        let task = task.map_err(|e| Failed::usage(e.to_string(), self.hint(task_type, &input)))?;
        self.options.check()?;
        task.check()?;
        Ok(task)
    }

    /// What to write instead of an input that is no JSON.
    fn hint(&self, task_type: &TaskType, input: &str) -> String {
        let plain = !input.is_empty()
            && input.len() <= 60
            && input
                .chars()
                .all(|c| c.is_alphanumeric() || " ._-/:@".contains(c));
        if self.input == "-" {
            return "pipe a JSON text in; a plain text needs quotes: jq -R .".to_owned();
        }
        if self.input.starts_with('@') {
            return "the file must hold one JSON text".to_owned();
        }
        match plain {
            true => format!("a text has quotes in JSON: oq submit {task_type} '\"{input}\"'"),
            false => {
                "a JSON text is a number, true, null, \"text\", [1, 2] or {\"a\": 1}; quote it \
                      for the shell with '…'"
                    .to_owned()
            }
        }
    }
}
