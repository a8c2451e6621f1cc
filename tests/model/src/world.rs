//! The store, and what is on its way to it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::record::{
    Data, Done, Json, Live, ObjectId, Options, Priority, Record, Retry, Shard, Slot, Stamp,
    TaskType, WriteId, encode,
};
use oq_core::state::submit::{Draft, pending};
use oq_core::store::Etag;

use crate::ghost::Ghost;
use crate::symmetry::{Twofold, both};
use crate::worker::Worker;

/// A record as it is stored. Its ETag is a hash of the body, as on S3: of all kinds of ETags the one
/// that helps the least.
#[derive(Clone)]
pub struct Kept<R> {
    pub record: Arc<R>,
    pub etag: Twofold,
}

impl<R: Record> Kept<R> {
    pub fn of(record: R) -> Kept<R> {
        let etag = Twofold::of(&encode(&record));
        Kept {
            record: Arc::new(record),
            etag,
        }
    }
}

/// How the pure functions see an ETag.
pub fn etag(of: Twofold) -> Etag {
    Etag::new(format!("\"{:x}\"", of.is))
}

impl<R> Hash for Kept<R> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.etag.hash(hasher);
    }
}

impl<R> PartialEq for Kept<R> {
    fn eq(&self, other: &Kept<R>) -> bool {
        self.etag == other.etag
    }
}

impl<R> Eq for Kept<R> {}

impl fmt::Debug for Kept<Live> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = &self.record;
        write!(f, "{:?} {}", live.state, live.delivery)?;
        for slot in &live.tasks {
            let end = slot.outcome.as_ref().map(|o| o.ending.as_str());
            let cancel = if slot.cancel_requested { "!" } else { "" };
            let is = end.unwrap_or(if slot.running { "runs" } else { "open" });
            write!(f, " {}-{}{cancel}:{is}", slot.starts, slot.excused)?;
        }
        write!(f, " #{:04x}", self.etag.is as u16)
    }
}

impl fmt::Debug for Kept<Done> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record.open {
            Some(delivery) => write!(f, "seal {delivery}"),
            None => write!(f, "outcome of {}", self.record.token),
        }?;
        write!(f, " #{:04x}", self.etag.is as u16)
    }
}

/// A condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    Absent,
    Is(Twofold),
}

/// One change of one object's keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    Live(Kept<Live>, When),
    Done(Kept<Done>, When),
    /// Dead letters of these tasks, one bit each.
    Dead(u8),
    DeleteLive,
}

/// What is stored of one object, and on its way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub live: Option<Kept<Live>>,
    /// When the live record was written.
    pub written: u8,
    pub done: Option<Kept<Done>>,
    pub dead: u8,
    /// Changes that nobody waits for any more and that may land at any time.
    pub late: Vec<Change>,
    pub ghost: Ghost,
}

/// How much may still go wrong or be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    /// Answers that may go astray.
    pub faults: u8,
    pub crashes: u8,
    /// Workers that may be told to stop.
    pub stops: u8,
    pub cancels: u8,
    /// Attempts that may fail.
    pub failures: u8,
    /// How often time may pass.
    pub ticks: u8,
}

impl Left {
    /// Nothing goes wrong.
    pub const CALM: Left = Left {
        faults: 0,
        crashes: 0,
        stops: 0,
        cancels: 0,
        failures: 0,
        ticks: 0,
    };
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// How often time passed.
    pub now: u8,
    /// How much of it each time.
    pub tick: Duration,
    pub things: Vec<Thing>,
    pub workers: Vec<Worker>,
    pub left: Left,
}

/// How long a lease is.
pub const LEASE: Duration = Duration::from_secs(30);

/// When everything begins.
pub const BEGIN: StoreTime = StoreTime(1_700_000_000_000);

/// How often a task may be tried.
pub const ATTEMPTS: u32 = 2;

impl Thing {
    /// An object with so many tasks that was just submitted; with `copy` the network has a second
    /// copy of the request that did so.
    pub fn submitted(tasks: usize, copy: bool) -> Thing {
        let id = WriteId::parse("submit").expect("it is short");
        let stamp = Stamp {
            generation: 1,
            by: vec![id.clone()],
            created_by: id,
            created: BEGIN,
        };
        let draft = Draft {
            reason: None,
            task_type: TaskType::new("act").expect("a good name"),
            options: Options {
                lease: LEASE,
                retry: Retry::fixed(ATTEMPTS, Duration::ZERO).jitter(0.0),
                ..Options::default()
            },
            available_at: None,
            key: None,
            retry_of: None,
        };
        let slots = (0..tasks).map(|_| Slot::new(Data::Json(Json::null())));
        let live = Kept::of(pending(&draft, slots.collect(), stamp));
        let late = copy.then(|| Change::Live(live.clone(), When::Absent));
        Thing {
            live: Some(live),
            written: 0,
            done: None,
            dead: 0,
            late: late.into_iter().collect(),
            ghost: Ghost::default(),
        }
    }

    /// Applies a change; whether its condition held.
    pub fn apply(&mut self, change: &Change, now: u8) -> bool {
        match change {
            Change::Live(new, when) => {
                if !holds(*when, self.live.as_ref().map(|l| l.etag)) {
                    return false;
                }
                self.ghost.live(self.live.as_ref(), new);
                self.live = Some(new.clone());
                self.written = now;
            }
            Change::Done(new, when) => {
                if !holds(*when, self.done.as_ref().map(|d| d.etag)) {
                    return false;
                }
                self.ghost.done(self.done.as_ref(), new);
                self.done = Some(new.clone());
            }
            Change::Dead(tasks) => {
                self.ghost.dead(self.done.as_ref(), *tasks);
                self.dead |= tasks;
            }
            Change::DeleteLive => {
                self.ghost.deleted(self.done.as_ref(), self.dead);
                self.live = None;
            }
        }
        true
    }

    /// Whether an outcome is recorded and nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.live.is_none() && self.done.as_ref().is_some_and(|d| !d.record.is_seal())
    }
}

impl Hash for Thing {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.live, self.written, &self.done, self.dead, &self.ghost).hash(hasher);
        // The order of what lands late says nothing: it must not tell two worlds apart.
        let late = self
            .late
            .iter()
            .map(both)
            .fold(Twofold::ZERO, Twofold::plus);
        late.hash(hasher);
    }
}

fn holds(when: When, there: Option<Twofold>) -> bool {
    match when {
        When::Absent => there.is_none(),
        When::Is(etag) => there == Some(etag),
    }
}

/// An id for an object with so many tasks; the model needs it only to name dead letters.
pub fn id(tasks: usize) -> ObjectId {
    let shard = Shard::new(0).expect("there is a first");
    ObjectId::from_parts(BEGIN, 0, Priority::NORMAL, tasks, shard)
}
