//! `oq tail`.

use std::time::Duration;

use oq_core::Error;
use oq_core::queue::{Cursor, Happened, Queue, TailEvent, Watch};
use oq_core::record::TaskType;
use serde::Serialize;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Format, Row};
use crate::said;
use crate::session::Session;

/// Tell what happens in a queue: submitted, claimed, retried, completed, failed and so on.
///
/// Costs one GET a look and a few LIST a minute while nothing happens, however many tasks there
/// are. Each JSON line has a cursor: --since CURSOR goes on from there and tells everything that was
/// not told yet, and perhaps a few events twice.
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// Go on until Ctrl-C, from now on unless --since says otherwise.
    #[arg(long, short)]
    follow: bool,

    /// From when on: a span before now (5m), a time (2026-11-21T10:00:00Z), or a cursor; 5m unless
    /// set.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only this kind of event, such as claimed, retried, failed; may be repeated.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<Happened>,

    /// Only tasks of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<TaskType>,

    /// Only tasks with this tag; may be repeated.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = said::tag)]
    tags: Vec<(String, String)>,

    /// The shortest time between two looks.
    #[arg(long, value_parser = said::duration, default_value = "2s")]
    interval: Duration,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(TailEvent);

impl Row for Shown {
    const HEADS: &'static [&'static str] = &[
        "at", "event", "id", "type", "tasks", "delivery", "worker", "reason",
    ];

    fn cells(&self) -> Vec<String> {
        let event = &self.0;
        vec![
            event.at.to_string(),
            event.event.to_string(),
            event.id.to_string(),
            event.task_type.to_string(),
            event.tasks.to_string(),
            event.delivery.to_string(),
            event
                .worker
                .as_ref()
                .map_or(String::new(), ToString::to_string),
            event.reason.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.0.id.to_string()
    }
}

impl Tail {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        let cursor = self.cursor(&queue)?;
        let mut watch = Watch::new();
        for event in &self.events {
            watch = watch.event(*event);
        }
        for task_type in &self.types {
            watch = watch.task_type(task_type.clone());
        }
        for (name, value) in &self.tags {
            watch = watch.tag(name, value);
        }
        let mut tail = queue.tail(watch, cursor).await?.interval(self.interval);
        let mut rows = oq.print.rows();
        loop {
            match tail.poll().await {
                Ok(told) => {
                    for event in told.events {
                        match oq.print.format() {
                            Format::Table => oq.print.line(&line(&event))?,
                            _ => rows.push(&Shown(event))?,
                        }
                    }
                    if told.lost > 0 {
                        let lost = told.lost;
                        oq.print.note(&format!("events of {lost} objects are left out: they change faster than they can be read"));
                    }
                }
                // An outage passes, and nothing is lost by it.
                Err(Error::Unavailable(why)) if self.follow => {
                    oq.print
                        .note(&format!("the store does not answer, trying again: {why}"));
                }
                Err(e) => return Err(e.into()),
            }
            if !self.follow && tail.is_caught_up() {
                break;
            }
            tail.rest().await;
        }
        if oq.print.format() != Format::Table {
            rows.end()?;
        }
        Ok(Exit::Ok)
    }

    fn cursor(&self, queue: &Queue) -> Result<Option<Cursor>, Failed> {
        let now = queue.root().now();
        let Some(since) = &self.since else {
            let past = now.minus(Duration::from_secs(300));
            return Ok((!self.follow).then(|| Cursor::at(past)));
        };
        if let Ok(cursor) = since.parse() {
            return Ok(Some(cursor));
        }
        let time: said::Time = since.parse().map_err(|why: String| {
            Failed::usage(
                format!("--since {since} is no time: {why}"),
                "write 5m, yesterday, 2026-11-21T10:00:00Z, or the cursor of an event",
            )
        })?;
        Ok(Some(Cursor::at(time.before(now))))
    }
}

/// An event for people: the time of day, what happened to whom, where and why.
fn line(event: &TailEvent) -> String {
    let at = event.at.to_string();
    let time = at.get(11..23).unwrap_or(&at);
    let mut line = format!(
        "{time}  {:<16} {:<26} {}",
        event.event, event.id, event.task_type
    );
    if event.tasks > 1 {
        line.push_str(&format!("  {} tasks", event.tasks));
    }
    if event.delivery > 1 {
        line.push_str(&format!("  delivery {}", event.delivery));
    }
    if let Some(worker) = &event.worker {
        line.push_str(&format!("  by {worker}"));
    }
    if let Some(reason) = &event.reason {
        line.push_str(&format!("  {reason}"));
    }
    let shown = line.chars();
    shown
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
