//! `oq get`.

use oq_core::queue::{Queue, WhyWaits};
use oq_core::record::TaskId;

use super::bulk::partly;
use super::shown::{TaskRow, card};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Format, json};
use crate::said::Ids;
use crate::session::Session;

/// Show tasks: state, times, attempts, why they wait, error, history.
///
/// For people on a terminal, as JSON in a pipe. Costs 2 GET for each task, one more for each input or output
/// above 128 KiB, and for one that waits 1 GET, 1 LIST and a GET for each worker.
#[derive(Debug, clap::Args)]
pub struct Get {
    #[command(flatten)]
    ids: Ids,
}

impl Get {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let one = self.ids.is_one();
        let ids = self.ids.find(&queue).await?;
        let mut rows = oq.print.rows::<TaskRow>();
        let (mut missing, mut found, mut lost) = (None, 0u64, 0u64);
        let format = oq.print.format();
        for (n, id) in ids.iter().enumerate() {
            let shown = match shown(&queue, *id, format == Format::Table).await {
                Ok(shown) => shown,
                Err(e) if one => return Err(e),
                // The others are shown.
                Err(e) => {
                    oq.print.failed(&e);
                    missing.get_or_insert(e.exit());
                    lost += 1;
                    continue;
                }
            };
            found += 1;
            match (&format, one) {
                (Format::Table, _) => {
                    if n > 0 {
                        oq.print.line("")?;
                    }
                    card(&shown.0, shown.1.as_ref()).print(oq.print)?;
                }
                (Format::Json, true) => oq.print.line(&json(&shown.0)?)?,
                _ => rows.push(&shown.0)?,
            }
        }
        if format != Format::Table && !(one && format == Format::Json) {
            rows.end()?;
        }
        match missing {
            None => Ok(Exit::Ok),
            Some(exit) if found == 0 => Ok(exit),
            Some(_) => Err(partly("shown", found, lost)),
        }
    }
}

/// A task with its input and output, and for people why it waits.
async fn shown(
    queue: &Queue,
    id: TaskId,
    wonder: bool,
) -> Result<(TaskRow, Option<WhyWaits>), Failed> {
    let view = queue.get(id).await?;
    let why = match wonder {
        true => queue.why_waits(&view).await?,
        false => None,
    };
    let (input, output) = (queue.input(&view).await?, queue.output(&view).await?);
    let now = queue.root().now();
    let row = TaskRow {
        view,
        input,
        output,
        now,
    };
    Ok((row, why))
}
