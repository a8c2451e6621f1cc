//! `oq wait`.

use std::time::Duration;

use oq_core::queue::TaskState;
use oq_core::record::TaskId;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::said;
use crate::session::Session;

/// Wait until a task is over; prints its result, if it completed, as JSON.
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// The task's id.
    id: TaskId,
    /// Give up waiting after this time (the task goes on), as in 30s, 10m, 1h30m.
    #[arg(long, value_parser = said::duration, default_value = "1h")]
    timeout: Duration,
}

impl Wait {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let id = self.id;
        let view = queue.wait(id, self.timeout).await?;
        if view.state == TaskState::Completed {
            let output = queue.output(&view).await?;
            oq.print
                .line(output.as_ref().map_or("null", |o| o.as_str()))?;
            return Ok(Exit::Ok);
        }
        let why = view.failure.as_ref();
        let why = why.map_or(String::new(), |f| format!(": {}: {}", f.kind, f.message));
        oq.print
            .note(&format!("{id} is {}{why}\nnext: oq get {id}", view.state));
        Ok(Exit::NotCompleted)
    }
}
