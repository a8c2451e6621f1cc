//! What the commands have in common that act on many tasks: the count, the question, the progress,
//! and the sum of what became of them.

use std::fmt;

use futures::stream::{self, StreamExt};
use oq_core::Error;
use oq_core::queue::{Filter, Listed, Queue, TaskView};
use oq_core::record::TaskId;
use serde::Serialize;

use super::shown::TaskRow;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Row, count};
use crate::said;
use crate::session::Session;

/// How many tasks are acted on at a time.
const AT_A_TIME: usize = 16;

/// How many failures are told one by one.
const TOLD: u64 = 10;

/// The options of every bulk command.
#[derive(Debug, Clone, clap::Args)]
pub struct BulkArgs {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,

    /// Only show what it would be done to
    #[arg(long)]
    pub dry_run: bool,
}

/// Why, of commands whose tasks keep it.
#[derive(Debug, Clone, clap::Args)]
pub struct Why {
    /// Why, for the history of the tasks
    #[arg(long, value_name = "TEXT", value_parser = said::reason)]
    pub reason: Option<String>,
}

/// What became of one task.
#[derive(Debug, Serialize)]
pub struct Did {
    pub id: TaskId,
    /// What became of it, as a word or two.
    pub what: String,
    /// Another id that it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<TaskId>,
}

impl Row for Did {
    const HEADS: &'static [&'static str] = &["id", "what", "new"];

    fn cells(&self) -> Vec<String> {
        let new = self.new.map(|id| id.to_string()).unwrap_or_default();
        vec![self.id.to_string(), self.what.clone(), new]
    }

    fn id(&self) -> String {
        self.new.unwrap_or(self.id).to_string()
    }
}

/// The tasks that match a filter, or with `dry_run` nothing but a list of them.
pub async fn matching(
    oq: &Session<'_>,
    queue: &Queue,
    filter: Filter,
    wanted: impl Fn(&TaskView) -> bool,
    dry_run: bool,
) -> Result<Vec<TaskId>, Failed> {
    let mut listing = queue.list(filter)?;
    let mut found = Vec::new();
    let mut progress = oq.print.progress("found", None);
    let mut rows = oq.print.rows::<TaskRow>();
    while let Some(listed) = listing.next().await? {
        match listed {
            Listed::Task(view) if wanted(&view) => {
                found.push(view.id);
                progress.add(1);
                if dry_run {
                    rows.push(&TaskRow::bare(*view, queue.root().now()))?;
                }
            }
            Listed::Task(_) => {}
            Listed::Unreadable { key, why } => {
                oq.print.note(&format!("{key} cannot be read: {why}"));
            }
        }
    }
    if dry_run {
        rows.end()?;
    }
    Ok(found)
}

/// So many tasks, as people say it.
pub fn tasks(n: usize) -> String {
    match n {
        1 => "1 task".to_owned(),
        n => format!("{} tasks", count(n as u64)),
    }
}

/// Whether it is to be done; else says what `--dry-run` would do, or that there is nothing.
pub fn is_meant(
    oq: &Session<'_>,
    queue: &Queue,
    args: &BulkArgs,
    found: &[TaskId],
    (noun, would): (&str, String),
) -> bool {
    if args.dry_run {
        oq.print.note(&format!("would {would}"));
    } else if found.is_empty() {
        oq.print
            .note(&format!("no such {noun} in the queue {}", queue.name()));
    }
    !args.dry_run && !found.is_empty()
}

/// Does something to each task and prints what became of it.
pub async fn each<F, Fut>(
    oq: &Session<'_>,
    what: &'static str,
    ids: Vec<TaskId>,
    act: F,
) -> Result<Exit, Failed>
where
    F: Fn(TaskId) -> Fut,
    Fut: Future<Output = Result<Did, Error>>,
{
    let one = ids.len() == 1;
    let mut progress = oq.print.progress(what, Some(ids.len() as u64));
    let mut rows = oq.print.rows::<Did>();
    let acts = ids.into_iter().map(|id| {
        let act = act(id);
        async move { (id, act.await) }
    });
    let mut acts = stream::iter(acts).buffer_unordered(AT_A_TIME);
    let (mut done, mut failed, mut first) = (0u64, 0u64, None);
    while let Some((id, did)) = acts.next().await {
        match did {
            Ok(did) => {
                done += 1;
                rows.push(&did)?;
            }
            Err(e) if one => return Err(e.into()),
            Err(e) => {
                failed += 1;
                let e = Failed::from(e).of(id);
                if failed <= TOLD {
                    oq.print.failed(&e);
                }
                first.get_or_insert(e.exit());
            }
        }
        progress.add(1);
    }
    drop(progress);
    rows.end()?;
    match (done, first) {
        (_, None) => Ok(Exit::Ok),
        (0, Some(exit)) => Ok(exit),
        (done, Some(_)) => Err(partly(what, done, failed)),
    }
}

/// Some were done and some were not.
pub fn partly(what: impl fmt::Display, done: u64, failed: u64) -> Failed {
    Failed::new(
        Exit::PartlyFailed,
        "OQ-PARTLY-FAILED",
        format!("{} {what}, {} not", count(done), count(failed)),
        "correct what is said above and repeat it for these",
    )
}
