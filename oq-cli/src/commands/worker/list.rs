//! `oq worker list`.

use oq_core::StoreTime;
use oq_core::queue::WorkerView;
use serde::Serialize;

use crate::commands::shown::ago;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Row, Tone};
use crate::session::Session;

#[derive(Debug, Serialize)]
struct WorkerRow {
    #[serde(flatten)]
    worker: WorkerView,
    #[serde(skip)]
    now: StoreTime,
}

impl Row for WorkerRow {
    const HEADS: &'static [&'static str] = &["id", "state", "began", "seen", "host", "types"];

    fn cells(&self) -> Vec<String> {
        let worker = &self.worker;
        let about = |name: &str| worker.about.get(name).cloned().unwrap_or_default();
        vec![
            worker.id.to_string(),
            if worker.present { "present" } else { "silent" }.to_owned(),
            ago(worker.since, self.now),
            ago(worker.seen, self.now),
            about("host"),
            about(oq_core::record::Presence::TYPES),
        ]
    }

    fn id(&self) -> String {
        self.worker.id.to_string()
    }

    fn tone(&self, column: usize) -> Tone {
        match (column, self.worker.present) {
            (1, true) => Tone::Good,
            (1, false) => Tone::Bad,
            _ => Tone::Plain,
        }
    }
}

/// Prints who is present, and who fell silent lately.
pub async fn list(oq: &Session<'_>) -> Result<Exit, Failed> {
    let queue = oq.queue().await?;
    let workers = queue.workers().await?;
    let now = queue.root().now();
    let mut rows = oq.print.rows();
    for worker in workers {
        rows.push(&WorkerRow { worker, now })?;
    }
    if rows.end()? == 0 {
        let name = queue.name();
        oq.print
            .note(&format!("no worker is present at the queue {name}"));
    }
    Ok(Exit::Ok)
}
