//! What the worker of `oq dev` tells, a line each.

use std::sync::atomic::{AtomicU64, Ordering};

use oq_core::worker::Event;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::failed::Failed;
use crate::print::{Format, Printer};

/// Whether programs read what is printed.
pub fn as_json(print: &Printer) -> bool {
    matches!(print.format(), Format::Json | Format::Jsonl)
}

/// Prints what the worker tells, until it is gone.
pub async fn tell(
    print: &Printer,
    mut told: mpsc::Receiver<Event>,
    missed: &AtomicU64,
) -> Result<(), Failed> {
    while let Some(event) = told.recv().await {
        let Some(line) = Line::of(&event) else {
            continue;
        };
        match as_json(print) {
            true => print.line(&line.json().to_string())?,
            false => print.line(&line.text())?,
        }
        let missed = missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            print.note(&format!("{missed} events came too fast to be printed"));
        }
    }
    Ok(())
}

/// One thing that happened, as it is printed.
struct Line {
    event: &'static str,
    id: String,
    task_type: Option<String>,
    detail: Option<String>,
}

impl Line {
    fn of(event: &Event) -> Option<Line> {
        let line = |event, id: String, task_type: Option<String>, detail| {
            Some(Line {
                event,
                id,
                task_type,
                detail,
            })
        };
        match event {
            Event::Started { worker } => line("started", worker.to_string(), None, None),
            Event::Claimed {
                id,
                task_type,
                delivery,
                taken_over,
                ..
            } => {
                let what = if *taken_over { "taken over" } else { "claimed" };
                let again = (*delivery > 1).then(|| format!("delivery {delivery}"));
                line(what, id.to_string(), Some(task_type.to_string()), again)
            }
            Event::Finished {
                id,
                task_type,
                ending,
                failure,
                ..
            } => {
                let why = failure
                    .as_ref()
                    .map(|f| format!("{}: {}", f.kind, f.message));
                let ending = ending.as_str();
                line(ending, id.to_string(), Some(task_type.to_string()), why)
            }
            Event::Retried {
                id,
                task_type,
                failure,
                ..
            } => {
                let why = format!("{}: {}", failure.kind, failure.message);
                line(
                    "retried",
                    id.to_string(),
                    Some(task_type.to_string()),
                    Some(why),
                )
            }
            Event::Rescheduled { id, delay, .. } => {
                let delay = format!("in {} s", delay.as_secs_f64());
                line("rescheduled", id.to_string(), None, Some(delay))
            }
            Event::Lost { id, .. } => line("lost", id.to_string(), None, None),
            Event::Unreadable { why, .. } => {
                line("unreadable", String::new(), None, Some(why.clone()))
            }
            _ => None,
        }
    }

    fn json(&self) -> Value {
        json!({
            "event": self.event,
            "id": self.id,
            "type": self.task_type,
            "detail": self.detail,
        })
    }

    fn text(&self) -> String {
        let parts = [
            Some(&self.id),
            self.task_type.as_ref(),
            self.detail.as_ref(),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        // What a task says of itself must not steer the terminal.
        let text = format!("{:<11} {}", self.event, parts.join("  "));
        text.chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect()
    }
}
