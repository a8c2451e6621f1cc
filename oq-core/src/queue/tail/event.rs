//! What a tail tells: events, their filter, and the cursor from which a reader goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::record::{Ending, ObjectId, Step, TaskId, TaskType, WorkerId, quoted};
use crate::time::StoreTime;

/// What happened to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It was accepted.
    Submitted,
    /// A worker claimed it.
    Claimed,
    /// A worker took it over from one that fell silent.
    TakenOver,
    /// A worker found that a claim of its own had landed after all.
    Adopted,
    /// It failed and is tried again later.
    Retried,
    /// Its handler answered "later".
    Rescheduled,
    /// Its worker gave it back unfinished.
    Released,
    /// Somebody asked to cancel it.
    CancelRequested,
    /// Its handler succeeded.
    Completed,
    /// It failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was not started before its time was over.
    Expired,
}

impl Happened {
    /// All of them, in the order of a task's life.
    pub const ALL: [Happened; 12] = [
        Happened::Submitted,
        Happened::Claimed,
        Happened::TakenOver,
        Happened::Adopted,
        Happened::Retried,
        Happened::Rescheduled,
        Happened::Released,
        Happened::CancelRequested,
        Happened::Completed,
        Happened::Failed,
        Happened::Cancelled,
        Happened::Expired,
    ];

    /// The word for it, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Happened::Submitted => "submitted",
            Happened::Claimed => "claimed",
            Happened::TakenOver => "taken_over",
            Happened::Adopted => "adopted",
            Happened::Retried => "retried",
            Happened::Rescheduled => "rescheduled",
            Happened::Released => "released",
            Happened::CancelRequested => "cancel_requested",
            Happened::Completed => "completed",
            Happened::Failed => "failed",
            Happened::Cancelled => "cancelled",
            Happened::Expired => "expired",
        }
    }

    /// A step of a record's history; the last one is told by the outcomes, task for task.
    pub(super) fn of_step(step: Step) -> Option<Happened> {
        match step {
            Step::Claimed => Some(Happened::Claimed),
            Step::TakenOver => Some(Happened::TakenOver),
            Step::Adopted => Some(Happened::Adopted),
            Step::Retried => Some(Happened::Retried),
            Step::Rescheduled => Some(Happened::Rescheduled),
            Step::Released => Some(Happened::Released),
            Step::CancelRequested => Some(Happened::CancelRequested),
            Step::Cancelled | Step::Expired | Step::Finished => None,
        }
    }
}

impl From<Ending> for Happened {
    fn from(ending: Ending) -> Happened {
        match ending {
            Ending::Completed => Happened::Completed,
            Ending::Failed => Happened::Failed,
            Ending::Cancelled => Happened::Cancelled,
            Ending::Expired => Happened::Expired,
        }
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Happened {
    type Err = Error;

    fn from_str(text: &str) -> Result<Happened> {
        let found = Happened::ALL.into_iter().find(|h| h.as_str() == text);
        found.ok_or_else(|| {
            let words = Happened::ALL.map(Happened::as_str).join(", ");
            Error::invalid(
                format!("event {}", quoted(text)),
                format!("use one of {words}"),
            )
        })
    }
}

/// What an event is about: all tasks of an object while they share their steps, one task when it
/// ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A lone task's object, or a pack.
    Object(ObjectId),
    /// One task.
    Task(TaskId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Object(id) => id.fmt(f),
            Subject::Task(id) => id.fmt(f),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// One event. Inputs and outputs are never part of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TailEvent {
    /// A tail that begins here tells everything that this one told from here on, and perhaps a few
    /// events twice: `at`, `event` and `id` together tell them apart.
    pub cursor: Cursor,
    /// When it happened, in store time.
    pub at: StoreTime,
    /// What happened.
    pub event: Happened,
    /// To which task, or pack.
    pub id: Subject,
    /// Which handler runs it.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// How many tasks it is about.
    pub tasks: usize,
    /// How often the object had been claimed or taken over by then.
    pub delivery: u32,
    /// By which worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a tail goes on: a time up to which everything was told, and how far back before it the
/// tasks were due whose end may still have to be told. Written `TIME~SECONDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(super) told: StoreTime,
    pub(super) reach: StoreTime,
}

/// How far back before a plain time the tasks were due whose end is told.
const REACH: Duration = Duration::from_secs(600);

impl Cursor {
    /// A tail from this moment on, which tells the ends of tasks that were due up to ten minutes
    /// before it.
    pub fn at(time: StoreTime) -> Cursor {
        Cursor {
            told: time,
            reach: time.minus(REACH),
        }
    }

    /// Everything before this moment was told.
    pub fn time(self) -> StoreTime {
        self.told
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let back = self.told.since(self.reach).as_millis().div_ceil(1000);
        write!(f, "{}~{back}", self.told)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor> {
        let bad = || {
            Error::invalid(
                format!("cursor {}", quoted(text)),
                "use one that an event carried, such as 2026-11-21T10:00:00.000Z~60",
            )
        };
        let (time, back) = text.split_once('~').ok_or_else(bad)?;
        let time: jiff::Timestamp = time.parse().map_err(|_| bad())?;
        let told = StoreTime(u64::try_from(time.as_millisecond()).map_err(|_| bad())?);
        let back = Duration::from_secs(back.parse().map_err(|_| bad())?);
        Ok(Cursor {
            told,
            reach: told.minus(back),
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// Which events are told: those that match everything that is set. Unset: all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watch {
    types: Vec<TaskType>,
    tags: BTreeMap<String, String>,
    events: Vec<Happened>,
}

impl Watch {
    /// All events.
    pub fn new() -> Watch {
        Watch::default()
    }

    /// Only of tasks of this type; more than one type may be named.
    pub fn task_type(mut self, task_type: TaskType) -> Watch {
        self.types.push(task_type);
        self
    }

    /// Only of tasks with this tag; all tags that are named must be there. A pack's steps are told
    /// when one of its tasks has them.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Watch {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Only of this kind; more than one kind may be named.
    pub fn event(mut self, event: Happened) -> Watch {
        self.events.push(event);
        self
    }

    pub(super) fn wants(&self, event: Happened) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }

    pub(super) fn wants_type(&self, task_type: &TaskType) -> bool {
        self.types.is_empty() || self.types.contains(task_type)
    }

    pub(super) fn wants_tags(&self, tags: &BTreeMap<String, String>) -> bool {
        self.tags
            .iter()
            .all(|(name, value)| tags.get(name) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_as_they_were_written() {
        let cursor = Cursor {
            told: StoreTime(1_700_000_000_123),
            reach: StoreTime(1_700_000_000_123 - 90_000),
        };
        assert_eq!(cursor.to_string(), "2023-11-14T22:13:20.123Z~90");
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for bad in [
            "",
            "~",
            "now~1",
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20Z~-1",
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn events_have_one_word_each() {
        for event in Happened::ALL {
            assert_eq!(event.as_str().parse::<Happened>().unwrap(), event);
            let json = serde_json::to_value(event).unwrap();
            assert_eq!(json, event.as_str());
        }
        assert!("done".parse::<Happened>().is_err());
    }
}
