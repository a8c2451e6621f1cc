//! `oq get`.

use oq_core::queue::{Queue, TaskView};
use oq_core::record::TaskId;
use serde_json::Value;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// Show a task as JSON.
#[derive(Debug, clap::Args)]
pub struct Get {
    /// The task's id.
    id: TaskId,
}

impl Get {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let view = queue.get(self.id).await?;
        oq.print.line(&shown(&queue, &view).await?.to_string())?;
        Ok(Exit::Ok)
    }
}

/// A task with its input and output, where they are known.
async fn shown(queue: &Queue, view: &TaskView) -> Result<Value, Failed> {
    let unshown = |e: serde_json::Error| Failed::unusable(format!("it cannot be shown: {e}"), "");
    let mut value = serde_json::to_value(view).map_err(unshown)?;
    let parts = [
        ("input", queue.input(view).await?),
        ("output", queue.output(view).await?),
    ];
    for (name, part) in parts {
        if let Some(json) = part {
            value[name] = json.to().map_err(unshown)?;
        }
    }
    Ok(value)
}
