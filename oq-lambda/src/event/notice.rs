//! Notifications of a bucket: "this object was written". S3's own, and EventBridge's.

use oq_core::StoreTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Unknown, read};

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// It was written, as a new object or a new version.
    Created,
    /// Anything else: deleted, tagged, restored.
    Other,
}

/// An object of a bucket that something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub wrote: Wrote,
    /// In which bucket.
    pub bucket: String,
    /// Its key as the notification says it; S3 encodes it like a form's field.
    pub key: String,
    /// The length of its body.
    pub size: Option<u64>,
    /// When, on the bucket's clock.
    pub at: Option<StoreTime>,
    /// Which of two writes of one key came later: hexadecimal digits.
    pub sequencer: String,
}

impl Notice {
    /// The key in its two readings: decoded, and as it is. EventBridge and people do not encode.
    pub fn keys(&self) -> [String; 2] {
        let spaced = self.key.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
        [decoded.into_owned(), self.key.clone()]
    }

    /// What sorts the later of two writes of one key behind the earlier.
    pub fn order(&self) -> (usize, &str, Option<StoreTime>) {
        let digits = self.sequencer.trim_start_matches('0');
        (digits.len(), digits, self.at)
    }
}

/// One record of S3's own notification.
#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(rename = "eventName", default)]
    name: String,
    #[serde(rename = "eventTime", default)]
    time: Option<String>,
    s3: What,
}

#[derive(Deserialize)]
struct What {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    sequencer: String,
}

impl Record {
    pub fn notice(self) -> Notice {
        let name = self.name.strip_prefix("s3:").unwrap_or(&self.name);
        // Made by hand, it may not say what was done.
        let created = name.is_empty() || name.starts_with("ObjectCreated");
        notice(created, self.s3, self.time)
    }
}

fn notice(created: bool, what: What, time: Option<String>) -> Notice {
    let at = time.and_then(|t| t.parse::<jiff::Timestamp>().ok());
    Notice {
        wrote: if created {
            Wrote::Created
        } else {
            Wrote::Other
        },
        bucket: what.bucket.name,
        key: what.object.key,
        size: what.object.size,
        at: at.and_then(|t| u64::try_from(t.as_millisecond()).ok().map(StoreTime)),
        sequencer: what.object.sequencer,
    }
}

/// A notification that came by itself: S3's, its test of a new configuration, or EventBridge's.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "Event")]
    test: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    source: Option<String>,
    time: Option<String>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

/// The notices of such a document.
pub(super) fn of_document(document: &str) -> Result<Vec<Notice>, Unknown> {
    let said: Document<'_> = read(document, "the notification")?;
    if let Some(records) = said.records {
        return Ok(records.into_iter().map(Record::notice).collect());
    }
    if said.test.as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    let (Some(source), Some(kind)) = (&said.source, &said.detail_type) else {
        return Err(Unknown("not a notification of a bucket".into()));
    };
    if source != "aws.s3" {
        return Err(Unknown(format!(
            "an event \"{kind}\" of {source}; oq knows those of aws.s3 and schedules"
        )));
    }
    let detail = said.detail.map_or("null", RawValue::get);
    let what = read(detail, "the notification's detail")?;
    Ok(vec![notice(kind == "Object Created", what, said.time)])
}
