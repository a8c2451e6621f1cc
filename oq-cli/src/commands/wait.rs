//! `oq wait`.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use oq_core::Error;
use oq_core::queue::{TaskState, TaskView};

use super::shown::TaskRow;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{one_line, shortened};
use crate::said::{self, Ids};
use crate::session::Session;

/// How many tasks are waited for at a time.
const AT_A_TIME: usize = 64;

/// Wait until tasks are over.
///
/// Prints the result of one task as JSON; of several a row each, as they end. Exit code 1 if one of
/// them did not complete, 6 if the time was over first. Costs 2 GET a task, then about 32 GET a minute.
#[derive(Debug, clap::Args)]
pub struct Wait {
    #[command(flatten)]
    ids: Ids,

    /// Give up waiting after this time (the tasks go on), as in 30s, 10m, 1h30m
    #[arg(long, value_name = "SPAN", value_parser = said::duration, default_value = "1h", allow_hyphen_values = true)]
    timeout: Duration,
}

impl Wait {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let ids = self.ids.find(&queue).await?;
        if self.ids.is_one()
            && let [id] = ids.as_slice()
        {
            let waited = queue.wait(*id, self.timeout).await;
            let view = waited.map_err(|e| timed_out(e, &id.to_string()))?;
            return result(oq, &queue, &view).await;
        }
        let waits = ids.iter().map(|id| {
            let queue = queue.clone();
            async move { (*id, queue.wait(*id, self.timeout).await) }
        });
        let mut waits = stream::iter(waits).buffer_unordered(AT_A_TIME);
        let mut progress = oq.print.progress("over", Some(ids.len() as u64));
        let mut rows = oq.print.rows::<TaskRow>().at_once();
        let mut end = Exit::Ok;
        progress.set(0);
        while let Some((id, waited)) = waits.next().await {
            match waited {
                Ok(view) => {
                    if view.state != TaskState::Completed && end == Exit::Ok {
                        end = Exit::NotCompleted;
                    }
                    let output = queue.output(&view).await?;
                    let now = queue.root().now();
                    let row = TaskRow {
                        output,
                        ..TaskRow::bare(view, now)
                    };
                    rows.push(&row)?;
                }
                Err(e) => {
                    let failed = timed_out(e, &id.to_string());
                    end = failed.exit();
                    oq.print.failed(&failed.of(id));
                }
            }
            progress.add(1);
        }
        rows.end()?;
        Ok(end)
    }
}

fn timed_out(e: Error, id: &str) -> Failed {
    let late = matches!(e, Error::TimedOut(_));
    let failed = Failed::from(e);
    match late {
        true => failed.next(format!(
            "the task goes on; see where it stands: oq get {id}"
        )),
        false => failed,
    }
}

/// Prints the result of a task that is over; an error if it has none.
pub async fn result(
    oq: &Session<'_>,
    queue: &oq_core::Queue,
    view: &TaskView,
) -> Result<Exit, Failed> {
    if view.state != TaskState::Completed {
        return Err(not_completed(view));
    }
    let output = queue.output(view).await?;
    let text = output.as_ref().map_or("null", |o| o.as_str());
    oq.print.line(&one_line(text.to_owned()))?;
    Ok(Exit::Ok)
}

/// What is said of a task that is over and has no result.
pub fn not_completed(view: &TaskView) -> Failed {
    let id = view.id;
    let why = view.failure.as_ref();
    let why = why.map_or(String::new(), |f| {
        format!(": {}: {}", f.kind, shortened(&f.message))
    });
    Failed::new(
        Exit::NotCompleted,
        "OQ-NOT-COMPLETED",
        format!("{id} is {}{why}", view.state),
        format!("oq get {id}"),
    )
}
