//! `oq queue drain`.

use std::time::Duration;

use oq_core::queue::Stats;

use super::{Limit, Which};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// How often it looks: a listing of all live tasks each time.
const LOOK: Duration = Duration::from_secs(2);

/// Pause a queue and wait until nothing runs any more, so that workers can be replaced or the store
/// be looked after. The queue stays paused.
///
/// With --empty it is not paused: waits until workers have brought everything to its end. Costs 1 GET
/// and 1 LIST for a thousand live objects every 2 s.
#[derive(Debug, clap::Args)]
pub struct Drain {
    #[command(flatten)]
    which: Which,

    /// Do not pause; wait until no task is left, also none that waits for later
    #[arg(long)]
    empty: bool,

    #[command(flatten)]
    limit: Limit,
}

impl Drain {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = self.which.open(oq).await?;
        let name = queue.name();
        if !self.empty {
            queue.pause().await?;
            oq.print
                .note(&format!("{name} is paused; what runs goes on"));
        }
        let env = queue.root().env().clone();
        let began = env.now();
        let mut progress = oq.print.progress("over", None);
        let mut first = None;
        loop {
            let depth = queue.depth().await?;
            let left = self.left(&depth);
            let first = *first.get_or_insert(left.max(1));
            progress.expect(first.max(left));
            progress.set(first.saturating_sub(left));
            if left == 0 {
                break;
            }
            let waited = env.now().since(began);
            let rest = self.limit.timeout.saturating_sub(waited);
            if rest.is_zero() {
                return Err(Failed::new(
                    Exit::TimedOut,
                    "OQ-TIMED-OUT",
                    format!(
                        "{name}: {} run, {} may be started, {} wait for later",
                        depth.running + depth.finishing,
                        depth.runnable,
                        depth.waiting
                    ),
                    match self.empty {
                        true => format!("oq worker list --queue {name}"),
                        false => format!("wait again, or go on with oq queue resume {name}"),
                    },
                ));
            }
            env.sleep(LOOK.min(rest)).await;
        }
        drop(progress);
        oq.print.note(&match self.empty {
            true => format!("{name} is empty"),
            false => format!("nothing of {name} runs\nnext: oq queue resume {name}"),
        });
        Ok(Exit::Ok)
    }

    fn left(&self, depth: &Stats) -> u64 {
        let running = depth.running + depth.finishing;
        match self.empty {
            true => running + depth.runnable + depth.waiting,
            false => running,
        }
    }
}
