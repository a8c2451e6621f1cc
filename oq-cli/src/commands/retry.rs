//! `oq retry`.

use oq_core::queue::{Queue, TaskState};
use oq_core::record::TaskId;

use super::bulk::{self, BulkArgs, Did, Why};
use super::cancel::either;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::said::{FilterArgs, ids};
use crate::session::Session;

/// Try tasks again that failed, were cancelled or expired: by id, or all that match a filter.
///
/// Each becomes a new task that names the old one; doing it twice makes one task. With a filter
/// (failed tasks unless --state is given) the count is shown and you are asked. Costs 4 GET, 1 PUT and 1 DELETE a
/// task; a filter costs a listing.
#[derive(Debug, clap::Args)]
pub struct Retry {
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

impl Retry {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        either(&self.ids, &self.filter)?;
        let queue = oq.queue().await?;
        let found = if self.ids.is_empty() {
            let mut filter = self.filter.filter(queue.root().now())?;
            if self.filter.states.is_empty() {
                filter = filter.state(TaskState::Failed);
            }
            let again = |view: &oq_core::queue::TaskView| {
                view.state.is_over() && view.state != TaskState::Completed
            };
            bulk::matching(oq, &queue, filter, again, self.bulk.dry_run).await?
        } else {
            ids(&self.ids, &queue).await?
        };
        let ask = self.ids.is_empty();
        again(oq, &queue, found, &self.bulk, &self.why, ask).await
    }
}

/// Tries these tasks again, after a question if `ask`.
pub async fn again(
    oq: &Session<'_>,
    queue: &Queue,
    found: Vec<TaskId>,
    args: &BulkArgs,
    why: &Why,
    ask: bool,
) -> Result<Exit, Failed> {
    let many = bulk::tasks(found.len());
    let what = ("task", format!("try {many} again"));
    if !bulk::is_meant(oq, queue, args, &found, what) {
        return Ok(Exit::Ok);
    }
    let question = format!("Try {many} of the queue {} again?", queue.name());
    if ask && !oq.print.agreed(&question, args.yes).await? {
        oq.print.note("nothing was tried again");
        return Ok(Exit::Ok);
    }
    let end = bulk::each(oq, "tried again", found, |id| async move {
        let submitted = queue.retry_because(id, why.reason.as_deref()).await?;
        let what = match submitted.existing {
            true => "was tried again before",
            false => "tried again",
        };
        Ok(Did {
            id,
            what: what.to_owned(),
            new: Some(submitted.id),
        })
    })
    .await;
    queue.flush().await;
    // It is over and did not fail, or not over yet: another look changes nothing.
    end.map_err(|failed| match failed.exit() {
        Exit::Conflict => failed.next(
            "only tasks that failed, were cancelled or expired are tried again; to run another one \
             once more, submit it again",
        ),
        _ => failed,
    })
}
