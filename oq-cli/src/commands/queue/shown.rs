//! A queue as it is printed.

use oq_core::queue::{Queue, Stats};
use oq_core::record::{QueueName, Settings};
use oq_core::span;
use serde::Serialize;
use serde_json::{Value, json as value};

use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Card, Format, Row, Tone, json};
use crate::session::Session;

/// A queue among others.
#[derive(Debug, Serialize)]
pub struct QueueRow {
    #[serde(rename = "queue")]
    pub name: QueueName,
    #[serde(flatten)]
    pub stats: Option<Stats>,
}

impl Row for QueueRow {
    const HEADS: &'static [&'static str] = &[
        "queue", "state", "runnable", "waiting", "running", "done", "dead", "oldest",
    ];

    fn cells(&self) -> Vec<String> {
        let Some(stats) = &self.stats else {
            return vec![self.name.to_string()];
        };
        vec![
            self.name.to_string(),
            state(stats.paused).to_owned(),
            stats.runnable.to_string(),
            stats.waiting.to_string(),
            (stats.running + stats.finishing).to_string(),
            stats.done.to_string(),
            stats.dead.to_string(),
            stats.oldest.map(span::rough).unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn tone(&self, column: usize) -> Tone {
        match (column, &self.stats) {
            (1, Some(stats)) if stats.paused => Tone::Busy,
            (6, Some(stats)) if stats.dead > 0 => Tone::Bad,
            _ => Tone::Plain,
        }
    }
}

fn state(paused: bool) -> &'static str {
    if paused { "paused" } else { "open" }
}

/// Prints how full a queue is.
pub fn stats(oq: &Session<'_>, queue: &Queue, stats: &Stats) -> Result<Exit, Failed> {
    let row = QueueRow {
        name: queue.name().clone(),
        stats: Some(stats.clone()),
    };
    match oq.print.format() {
        Format::Table => Card::new()
            .field("queue", row.id())
            .field("state", state(stats.paused).to_owned())
            .field("runnable", stats.runnable.to_string())
            .field("waiting", stats.waiting.to_string())
            .field("running", stats.running.to_string())
            .field("finishing", stats.finishing.to_string())
            .field(
                "purged, to be removed",
                (stats.purged > 0).then(|| stats.purged.to_string()),
            )
            .field("outcomes", stats.done.to_string())
            .field("dead", stats.dead.to_string())
            .field("oldest runnable", stats.oldest.map(span::rough))
            .field("live bytes", stats.live_bytes.to_string())
            .field(
                "foreign",
                (stats.foreign > 0).then(|| stats.foreign.to_string()),
            )
            .field(
                "more",
                stats
                    .more
                    .then(|| "counting stopped: there are more".to_owned()),
            )
            .print(oq.print)?,
        Format::Json => oq.print.line(&json(&row)?)?,
        _ => {
            let mut rows = oq.print.rows();
            rows.push(&row)?;
            rows.end()?;
        }
    }
    Ok(Exit::Ok)
}

/// The settings of a queue as a line of CSV.
#[derive(Debug, Serialize)]
struct SettingsRow<'a> {
    name: &'a QueueName,
    #[serde(skip)]
    settings: &'a Settings,
}

impl Row for SettingsRow<'_> {
    const HEADS: &'static [&'static str] = &[
        "queue",
        "state",
        "shards",
        "shards_high",
        "timeout",
        "lease",
        "retention",
        "attempts",
        "retry_base",
        "retry_cap",
        "purged_before",
    ];

    fn cells(&self) -> Vec<String> {
        let (settings, defaults) = (self.settings, &self.settings.defaults);
        let purged = settings.purged_before.map(|at| at.to_string());
        vec![
            self.name.to_string(),
            state(settings.paused).to_owned(),
            settings.shards.to_string(),
            settings.shards_high.to_string(),
            span::exact(defaults.timeout),
            span::exact(defaults.lease),
            span::exact(defaults.retention),
            defaults.retry.attempts.to_string(),
            span::exact(defaults.retry.base),
            span::exact(defaults.retry.cap),
            purged.unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.name.to_string()
    }
}

/// Prints the settings of a queue.
pub fn settings(oq: &Session<'_>, queue: &Queue, settings: &Settings) -> Result<Exit, Failed> {
    let defaults = &settings.defaults;
    match oq.print.format() {
        Format::Json | Format::Jsonl => {
            let mut shown: Value = value!({
                "queue": queue.name(),
                "paused": settings.paused,
                "shards": settings.shards,
                "shards_high": settings.shards_high,
                "purged_before": settings.purged_before,
            });
            shown["defaults"] = serde_json::to_value(defaults)
                .map_err(|e| Failed::unusable(format!("it cannot be shown: {e}"), ""))?;
            oq.print.line(&json(&shown)?)?;
        }
        Format::Id => oq.print.line(queue.name().as_str())?,
        Format::Csv => {
            let mut rows = oq.print.rows();
            rows.push(&SettingsRow {
                name: queue.name(),
                settings,
            })?;
            rows.end()?;
        }
        Format::Table => {
            let high = settings.shards_high;
            let shards = match settings.shards == high {
                true => settings.shards.to_string(),
                false => format!("{} (workers look at {high})", settings.shards),
            };
            let retry = &defaults.retry;
            Card::new()
                .field("queue", queue.name().to_string())
                .field("state", state(settings.paused).to_owned())
                .field("shards", shards)
                .field("timeout", span::exact(defaults.timeout))
                .field("lease", span::exact(defaults.lease))
                .field("retention", span::exact(defaults.retention))
                .field("attempts", retry.attempts.to_string())
                .field(
                    "retry delay",
                    format!("{} to {}", span::exact(retry.base), span::exact(retry.cap)),
                )
                .field(
                    "purged before",
                    settings.purged_before.map(|at| at.to_string()),
                )
                .print(oq.print)?;
        }
    }
    Ok(Exit::Ok)
}
