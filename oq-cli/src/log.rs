//! What the core logs, handed to the command that runs: warnings, and more with `OQ_LOG`.

use std::fmt::{Debug, Write};

use oq_core::words;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::failed::Failed;

/// One thing that was logged.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `warn`, `error` …
    pub level: &'static str,
    /// What is said, the same each time it happens.
    pub message: String,
    /// What differs, as `name=value`.
    pub details: String,
}

/// Sends what is logged from now on; what does not fit is dropped.
pub fn to(sender: mpsc::Sender<Entry>) -> Result<(), Failed> {
    let least = match std::env::var(words::LOG) {
        Ok(text) if !text.is_empty() => words::level(&text)?,
        _ => Level::WARN,
    };
    let layer = Sender { least, sender };
    // Somebody who runs this library in a program of his own has a subscriber already.
    let _theirs =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    Ok(())
}

struct Sender {
    least: Level,
    sender: mpsc::Sender<Entry>,
}

impl<S: Subscriber> Layer<S> for Sender {
    fn enabled(&self, about: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        about.level() <= &self.least && about.target().starts_with("oq_")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut entry = Entry {
            level,
            message: String::new(),
            details: String::new(),
        };
        event.record(&mut entry);
        let _full = self.sender.try_send(entry);
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
            return;
        }
        let gap = if self.details.is_empty() { "" } else { " " };
        let _into_memory = write!(self.details, "{gap}{}={value:?}", field.name());
    }
}
