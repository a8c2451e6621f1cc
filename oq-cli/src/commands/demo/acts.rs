//! What is shown: three acts, and what each of them asked of the store.

use std::time::Duration;

use oq_core::env::Mono;
use oq_core::queue::{Cancelled, Task};
use oq_core::record::{Retry, TaskId};
use oq_core::store::Requests;

use super::report::{Act, Fate, Report};
use super::stage::Stage;
use crate::failed::Failed;
use crate::print::Printer;

/// How many lone tasks are submitted.
const LONE: u64 = 60;

/// How many of the packed tasks share an object.
const PACK: usize = 100;

/// How often the live line is drawn.
const DRAW: Duration = Duration::from_millis(100);

/// All acts, one after the other.
pub async fn all(stage: &Stage, packed: u64, print: &Printer) -> Result<Report, Failed> {
    let began = stage.queue.root().env().now();
    let lone = echoes(stage, "lone tasks, an object each", LONE, 1, print).await?;
    let packed = echoes(stage, "tasks that share objects", packed, PACK, print).await?;
    let fates = fates(stage, print).await?;
    Ok(Report {
        lone,
        packed,
        fates,
        requests: stage.meter.snapshot(),
        seconds: since(stage, began),
    })
}

/// Tasks of which nothing is to be told but their number.
async fn echoes(
    stage: &Stage,
    what: &'static str,
    tasks: u64,
    pack: usize,
    print: &Printer,
) -> Result<Act, Failed> {
    print.note(&format!("{tasks} {what}"));
    let (began, before, target) = begin(stage, tasks);
    let echoes = (0..tasks).filter_map(|n| Task::new("echo", &n).ok());
    let summary = stage.queue.submit_many(echoes).pack(pack).run().await;
    if let Some(error) = summary.error {
        return Err(error.into());
    }
    watch(stage, target, tasks, print).await;
    Ok(Act {
        what,
        tasks,
        seconds: since(stage, began),
        requests: stage.meter.snapshot() - before,
    })
}

/// One task of each fate.
async fn fates(stage: &Stage, print: &Printer) -> Result<Vec<Fate>, Failed> {
    print.note("and one each that is delayed, retried, told to come later, failed and cancelled");
    let soon = Duration::from_millis(500);
    let queue = &stage.queue;
    // The cancelled one is over before a worker meets it.
    let (_, _, target) = begin(stage, 4);
    let hour = Duration::from_secs(3600);
    let cast = [
        (
            "delayed by 2 s",
            Task::new("echo", "at last")?.delay(soon * 4),
        ),
        (
            "fails twice, is tried again",
            Task::new("flaky", &2)?.retry(Retry::fixed(5, soon)),
        ),
        ("comes again after 1 s", Task::new("later", &1)?),
        (
            "fails for good: a dead letter",
            Task::new("fail", "no such customer")?.retry(Retry::fixed(2, soon)),
        ),
        (
            "cancelled while it waits",
            Task::new("echo", "never")?.delay(hour),
        ),
    ];
    let mut ids: Vec<(&'static str, TaskId)> = Vec::new();
    for (what, task) in cast {
        ids.push((what, queue.submit(task).await?.id));
    }
    if let Some((_, last)) = ids.last() {
        let cancelled = queue.cancel(*last).await?;
        debug_assert_ne!(cancelled, Cancelled::Requested);
    }
    watch(stage, target, 4, print).await;
    let mut fates = Vec::new();
    for (what, id) in ids {
        let view = queue.wait(id, hour).await?;
        fates.push(Fate { what, view });
    }
    Ok(fates)
}

fn begin(stage: &Stage, tasks: u64) -> (Mono, Requests, u64) {
    let now = stage.queue.root().env().now();
    (now, stage.meter.snapshot(), stage.over.get() + tasks)
}

/// Waits until so many tasks are over, and shows how many are.
async fn watch(stage: &Stage, target: u64, tasks: u64, print: &Printer) {
    let mut progress = print.progress("done", Some(tasks));
    let env = stage.queue.root().env();
    while env.within(DRAW, stage.over.reaches(target)).await.is_none() {
        let left = target.saturating_sub(stage.over.get());
        progress.set(tasks.saturating_sub(left));
    }
}

fn since(stage: &Stage, began: Mono) -> f64 {
    stage.queue.root().env().now().since(began).as_secs_f64()
}
