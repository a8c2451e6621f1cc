//! `oq cancel`.

use oq_core::queue::{Cancelled, TaskState};
use serde::Serialize;

use super::bulk::{self, BulkArgs, Did, Why};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Card, Format, json};
use crate::said::{FilterArgs, ids};
use crate::session::Session;

/// Cancel tasks by id, or all that match a filter.
///
/// A task that a worker holds is asked to end: the answer is "requested", and it may still end in
/// another way. With a filter the count is shown and you are asked. Costs 2 GET and 1 PUT a task, or for one that
/// nobody holds 3 or 4 GET, 2 PUT, 1 DELETE; a filter costs a listing of the live tasks, twice.
#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// Ids of tasks, or unique beginnings; - reads them from stdin
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    filter: FilterArgs,

    #[command(flatten)]
    bulk: BulkArgs,
}

#[derive(Debug, Serialize)]
struct Sum {
    cancelled: u64,
    requested: u64,
    already_over: u64,
    failed: u64,
    unreadable: u64,
}

impl Cancel {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        either(&self.ids, &self.filter)?;
        let queue = oq.queue().await?;
        let reason = self.why.reason.as_deref();
        if self.ids.is_empty() {
            return self.filtered(oq, &queue).await;
        }
        let found = ids(&self.ids, &queue).await?;
        let what = ("task", format!("cancel {}", bulk::tasks(found.len())));
        if !bulk::is_meant(oq, &queue, &self.bulk, &found, what) {
            return Ok(Exit::Ok);
        }
        let queue = &queue;
        bulk::each(oq, "cancelled", found, |id| async move {
            let what = match queue.cancel_because(id, reason).await? {
                Cancelled::Cancelled => "cancelled".to_owned(),
                Cancelled::Requested => "requested".to_owned(),
                Cancelled::AlreadyOver(ending) => format!("already {}", ending.as_str()),
            };
            Ok(Did {
                id,
                what,
                new: None,
            })
        })
        .await
    }

    async fn filtered(&self, oq: &Session<'_>, queue: &oq_core::Queue) -> Result<Exit, Failed> {
        let mut filter = self.filter.filter(queue.root().now())?;
        if self.filter.states.is_empty() {
            for state in [TaskState::Pending, TaskState::Waiting, TaskState::Running] {
                filter = filter.state(state);
            }
        }
        let live = |view: &oq_core::queue::TaskView| !view.state.is_over();
        let found = bulk::matching(oq, queue, filter.clone(), live, self.bulk.dry_run).await?;
        let many = bulk::tasks(found.len());
        let what = ("task", format!("cancel {many}"));
        if !bulk::is_meant(oq, queue, &self.bulk, &found, what) {
            return Ok(Exit::Ok);
        }
        let question = format!("Cancel {many} of the queue {}?", queue.name());
        if !oq.print.agreed(&question, self.bulk.yes).await? {
            oq.print.note("nothing was cancelled");
            return Ok(Exit::Ok);
        }
        let mut progress = oq.print.progress("asked", Some(found.len() as u64));
        let cancelling = queue.cancel_many_told(filter, self.why.reason.as_deref(), |sum| {
            progress.set(sum.asked());
        });
        let done = cancelling.await;
        drop(progress);
        let sum = Sum {
            cancelled: done.cancelled,
            requested: done.requested,
            already_over: done.already_over,
            failed: done.failed,
            unreadable: done.unreadable,
        };
        match oq.print.format() {
            Format::Json | Format::Jsonl => oq.print.line(&json(&sum)?)?,
            _ => Card::new()
                .field("cancelled", sum.cancelled.to_string())
                .field("requested", sum.requested.to_string())
                .field("already over", sum.already_over.to_string())
                .field("failed", sum.failed.to_string())
                .field("unreadable", sum.unreadable.to_string())
                .print(oq.print)?,
        }
        if let Some(error) = done.error {
            return Err(error.into());
        }
        match sum.failed + sum.unreadable {
            0 => Ok(Exit::Ok),
            bad => Err(bulk::partly(
                "cancelled",
                sum.cancelled + sum.requested,
                bad,
            )),
        }
    }
}

/// Ids or a filter, and one of them.
pub fn either(ids: &[String], filter: &FilterArgs) -> Result<(), Failed> {
    match (ids.is_empty(), filter.is_empty()) {
        (true, true) => Err(Failed::usage(
            "neither ids nor a filter",
            "name tasks, or choose them with --type, --tag, --state, --since, --until",
        )),
        (false, false) => Err(Failed::usage(
            "both ids and a filter",
            "name tasks, or choose them with a filter",
        )),
        _ => Ok(()),
    }
}
