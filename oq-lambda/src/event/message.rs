//! Notifications that came in records: S3's own, or wrapped by SQS, by SNS, or by SNS in SQS.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::notice::{self, Notice, Record};
use super::{Event, Unknown, read};

/// How its source is told that a part of an event failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Not at all: the invocation succeeds or fails, and Lambda repeats it as a whole.
    Whole,
    /// SQS takes the ids of the messages to deliver again.
    Sqs,
}

/// What can fail by itself: an SQS message, or all of another event.
#[derive(Debug)]
pub struct Message {
    /// The id to tell SQS.
    pub id: Option<String>,
    /// What it says.
    pub notices: Result<Vec<Notice>, Unknown>,
}

impl Message {
    pub(super) fn alone(notices: Vec<Notice>) -> Message {
        Message {
            id: None,
            notices: Ok(notices),
        }
    }
}

#[derive(Deserialize)]
struct Records<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(rename = "Sns")]
    sns: Option<Published>,
    #[serde(borrow)]
    s3: Option<&'a RawValue>,
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: Option<String>,
}

/// What SNS wraps: as a record's member, or as the body of an SQS message.
#[derive(Deserialize)]
struct Published {
    #[serde(rename = "Message")]
    message: Option<String>,
}

pub(super) fn read_records(document: &str) -> Result<Event, Unknown> {
    let Records { records } = read(document, "the event's Records")?;
    let Some(records) = records else {
        let message = Message::alone(notice::of_document(document)?);
        return Ok(Event::Objects(Source::Whole, vec![message]));
    };
    let (mut source, mut messages) = (Source::Whole, Vec::new());
    for record in records {
        let (from, message) = of_record(record.get());
        if from == Source::Sqs {
            source = from;
        }
        messages.push(message);
    }
    // One that cannot be read keeps no other from being tried.
    if source == Source::Whole
        && !messages.is_empty()
        && messages.iter().all(|message| message.notices.is_err())
    {
        let why = messages.swap_remove(0).notices;
        why?;
    }
    Ok(Event::Objects(source, messages))
}

fn of_record(record: &str) -> (Source, Message) {
    let whole = |notices| (Source::Whole, Message { id: None, notices });
    let outline: Outline<'_> = match read(record, "a record") {
        Ok(outline) => outline,
        Err(unknown) => return whole(Err(unknown)),
    };
    match outline {
        Outline {
            message_id: Some(id),
            body,
            source,
            ..
        } if body.is_some() || source.as_deref() == Some("aws:sqs") => {
            let notices = of_body(body);
            let id = Some(id);
            (Source::Sqs, Message { id, notices })
        }
        Outline {
            sns: Some(Published {
                message: Some(text),
            }),
            ..
        } => whole(notice::of_document(&text)),
        Outline { s3: Some(_), .. } => {
            let read = read(record, "a record of S3");
            whole(read.map(|record: Record| vec![record.notice()]))
        }
        Outline { source, .. } => {
            let from = source.unwrap_or_else(|| "no source that it names".into());
            whole(Err(Unknown(format!(
                "a record of {from}; oq knows those of aws:s3, aws:sqs and aws:sns"
            ))))
        }
    }
}

/// The body of an SQS message: a notification, or what SNS made of one.
fn of_body(body: Option<&RawValue>) -> Result<Vec<Notice>, Unknown> {
    let text = body.map(|body| serde_json::from_str::<String>(body.get()));
    let Some(Ok(body)) = text else {
        return Err(Unknown("a message without a body that is text".into()));
    };
    let published: Published = read(&body, "the message")?;
    notice::of_document(published.message.as_deref().unwrap_or(&body))
}
