//! What Lambda passes to a function, read into what oq can do about it. Pure: text in, [`Event`] out.
//!
//! One document after another source's is told apart by the members that only it has. Members that
//! nobody asked for are skipped unread, so an event of 6 MB costs little memory.

mod direct;
mod drain;
mod http;
mod message;
mod notice;

pub use drain::{DrainRequest, What};
pub use http::Request;
pub use message::{Message, Source};
pub use notice::{Notice, Wrote};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::submit::Submit;

/// An event.
#[derive(Debug)]
pub enum Event {
    /// Objects of a bucket were written, as its notifications say, one message or several.
    Objects(Source, Vec<Message>),
    /// A schedule asks to look for work.
    Tick,
    /// Somebody asks for a drain.
    Drain(DrainRequest),
    /// A task to submit, from a direct invocation.
    Submit(Box<Submit>),
    /// A request to a function URL or an API gateway.
    Http(Box<Request>),
}

/// Why a document is no event that oq knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(pub String);

const FORMS: &str = "oq knows S3 and EventBridge notifications, also through SQS and SNS, schedules, \
    requests to a function URL or an API gateway, {\"drain\": true} and {\"type\": …}";

/// The members by which documents are told apart.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(rename = "Event", borrow)]
    test: Option<&'a RawValue>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(rename = "requestContext", borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    drain: Option<&'a RawValue>,
    #[serde(rename = "type", borrow)]
    task_type: Option<&'a RawValue>,
}

impl Event {
    /// Reads the document of an invocation.
    ///
    /// # Errors
    ///
    /// [`Unknown`] for what is none of the documents that oq knows.
    ///
    /// ```
    /// use oq_lambda::event::Event;
    /// assert!(matches!(Event::read(r#"{ "drain": true }"#), Ok(Event::Drain(_))));
    /// assert!(Event::read("{}").is_err());
    /// ```
    pub fn read(document: &str) -> Result<Event, Unknown> {
        let outline: Outline<'_> = read(document, "the event")?;
        if outline.request.is_some() {
            return Ok(Event::Http(Box::new(read(document, "the request")?)));
        }
        if outline.records.is_some() || outline.test.is_some() {
            return message::read_records(document);
        }
        match outline.detail_type.as_deref() {
            Some("Scheduled Event") => return Ok(Event::Tick),
            Some(_) if outline.source.is_some() => {
                let message = Message::alone(notice::of_document(document)?);
                return Ok(Event::Objects(Source::Whole, vec![message]));
            }
            _ => {}
        }
        if outline.drain.is_some() {
            return Ok(Event::Drain(read(document, "the request to drain")?));
        }
        if outline.task_type.is_some() {
            return Ok(Event::Submit(Box::new(direct::task(document)?)));
        }
        Err(Unknown(format!("not an event that oq knows; {FORMS}")))
    }
}

fn read<'a, T: Deserialize<'a>>(document: &'a str, what: &str) -> Result<T, Unknown> {
    // serde would take an array for the members in their order.
    if !document.trim_start().starts_with('{') {
        return Err(Unknown(format!("{what} is not a JSON object; {FORMS}")));
    }
    serde_json::from_str(document).map_err(|e| Unknown(format!("{what} cannot be read: {e}")))
}

#[cfg(test)]
mod tests;
