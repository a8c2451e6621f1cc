//! `oq queue drain`.

use std::time::Duration;

use oq_core::queue::Left;

use super::{Limit, Which};
use crate::commands::bulk::tasks;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// How often it looks: a listing of all live tasks each time.
const LOOK: Duration = Duration::from_secs(2);

/// Pause a queue and wait until nothing runs any more, so that workers can be replaced or the store
/// be looked after. The queue stays paused.
///
/// A task whose worker fell silent does not run once its lease is over. It is not waited for, and taken
/// over when the queue goes on. With --empty the queue is not paused: waits until workers have brought
/// everything to its end. Costs 1 GET and 1 LIST for a thousand live objects every 2 s, and 2 GET for an
/// object that has not been written for 2 s, 4 s, 8 s and so on.
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
        let queue = self.which.existing(oq).await?;
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
        let mut draining = queue.draining();
        let last = loop {
            let look = draining.look().await?;
            let left = self.left(&look);
            let first = *first.get_or_insert(left.max(1));
            progress.expect(first.max(left));
            progress.set(first.saturating_sub(left));
            if left == 0 {
                break look;
            }
            let waited = env.now().since(began);
            let rest = self.limit.timeout.saturating_sub(waited);
            if rest.is_zero() {
                return Err(Failed::new(
                    Exit::TimedOut,
                    "OQ-TIMED-OUT",
                    format!("{name}: {}", told(&look)),
                    match self.empty {
                        true => format!("oq worker list --queue {name}"),
                        false => format!("wait again, or go on with oq queue resume {name}"),
                    },
                ));
            }
            env.sleep(LOOK.min(rest)).await;
        };
        drop(progress);
        if self.empty {
            oq.print.note(&format!("{name} is empty"));
            return Ok(Exit::Ok);
        }
        if last.silent > 0 {
            oq.print.note(&format!(
                "{} held by workers that fell silent: taken over when {name} goes on",
                tasks(last.silent as usize)
            ));
        }
        oq.print.note(&format!(
            "nothing of {name} runs\nnext: oq queue resume {name}"
        ));
        Ok(Exit::Ok)
    }

    fn left(&self, look: &Left) -> u64 {
        match self.empty {
            true => look.running + look.silent + look.runnable + look.waiting + look.purged,
            false => look.running,
        }
    }
}

fn told(look: &Left) -> String {
    let mut told = format!(
        "{} run, {} may be started, {} wait for later",
        look.running, look.runnable, look.waiting
    );
    for (tasks, how) in [
        (look.silent, "are held by workers that fell silent"),
        (look.purged, "were purged and are not removed yet"),
    ] {
        if tasks > 0 {
            told.push_str(&format!(", {tasks} {how}"));
        }
    }
    told
}
