//! What a worker tells on stderr: its events, what its programs write, and what the core warns of.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::env::{Env, Mono};
use oq_core::worker::{Drained, Event};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::log::Entry;
use crate::print::{EventLine, Format};
use crate::session::Session;

/// How lines on stderr are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Human,
    /// A JSON object a line.
    Jsonl,
    /// Nothing.
    Off,
}

/// The same warning is told no more often than this.
const REPEAT: Duration = Duration::from_secs(10);

/// Where what is told comes from.
pub struct Told {
    pub waiting: mpsc::Receiver<Event>,
    pub logged: mpsc::Receiver<Entry>,
    pub shown: mpsc::Receiver<(String, String)>,
}

/// Prints it.
pub struct Teller<'a> {
    oq: &'a Session<'a>,
    format: LogFormat,
    env: Env,
    warned: BTreeMap<String, (Mono, u64)>,
}

impl<'a> Teller<'a> {
    pub fn new(oq: &'a Session<'a>, format: LogFormat, env: Env) -> Teller<'a> {
        Teller {
            oq,
            format,
            env,
            warned: BTreeMap::new(),
        }
    }

    /// Until `done`, and what there is then.
    pub async fn tell(mut self, mut told: Told, done: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                Some(event) = told.waiting.recv() => self.event(&event),
                Some((id, text)) = told.shown.recv() => {
                    self.line(&EventLine::new("stderr").with("id", id).with("text", text));
                }
                Some(entry) = told.logged.recv() => self.warn(entry),
                () = done.cancelled() => return,
            }
        }
    }

    fn event(&self, event: &Event) {
        if let Some(line) = EventLine::of(event) {
            self.line(&line);
        }
    }

    fn warn(&mut self, entry: Entry) {
        let now = self.env.now();
        let (told_at, silent) = self
            .warned
            .get(&entry.message)
            .copied()
            .unwrap_or((Mono::default(), 0));
        if told_at != Mono::default() && now.since(told_at) < REPEAT {
            self.warned.insert(entry.message, (told_at, silent + 1));
            return;
        }
        let mut line = EventLine::new(entry.level).with("message", &entry.message);
        if !entry.details.is_empty() {
            line = line.with("about", &entry.details);
        }
        if silent > 0 {
            line = line.with("more", format!("{silent} times since"));
        }
        self.line(&line);
        self.warned.insert(entry.message, (now, 0));
    }

    fn line(&self, line: &EventLine) {
        match self.format {
            LogFormat::Human => self.oq.print.aside(&line.text()),
            LogFormat::Jsonl => self.oq.print.aside(&line.json()),
            LogFormat::Off => {}
        }
    }
}

/// What a drain did, as one line.
pub fn summary(drained: &Drained, format: Format) -> String {
    if format != Format::Table {
        return serde_json::json!(drained).to_string();
    }
    let counts = [
        ("completed", drained.completed),
        ("failed", drained.failed),
        ("cancelled", drained.cancelled),
        ("expired", drained.expired),
        ("to be tried again", drained.retried),
        ("to come later", drained.rescheduled),
        ("given back", drained.released),
        ("lost", drained.lost),
    ];
    let shown: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    match shown.is_empty() {
        true => "nothing was due".to_owned(),
        false => shown.join(", "),
    }
}
