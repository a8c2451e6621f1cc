//! `oq submit --jsonl`: many tasks, read as they are needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream;
use oq_core::queue::{Batch, Summary, Task, TaskSpec};
use oq_core::record::{TaskId, TaskType};
use oq_core::{Error, StoreTime};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::options::TaskArgs;
use super::unwritten;
use crate::commands::bulk::partly;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{ID, Row, count};
use crate::said::Lines;
use crate::session::{Session, interrupted};

/// So many wrong lines are told one by one.
const TOLD: u64 = 20;

/// A submission of many tasks.
pub struct Many<'a> {
    pub from: &'a str,
    pub task_type: Option<&'a TaskType>,
    pub pack: Option<usize>,
    pub options: &'a TaskArgs,
}

/// A task that was accepted.
#[derive(Debug, Serialize)]
struct Accepted {
    line: u64,
    id: TaskId,
    existing: bool,
}

impl Row for Accepted {
    const HEADS: &'static [&'static str] = &["line", "id", "existing"];
    const LEAST: &'static [usize] = &[7, ID];

    fn cells(&self) -> Vec<String> {
        vec![
            self.line.to_string(),
            self.id.to_string(),
            self.existing.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// What the reading of lines leaves behind for the one who submits.
#[derive(Debug, Default)]
struct Read {
    /// The lines of tasks that have no answer yet, by their place among the tasks.
    lines: BTreeMap<u64, u64>,
    tasks: u64,
    /// Lines that are no task, and why; told as soon as possible.
    wrong: Vec<(u64, String)>,
    /// Why reading ended before the end.
    broken: Option<Failed>,
    bytes: u64,
    /// Nothing more is to be read, though stdin may stay open.
    stop: CancellationToken,
}

type Shared = Arc<Mutex<Read>>;

fn locked(read: &Shared) -> std::sync::MutexGuard<'_, Read> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Many<'_> {
    pub async fn submit(&self, oq: &Session<'_>) -> Result<Exit, Failed> {
        if self.task_type.is_none() && !self.options.is_empty() {
            return Err(Failed::usage(
                "options of a task and lines that say their own",
                "write the options into the lines, or give the TYPE of all of them",
            ));
        }
        self.options.check()?;
        let lines = Lines::open(self.from)?;
        let bytes = lines.bytes;
        let queue = oq.queue().await?;
        let now = queue.root().now();
        let read = Shared::default();

        let tasks = stream::unfold(lines, |mut lines| {
            let read = read.clone();
            async move {
                self.next(&mut lines, &read, now)
                    .await
                    .map(|task| (task, lines))
            }
        });
        let mut many = queue.submit_stream(tasks);
        if let Some(pack) = self.pack {
            many = many.pack(pack);
        }
        let mut summary = Summary::default();
        let mut rows = oq.print.rows::<Accepted>().at_once();
        let mut progress = oq.print.progress("submitted", None);
        let (mut wrong, mut by_ctrl_c) = (0u64, false);
        let (mut unsaid, mut unread) = (None, Vec::new());
        progress.set(0);
        let mut stop = std::pin::pin!(interrupted());
        loop {
            let batch = tokio::select! {
                batch = many.next() => batch,
                // What is read and sent already is still answered for; nothing more is read.
                () = &mut stop, if !by_ctrl_c => {
                    by_ctrl_c = true;
                    locked(&read).stop.cancel();
                    continue;
                }
            };
            wrong += tell(oq, &read, wrong);
            let Some(batch) = batch else { break };
            summary.add(&batch);
            match &unsaid {
                None => {
                    if let Err(failed) = answered(oq, &read, &batch, &mut rows) {
                        // Nobody reads the ids any more: nothing more is submitted.
                        locked(&read).stop.cancel();
                        unsaid = Some(failed);
                        unread.extend(batch.ids.iter().flatten().copied());
                    }
                }
                Some(_) => unread.extend(batch.ids.iter().flatten().copied()),
            }
            if let Some(bytes) = bytes {
                let share = locked(&read).bytes as f64 / bytes.max(1) as f64;
                let all = (summary.accepted as f64 / share.max(0.001)) as u64;
                progress.expect(all.max(summary.accepted));
            }
            progress.set(summary.accepted + summary.existing);
        }
        wrong += tell(oq, &read, wrong);
        let ended = rows.end();
        let told = progress.summary();
        drop(progress);
        oq.print.note(&format!("submitted {told}"));
        queue.flush().await;
        if let Some(unsaid) = unsaid.or_else(|| ended.err()) {
            return Err(self.unread(oq, &summary, unsaid, &unread));
        }
        let broken = locked(&read).broken.take();
        self.end(&summary, wrong, broken, by_ctrl_c)
    }

    /// The next task of the lines; what is wrong is left for the one who submits.
    async fn next(&self, lines: &mut Lines, read: &Shared, now: StoreTime) -> Option<Task> {
        loop {
            let stop = locked(read).stop.clone();
            let line = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                line = lines.next() => line,
            };
            let (number, line) = match line {
                Ok(next) => next?,
                Err(broken) => {
                    locked(read).broken = Some(broken);
                    return None;
                }
            };
            let mut read = locked(read);
            let line = match line {
                Ok(line) => line,
                Err(why) => {
                    read.wrong.push((number, why));
                    continue;
                }
            };
            read.bytes += line.len() as u64 + 1;
            if line.trim().is_empty() {
                continue;
            }
            match self.task(&line, now) {
                Ok(task) => {
                    let place = read.tasks;
                    read.lines.insert(place, number);
                    read.tasks += 1;
                    return Some(task);
                }
                Err(why) => read.wrong.push((number, why)),
            }
        }
    }

    fn task(&self, line: &str, now: StoreTime) -> Result<Task, String> {
        let task = match self.task_type {
            Some(task_type) => {
                let task = Task::json(task_type.as_str(), line).map_err(|e| e.to_string())?;
                return self
                    .options
                    .apply(task, now)
                    .map_err(|e| e.why().to_owned());
            }
            None => TaskSpec::parse(line).and_then(TaskSpec::task),
        };
        task.map_err(|e| e.to_string())
    }

    /// The ids of accepted tasks could not be written where they were to go: said on stderr, or
    /// whoever repeats the command submits them twice.
    fn unread(
        &self,
        oq: &Session<'_>,
        summary: &Summary,
        unsaid: Failed,
        unread: &[TaskId],
    ) -> Failed {
        for id in unread {
            oq.print.loss(&format!("accepted, and not written: {id}"));
        }
        let good = summary.accepted + summary.existing;
        unwritten(unsaid)
            .of(format!("{} tasks were accepted", count(good)))
            .next("do not submit these again; their ids are on stdout as far as it took them, then above")
    }

    fn end(
        &self,
        summary: &Summary,
        wrong: u64,
        broken: Option<Failed>,
        by_ctrl_c: bool,
    ) -> Result<Exit, Failed> {
        let good = summary.accepted + summary.existing;
        let bad = wrong + summary.failed + summary.in_doubt.len() as u64;
        if by_ctrl_c {
            return Err(Failed::interrupted());
        }
        if let Some(broken) = broken {
            return Err(match good {
                0 => broken,
                good => partly("submitted before that", good, bad.max(1)).of(broken.why()),
            });
        }
        match (&summary.error, good) {
            (None, _) if wrong == 0 => Ok(Exit::Ok),
            (None | Some(Error::Invalid { .. }), 0) => Err(Failed::usage(
                format!("nothing was submitted: {} lines are wrong", count(bad)),
                "correct the lines that are told above",
            )),
            (Some(e), 0) => Err(e.clone().into()),
            (Some(e), good) if !matches!(e, Error::Invalid { .. }) => {
                Err(partly("submitted", good, bad).of(e))
            }
            (_, good) => Err(partly("submitted", good, bad)),
        }
    }
}

/// Tells of lines that are no task; returns how many there were.
fn tell(oq: &Session<'_>, read: &Shared, before: u64) -> u64 {
    let wrong = std::mem::take(&mut locked(read).wrong);
    for (n, (line, why)) in (before..).zip(&wrong) {
        match n {
            0..TOLD => oq
                .print
                .failed(&Failed::usage(format!("line {line}: {why}"), "")),
            TOLD => oq.print.failed(&Failed::usage("more lines are wrong", "")),
            _ => {}
        }
    }
    wrong.len() as u64
}

/// Prints the ids of a batch, or why its tasks have none.
fn answered(
    oq: &Session<'_>,
    read: &Shared,
    batch: &Batch,
    rows: &mut crate::print::Rows<'_, Accepted>,
) -> Result<(), Failed> {
    let lines: Vec<u64> = {
        let mut read = locked(read);
        let lines = batch.places.iter().map(|place| read.lines.remove(place));
        lines.map(Option::unwrap_or_default).collect()
    };
    match &batch.ids {
        Ok(ids) => {
            for (line, id) in lines.iter().zip(ids) {
                rows.push(&Accepted {
                    line: *line,
                    id: *id,
                    existing: batch.existing,
                })?;
            }
        }
        Err(e) => {
            let (first, last) = (lines.first(), lines.last());
            let of = match (first, last) {
                (Some(a), Some(b)) if a == b => format!("line {a}"),
                (Some(a), Some(b)) => format!("{} lines from {a} to {b}", lines.len()),
                _ => "a line".to_owned(),
            };
            oq.print.failed(&Failed::from(e.clone()).of(of));
        }
    }
    Ok(())
}
