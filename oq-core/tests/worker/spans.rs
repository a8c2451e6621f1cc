//! A subscriber of `tracing` that remembers spans, and in which of them something was said.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One span.
#[derive(Debug, Clone)]
pub struct Seen {
    pub name: &'static str,
    fields: Fields,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.0.get(name).map(String::as_str)
    }
}

#[derive(Debug, Clone, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

#[derive(Default)]
struct Memory {
    spans: Vec<Seen>,
    /// What was said, and the spans around it.
    said: Vec<(String, Vec<Seen>)>,
}

/// The spans that were opened on this thread since it was installed.
#[derive(Clone, Default)]
pub struct Spans(Arc<Mutex<Memory>>);

impl Spans {
    pub fn install(&self) -> DefaultGuard {
        let registry = tracing_subscriber::registry().with(self.clone());
        tracing::subscriber::set_default(registry)
    }

    pub fn named(&self, name: &str) -> Vec<Seen> {
        let memory = self.0.lock().unwrap();
        let these = memory.spans.iter().filter(|span| span.name == name);
        these.cloned().collect()
    }

    /// The spans around what was said first in these words.
    pub fn around(&self, words: &str) -> Vec<Seen> {
        let memory = self.0.lock().unwrap();
        let said = memory.said.iter().find(|(said, _)| said == words);
        said.map(|(_, spans)| spans.clone()).unwrap_or_default()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let seen = Seen {
            name: attributes.metadata().name(),
            fields,
        };
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(seen.clone());
        }
        self.0.lock().unwrap().spans.push(seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(seen) = span.extensions_mut().get_mut::<Seen>()
        {
            values.record(&mut seen.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = context.event_scope(event).into_iter().flatten();
        let spans = spans.filter_map(|span| span.extensions().get::<Seen>().cloned());
        let said = fields.0.remove("message").unwrap_or_default();
        self.0.lock().unwrap().said.push((said, spans.collect()));
    }
}
