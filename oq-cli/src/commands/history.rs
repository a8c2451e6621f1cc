//! `oq history`.

use oq_core::record::{Event, TaskId};
use serde::Serialize;

use super::shown::step;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Row;
use crate::said;
use crate::session::Session;

/// Show what became of a task so far, the oldest first.
///
/// Its object keeps the last twenty steps. Costs 2 GET.
#[derive(Debug, clap::Args)]
pub struct History {
    /// The task's id, or a unique beginning of it.
    id: String,
}

#[derive(Debug, Serialize)]
struct EventRow {
    id: TaskId,
    #[serde(flatten)]
    event: Event,
}

impl Row for EventRow {
    const HEADS: &'static [&'static str] = &["at", "what", "delivery", "worker", "reason"];

    fn cells(&self) -> Vec<String> {
        let event = &self.event;
        vec![
            event.at.to_string(),
            step(event),
            event.delivery.to_string(),
            event
                .worker
                .as_ref()
                .map(|w| w.to_string())
                .unwrap_or_default(),
            event.reason.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl History {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let mut rows = oq.print.rows::<EventRow>();
        for id in said::ids(&[self.id], &queue).await? {
            for event in queue.history(id).await? {
                rows.push(&EventRow { id, event })?;
            }
        }
        if rows.end()? == 0 {
            oq.print
                .note("nobody has claimed it yet: it has no history");
        }
        Ok(Exit::Ok)
    }
}
