//! What the core tells by `tracing`, on its way to Python's `logging`: each running worker passes it
//! on. Spans are not kept; a program that wants those takes them from the core's own crate.

use std::fmt::{self, Write};
use std::sync::{Mutex, Once, PoisonError, Weak};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Somebody who passes lines on.
pub trait Listener: Send + Sync {
    /// Takes one.
    fn hear(&self, line: Line);
}

/// One line of the log.
#[pyclass(frozen, get_all, from_py_object, module = "oq._oq")]
#[derive(Debug, Clone)]
pub struct Line {
    /// Python's number for it: 20 is information, 30 a warning, 40 an error.
    level: u8,
    /// What happened, and the values that go with it.
    text: String,
}

static LISTENERS: Mutex<Vec<Weak<dyn Listener>>> = Mutex::new(Vec::new());

/// From now on everything that is logged is told to this one as well.
pub fn listen(listener: Weak<dyn Listener>) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        // If somebody else listens to `tracing` in this process, it stays so.
        let _taken = tracing::subscriber::set_global_default(Logs);
    });
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    listeners.retain(|l| l.strong_count() > 0);
    listeners.push(listener);
}

struct Logs;

impl Subscriber for Logs {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.enabled(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::INFO
            && metadata.target().starts_with("oq_")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            _ => 20,
        };
        let line = Line {
            level,
            text: format!("{}{}", text.message, text.values),
        };
        let listeners: Vec<_> = {
            let listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            listener.hear(line.clone());
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message, and ` name=value` for each other field.
#[derive(Default)]
struct Text {
    message: String,
    values: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text cannot fail.
        let _always = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.values, " {name}={value:?}"),
        };
    }
}
