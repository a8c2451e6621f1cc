//! `oq list`.

use oq_core::queue::Listed;

use super::shown::TaskRow;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::said::{self, FilterArgs};
use crate::session::Session;

/// List tasks, as they are found.
///
/// Live tasks come before those that are over; within these the order is that of shards, not of
/// time. Costs 1 LIST for a thousand objects and 1 GET for each object that may hold such a task: ids tell
/// time and priority, lengths roughly the state; type and tags are inside.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    filter: FilterArgs,

    /// No more than so many
    #[arg(
        long,
        default_value = "100",
        conflicts_with = "all",
        allow_negative_numbers = true,
        value_parser = said::limit
    )]
    limit: u64,

    /// All of them
    #[arg(long)]
    all: bool,

    /// Go on behind this cursor, which the last listing told, with the same filter
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

impl List {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let root = queue.root();
        let mut filter = self.filter.filter(root.now())?;
        if let Some(cursor) = &self.after {
            filter = filter.after(cursor);
        }
        let mut listing = queue.list(filter)?;
        let mut rows = oq.print.rows::<TaskRow>();
        let mut shown = 0;
        let mut unreadable = 0;
        let mut cursor = None;
        while self.all || shown < self.limit {
            match listing.next().await? {
                None => {
                    cursor = None;
                    break;
                }
                Some(Listed::Task(view)) => {
                    rows.push(&TaskRow::bare(*view, root.now()))?;
                    shown += 1;
                }
                Some(Listed::Unreadable { key, why }) => {
                    oq.print.note(&format!("{key} cannot be read: {why}"));
                    unreadable += 1;
                }
            }
            cursor = listing.cursor().map(str::to_owned);
        }
        rows.end()?;
        // Whether there is more is asked only where somebody stopped; it costs what a task costs.
        if let Some(cursor) = cursor
            && listing.next().await?.is_some()
        {
            oq.print.note(&format!(
                "there are more\nnext: the same with --after '{cursor}'"
            ));
        }
        if shown == 0 {
            said::is_there(&queue).await?;
            let queue = queue.name();
            oq.print.note(&format!("no such task in the queue {queue}"));
        }
        Ok(match unreadable {
            0 => Exit::Ok,
            _ => Exit::PartlyFailed,
        })
    }
}
