//! `oq history`.

use oq_core::StoreTime;
use oq_core::queue::TaskView;
use oq_core::record::{Event, Failure, TaskId, WorkerId};
use serde::Serialize;

use super::shown::step;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Row;
use crate::said;
use crate::session::Session;

/// Show what became of a task so far, the oldest first, and how it ended.
///
/// Its object keeps the last twenty steps; the end is its outcome. Costs 2 GET.
#[derive(Debug, clap::Args)]
pub struct History {
    /// The task's id, or a unique beginning of it.
    id: String,
}

/// A step, or the end, which is a word of another kind.
#[derive(Debug, Serialize)]
struct EventRow {
    id: TaskId,
    at: StoreTime,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<WorkerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl EventRow {
    fn step(id: TaskId, event: Event) -> EventRow {
        EventRow {
            id,
            at: event.at,
            what: step(&event),
            delivery: Some(event.delivery).filter(|n| *n > 0),
            worker: event.worker,
            reason: event.reason,
        }
    }

    /// How it ended, which is an outcome and no step.
    fn end(view: &TaskView) -> Option<EventRow> {
        let at = view.ended.filter(|_| view.state.is_over())?;
        let why = view.failure.as_ref();
        Some(EventRow {
            id: view.id,
            at,
            what: view.state.to_string(),
            delivery: Some(view.delivery).filter(|n| *n > 0),
            worker: None,
            reason: why.map(|f| format!("{}: {}", f.kind, f.message)),
        })
    }
}

impl Row for EventRow {
    const HEADS: &'static [&'static str] = &["at", "what", "delivery", "worker", "reason"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.at.to_string(),
            self.what.clone(),
            self.delivery.unwrap_or_default().to_string(),
            self.worker
                .as_ref()
                .map(|w| w.to_string())
                .unwrap_or_default(),
            Failure::first_line(self.reason.as_deref().unwrap_or_default()).to_owned(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        let mut fields = self.cells();
        fields[4] = self.reason.clone().unwrap_or_default();
        fields
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
            let view = queue.get(id).await?;
            for event in &view.history {
                rows.push(&EventRow::step(id, event.clone()))?;
            }
            if let Some(end) = EventRow::end(&view) {
                rows.push(&end)?;
            }
        }
        if rows.end()? == 0 {
            oq.print
                .note("nobody has claimed it yet: it has no history");
        }
        Ok(Exit::Ok)
    }
}
