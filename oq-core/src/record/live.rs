//! `live/{s}/{p}/{id}`: one or more tasks that have no recorded outcome yet.
//!
//! This file owns the format. What may become of a record is in [`crate::state`]; nothing else
//! changes one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::codec::{Hint, Record, Seen, Stamp, V1, seen};
use super::data::{Data, Json};
use super::id::{ObjectId, TaskId};
use super::key::KeyHash;
use super::name::TaskType;
use super::options::Options;
use super::outcome::{Failure, Outcome};
use super::token::{Token, WorkerId};
use crate::error::Error;
use crate::store::{Object, StoreKey};
use crate::time::{StoreTime, millis};

/// The body of a live object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Live {
    /// Format version.
    pub v: V1,
    /// Who wrote it.
    pub write: Stamp,
    /// Which handler runs its tasks.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// Where it stands.
    pub state: LiveState,
    /// How its tasks are to be run.
    #[serde(default, skip_serializing_if = "Options::is_default")]
    pub options: Options,
    /// While pending: not before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<StoreTime>,
    /// How often it was claimed or taken over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivery: u32,
    /// How many tasks may be declared at once; unset: all. Of a lone task: among how many suspects of
    /// a crash it may run, itself included; unset: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    /// While running: who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The idempotency key it was submitted under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Keyed>,
    /// The dead task that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<TaskId>,
    /// The tasks.
    pub tasks: Vec<Slot>,
    /// What became of it so far, the oldest dropped first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Event>,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// Where a live object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveState {
    /// Nobody holds it; it may be claimed once it is available.
    Pending,
    /// The lease's holder runs it.
    Running,
    /// All its tasks have outcomes, which are being recorded.
    Terminal,
}

/// Who holds a live object. The lease runs from the store's `LastModified` of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Known to the holder alone.
    pub token: Token,
    /// Which worker that is.
    pub worker: WorkerId,
    /// How long it lasts without renewal.
    #[serde(with = "millis", rename = "ms")]
    pub length: Duration,
    /// Of a lone task: among how many tasks of that worker it may have run, itself included. If the
    /// worker falls silent, any of them may be to blame.
    #[serde(default = "alone", skip_serializing_if = "is_one")]
    pub among: u16,
}

/// The idempotency key of a lone task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// The key's hash.
    pub hash: KeyHash,
    /// How long the key stands for this task after its outcome.
    #[serde(with = "millis", rename = "window_ms")]
    pub window: Duration,
}

/// One task of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Slot {
    /// Its input.
    pub input: Data,
    /// Free names and values to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// W3C trace context of the submitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Not before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<StoreTime>,
    /// How often it was declared to start; never shrinks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub starts: u32,
    /// How many of those are not its fault: rescheduled, released, never started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excused: u32,
    /// How often its handler answered "later".
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rescheduled: u32,
    /// Declared by the present holder and without a verdict.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    /// Somebody asked to cancel it. Set by others than the holder, never cleared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
    /// What the handler saved for its next attempt; `null` is something too.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "there"
    )]
    pub saved: Option<Json>,
    /// How far the handler says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What went wrong in the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What other versions of oq put here; kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// How far a handler says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// One step in the life of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in store time.
    pub at: StoreTime,
    /// Which transition.
    pub what: Step,
    /// The delivery it belongs to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivery: u32,
    /// Which worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The named transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A worker claimed it.
    Claimed,
    /// A worker took it over from one that fell silent.
    TakenOver,
    /// A worker found that a claim of its own had landed after all.
    Adopted,
    /// At least one task is tried again later.
    Retried,
    /// At least one handler answered "later".
    Rescheduled,
    /// The holder gave it back unfinished.
    Released,
    /// Somebody asked to cancel tasks of it.
    CancelRequested,
    /// It was cancelled before anybody held it.
    Cancelled,
    /// Its time was over before anybody held it.
    Expired,
    /// All its tasks have outcomes.
    Finished,
}

/// How many events a record keeps.
pub const MAX_HISTORY: usize = 20;

impl Live {
    /// The tasks without an outcome.
    pub fn open(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.tasks
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.outcome.is_none())
    }

    /// The record in the object `id`, which says how many tasks there must be.
    pub fn in_object(id: ObjectId, key: &StoreKey, object: Object) -> Result<Seen<Live>, Error> {
        let seen: Seen<Live> = seen(key, object)?;
        let (has, wants) = (seen.record.tasks.len(), id.count());
        let why = if has != wants {
            format!("it has {has} tasks, its id says {wants}")
        } else if seen.record.state == LiveState::Terminal && seen.record.open().next().is_some() {
            "it is over, and tasks in it have no outcome".into()
        } else if seen.record.state != LiveState::Running
            && seen.record.tasks.iter().any(|s| s.running)
        {
            "tasks in it run, and nobody holds it".into()
        } else {
            return Ok(seen);
        };
        Err(Error::Unreadable {
            key: key.to_string(),
            why,
        })
    }

    /// Adds an event and drops the oldest beyond [`MAX_HISTORY`].
    pub fn log(&mut self, at: StoreTime, what: Step, reason: Option<String>) {
        let worker = self.lease.as_ref().map(|l| l.worker.clone());
        self.history.push(Event {
            at,
            what,
            delivery: self.delivery,
            worker,
            reason,
        });
        if self.history.len() > MAX_HISTORY {
            self.history.remove(0);
        }
    }
}

impl Slot {
    /// A task with this input that was never started.
    pub fn new(input: Data) -> Slot {
        Slot {
            input,
            tags: BTreeMap::new(),
            trace: None,
            available_at: None,
            starts: 0,
            excused: 0,
            rescheduled: 0,
            running: false,
            cancel_requested: false,
            saved: None,
            progress: None,
            failure: None,
            outcome: None,
            extra: BTreeMap::new(),
        }
    }

    /// How many attempts are charged so far.
    pub fn attempts(&self) -> u32 {
        self.starts.saturating_sub(self.excused)
    }
}

impl Record for Live {
    fn stamp(&self) -> &Stamp {
        &self.write
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.write
    }

    fn hint(&self) -> Hint {
        match (self.state, &self.lease, self.available_at) {
            (LiveState::Terminal, ..) => Hint::Terminal(Duration::ZERO),
            (LiveState::Running, Some(lease), _) => Hint::Running(lease.length),
            (LiveState::Running, None, _) => Hint::Running(Duration::ZERO),
            (LiveState::Pending, _, Some(at)) => {
                // The last event is the write's own time. Without one it was just submitted, and is due when
                // its id says.
                match self.history.last().map(|event| event.at) {
                    None if at > self.write.created => Hint::Waiting(Duration::ZERO),
                    Some(now) if at > now => Hint::Waiting(at.since(now)),
                    _ => Hint::Runnable,
                }
            }
            (LiveState::Pending, ..) => Hint::Runnable,
        }
    }
}

fn there<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(d).map(Some)
}

fn alone() -> u16 {
    1
}

fn is_one(n: &u16) -> bool {
    *n == 1
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}
