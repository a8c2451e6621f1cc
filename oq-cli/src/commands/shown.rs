//! A task as commands print it: a row of a list, a card, or JSON.

use oq_core::StoreTime;
use oq_core::queue::{TaskView, WhyWaits};
use oq_core::record::{Event, Failure, Json};
use oq_core::span;
use serde::Serialize;

use crate::print::{Card, ID, Row, Tone, shortened};

/// A task among others.
#[derive(Debug, Serialize)]
pub struct TaskRow {
    #[serde(flatten)]
    pub view: TaskView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    #[serde(skip)]
    pub now: StoreTime,
}

impl TaskRow {
    /// A task without its input and output.
    pub fn bare(view: TaskView, now: StoreTime) -> TaskRow {
        TaskRow {
            view,
            input: None,
            output: None,
            now,
        }
    }
}

impl Row for TaskRow {
    const HEADS: &'static [&'static str] =
        &["id", "type", "state", "attempts", "submitted", "what"];
    const LEAST: &'static [usize] = &[ID, 8, 9];

    fn cells(&self) -> Vec<String> {
        let view = &self.view;
        vec![
            view.id.to_string(),
            view.task_type.to_string(),
            view.state.to_string(),
            view.attempts.to_string(),
            ago(view.submitted, self.now),
            remark(view, self.now),
        ]
    }

    fn fields(&self) -> Vec<String> {
        let view = &self.view;
        let mut fields = self.cells();
        fields[4] = view.submitted.to_string();
        if let Some(until) = view.available_at {
            fields[5] = format!("due {until}");
        }
        fields
    }

    fn id(&self) -> String {
        self.view.id.to_string()
    }

    fn tone(&self, column: usize) -> Tone {
        match column {
            2 => Tone::of_state(self.view.state),
            _ => Tone::Plain,
        }
    }
}

/// What is most worth knowing of a task in a few words.
fn remark(view: &TaskView, now: StoreTime) -> String {
    if let Some(until) = view.available_at {
        return format!("due in {}", span::rough(until.since(now)));
    }
    if let Some(progress) = view.progress {
        return format!("{} of {}", progress.done, progress.total);
    }
    match &view.failure {
        Some(failure) => {
            let message = shortened(Failure::first_line(&failure.message));
            format!("{}: {message}", failure.kind)
        }
        None if view.cancel_requested => "cancel requested".to_owned(),
        None => String::new(),
    }
}

/// How long ago something was.
pub fn ago(at: StoreTime, now: StoreTime) -> String {
    match at > now {
        true => format!("in {}", span::rough(at.since(now))),
        false => format!("{} ago", span::rough(now.since(at))),
    }
}

/// A task for somebody who wants to know all of it.
pub fn card(row: &TaskRow, why: Option<&WhyWaits>) -> Card {
    let (view, now) = (&row.view, row.now);
    let when = |at: StoreTime| format!("{at} ({})", ago(at, now));
    let tags: Vec<String> = view.tags.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let options = &view.options;
    let failure = view.failure.as_ref();
    let excused = view.starts.saturating_sub(view.attempts);
    let excused = match excused {
        0 => String::new(),
        n => format!(", and {n} that were not its fault"),
    };
    Card::new()
        .field("id", view.id.to_string())
        .field("type", view.task_type.to_string())
        .toned("state", view.state.to_string(), Tone::of_state(view.state))
        .field("why it waits", why.map(|why| why.told(now)))
        .field("submitted", when(view.submitted))
        .field("due", view.available_at.map(when))
        .field("ended", view.ended.map(when))
        .field(
            "attempts",
            format!("{} of {}{excused}", view.attempts, options.retry.attempts),
        )
        .field("priority", view.priority.value().to_string())
        .field("worker", view.worker.as_ref().map(|w| w.to_string()))
        .field(
            "progress",
            view.progress.map(|p| format!("{} of {}", p.done, p.total)),
        )
        .field(
            "cancel",
            view.cancel_requested.then(|| "requested".to_owned()),
        )
        .field("tags", (!tags.is_empty()).then(|| tags.join("  ")))
        .field("retry of", view.retry_of.map(|id| id.to_string()))
        .field("expires", options.expires_at.map(when))
        .field(
            "limits",
            format!(
                "timeout {}, lease {}, kept {}",
                span::exact(options.timeout),
                span::exact(options.lease),
                span::exact(options.retention)
            ),
        )
        .field("trace", view.trace.clone())
        .field("input", row.input.as_ref().map(value))
        .field("output", row.output.as_ref().map(value))
        .field(
            "error",
            failure.map(|f| {
                let fatal = if f.fatal {
                    " (not to be tried again)"
                } else {
                    ""
                };
                format!("{}{fatal}", f.kind)
            }),
        )
        .text(
            "message",
            failure.map(|f| f.message.clone()).unwrap_or_default(),
        )
        .text("history", history(&view.history))
}

/// An input or output, of a long one the beginning.
fn value(json: &Json) -> String {
    let shown = shortened(json.as_str());
    match shown.len() < json.as_str().len() {
        true => format!("{shown}: all of it with -o json"),
        false => shown,
    }
}

fn history(events: &[Event]) -> String {
    let lines = events.iter().map(|event| {
        let mut line = format!("{}  {}", event.at, step(event));
        if event.delivery > 0 {
            line.push_str(&format!("  delivery {}", event.delivery));
        }
        if let Some(worker) = &event.worker {
            line.push_str(&format!("  worker {worker}"));
        }
        if let Some(reason) = &event.reason {
            line.push_str(&format!("  {reason}"));
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The word for a step, as it is written in JSON too.
pub fn step(event: &Event) -> String {
    match serde_json::to_value(event.what) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
