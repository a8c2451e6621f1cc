//! `oq result`.

use oq_core::queue::TaskState;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::one_line;
use crate::said::Ids;
use crate::session::Session;

/// Print what tasks returned, as JSON, one line each.
///
/// Does not wait: a task that is not over yet is a conflict (exit code 5). Costs 2 GET a task.
#[derive(Debug, clap::Args)]
pub struct Result_ {
    #[command(flatten)]
    ids: Ids,
}

impl Result_ {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let ids = self.ids.find(&queue).await?;
        let mut end = Exit::Ok;
        for id in &ids {
            let view = queue.get(*id).await?;
            if view.state == TaskState::Completed {
                let output = queue.output(&view).await?;
                let text = output.as_ref().map_or("null", |o| o.as_str());
                oq.print.line(&one_line(text.to_owned()))?;
                continue;
            }
            let failed = match view.state.is_over() {
                true => super::wait::not_completed(&view),
                false => Failed::new(
                    Exit::Conflict,
                    "OQ-CONFLICT",
                    format!("{id} has no result yet: it is {}", view.state),
                    format!("oq wait {id}"),
                ),
            };
            if ids.len() == 1 {
                return Err(failed);
            }
            oq.print.failed(&failed);
            end = failed.exit();
        }
        Ok(end)
    }
}
