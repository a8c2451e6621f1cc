//! From notifications to what a drain tries. Pure.
//!
//! Of several notices of one object the latest counts: an object that was written and then claimed
//! needs nobody. What is not a live object of the function's own store is left out, and counted.

use std::collections::BTreeMap;

use oq_core::StoreTime;
use oq_core::record::{ObjectId, QueueName};
use oq_core::store::Place;
use oq_core::worker::Lead;
use serde::Serialize;

use crate::event::{Message, Notice, Wrote};

/// Notices that ask for nothing, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Of another bucket.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_bucket: u64,
    /// Outside the store's prefix, or no live object: an outcome, a payload, a foreign file.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_live: u64,
    /// Not of a write.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_written: u64,
    /// Records among others that cannot be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Ignored {
    /// Whether none was.
    pub fn is_none(&self) -> bool {
        *self == Ignored::default()
    }
}

/// An object, as its queue and id.
pub type Object = (QueueName, ObjectId);

/// The objects that a message is about, or why it cannot be read.
pub type About = Result<Vec<Object>, String>;

/// What an event asks for.
#[derive(Debug, Default)]
pub struct Asked {
    /// The objects to try.
    pub leads: Vec<Lead>,
    /// When each was written, as far as the event tells.
    pub written: BTreeMap<Object, StoreTime>,
    /// Each message, by the id that its source knows it by.
    pub messages: Vec<(Option<String>, About)>,
    /// What was left out.
    pub ignored: Ignored,
}

/// What these messages ask of a function whose store is at `place`.
pub fn asked(messages: &[Message], place: Option<&Place>) -> Asked {
    let mut asked = Asked::default();
    let mut latest: BTreeMap<Object, &Notice> = BTreeMap::new();
    for message in messages {
        let objects = match &message.notices {
            Ok(notices) => Ok(notices
                .iter()
                .filter_map(|notice| {
                    let lead = lead(notice, place, &mut asked.ignored)?;
                    let object = (lead.queue, lead.id);
                    let seen = latest.entry(object.clone()).or_insert(notice);
                    if notice.order() > seen.order() {
                        *seen = notice;
                    }
                    Some(object)
                })
                .collect()),
            Err(unknown) => {
                // SQS is told which of its messages it was.
                asked.ignored.unreadable += u64::from(message.id.is_none());
                Err(unknown.to_string())
            }
        };
        asked.messages.push((message.id.clone(), objects));
    }
    for ((queue, id), notice) in latest {
        if let Some(at) = notice.at {
            asked.written.insert((queue.clone(), id), at);
        }
        let lead = Lead::new(queue, id);
        asked.leads.push(match notice.size {
            Some(bytes) => lead.size(bytes),
            None => lead,
        });
    }
    asked
}

fn lead(notice: &Notice, place: Option<&Place>, ignored: &mut Ignored) -> Option<Lead> {
    if notice.wrote != Wrote::Created {
        ignored.not_written += 1;
        return None;
    }
    let (bucket, prefix) = match place {
        Some(place) => (Some(&place.bucket), place.prefix.as_str()),
        // A file or memory: on this machine events are made by hand.
        None => (None, ""),
    };
    if bucket.is_some_and(|bucket| *bucket != notice.bucket) {
        ignored.other_bucket += 1;
        return None;
    }
    let keys = notice.keys();
    let below = keys.iter().filter_map(|key| key.strip_prefix(prefix));
    let lead = below.filter_map(Lead::of_key).next();
    ignored.not_live += u64::from(lead.is_none());
    lead
}

#[cfg(test)]
mod tests;
