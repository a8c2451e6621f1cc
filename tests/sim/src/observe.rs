//! What the clients of a run saw and did, written down for the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oq_core::record::{Ending, ObjectId, TaskId, Token};
use oq_core::store::Store;
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_store::SimStore;

use crate::linear::Recorder;
use crate::newer::Newer;
use crate::parcel::Parcel;
use crate::stage::Cursor;

/// All that was observed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub submits: Vec<Submit>,
    pub starts: Vec<Start>,
    pub looks: Vec<Look>,
    pub cancels: Vec<Cancel>,
    /// Submissions that were begun, answered or not.
    pub asked: BTreeSet<usize>,
    /// Tasks that were tried again.
    pub retries: Vec<Retry>,
    pub troubles: Vec<Trouble>,
    pub drains: Vec<Drained>,
}

impl Observed {
    /// How much of the time from one moment to another a machine was stalled, or starved.
    pub fn still(&self, client: u16, from: Duration, to: Duration) -> Duration {
        let mine = self.troubles.iter().filter(|t| t.client == client);
        let mut still: Vec<(Duration, Duration)> = mine
            .filter_map(|t| match t.what {
                What::Stalled(length) | What::Starved(length) => Some((t.at, t.at + length)),
                _ => None,
            })
            .collect();
        still.sort_unstable();
        let (mut sum, mut upto) = (Duration::ZERO, from);
        for (began, ended) in still {
            let (began, ended) = (began.max(upto), ended.min(to));
            sum += ended.saturating_sub(began);
            upto = upto.max(ended);
        }
        sum
    }
}

impl Observed {
    /// How many pairs of runs of one task there are that lasted at one moment.
    pub fn overlaps(&self) -> u64 {
        let mut runs: BTreeMap<(usize, TaskId), Vec<(Duration, Duration)>> = BTreeMap::new();
        for start in &self.starts {
            let ended = start.ended.map_or(Duration::MAX, |(at, _)| at);
            let of = runs.entry((start.queue, start.task)).or_default();
            of.push((start.at, ended));
        }
        let overlapping = |of: &Vec<(Duration, Duration)>| {
            let later = |n: usize| of[n + 1..].iter();
            let each = (0..of.len()).map(|n| later(n).filter(|b| both_last(of[n], **b)).count());
            each.sum::<usize>() as u64
        };
        runs.values().map(overlapping).sum()
    }
}

fn both_last(one: (Duration, Duration), other: (Duration, Duration)) -> bool {
    one.0 < other.1 && other.0 < one.1
}

/// A submission that was answered.
#[derive(Debug, Clone)]
pub struct Submit {
    pub submission: usize,
    pub client: u16,
    pub asked: Duration,
    pub at: Duration,
    pub answer: Answer,
}

/// How a submission was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Accepted, or existing under the same key.
    Ok { id: ObjectId, existing: bool },
    /// Not accepted, and never to be.
    Refused,
    /// Nobody knows; under this id if at all.
    Doubt(Option<ObjectId>),
}

/// One run of a handler.
#[derive(Debug, Clone)]
pub struct Start {
    pub at: Duration,
    pub client: u16,
    pub queue: usize,
    pub task: TaskId,
    /// Which script it plays, as its input says.
    pub script: usize,
    /// The input is what was submitted, byte for byte.
    pub whole: bool,
    pub attempt: u32,
    pub delivery: u32,
    pub token: Token,
    /// Where an earlier run was, as it was told.
    pub saved: Option<Cursor>,
    /// When it said to be how far.
    pub said: Vec<(Duration, u32)>,
    pub ended: Option<(Duration, End)>,
}

/// How a handler's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
    /// It failed, and is not to be tried again.
    Fatal,
    Panicked,
    Later,
    Cancelled,
    /// It was dropped: its worker stopped it or died.
    Stopped,
}

/// A task that was tried again.
#[derive(Debug, Clone)]
pub struct Retry {
    pub queue: usize,
    pub old: TaskId,
    /// The new task; under a key it may be another's.
    pub new: TaskId,
    pub asked: Duration,
    pub at: Duration,
}

/// What a reader was told of a task.
#[derive(Debug, Clone)]
pub struct Look {
    pub queue: usize,
    pub task: TaskId,
    pub asked: Duration,
    pub at: Duration,
    pub seen: Sight,
    pub read: Read,
}

/// What came of reading back what a task returned, or if it did not succeed, what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// There was nothing to read, or the store did not answer.
    Nothing,
    Output(Parcel),
    Input(Parcel),
    /// It is missing, or not what was written.
    Lost(String),
}

/// What a reader can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    Outcome(Ending, Option<String>),
    /// This outcome; a listing shows no outputs.
    Listed(Ending),
    /// There, without an outcome.
    Open,
    Unknown,
    /// The look-up failed.
    Error,
}

/// A drain that returned.
#[derive(Debug, Clone)]
pub struct Drained {
    pub client: u16,
    pub began: Duration,
    pub ended: Duration,
    /// How long it was to take at the most.
    pub within: Option<Duration>,
    /// Which of the runs of its process had not ended.
    pub running: BTreeSet<usize>,
}

/// A request to cancel that was answered.
#[derive(Debug, Clone)]
pub struct Cancel {
    pub task: TaskId,
    pub at: Duration,
    pub answer: Cancelled,
}

/// How a request to cancel was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    Over,
    Requested,
    Nothing,
    Error,
}

/// Something that happened to a machine.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub at: Duration,
    pub client: u16,
    pub what: What,
}

/// What happens to machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Started,
    Crashed,
    Poisoned,
    Stopped,
    Stalled(Duration),
    /// A handler kept the rest of its process from going on.
    Starved(Duration),
    /// A handler ended meanwhile.
    EndedStarved,
    CutOut(Duration),
    CutBack(Duration),
    /// Its producer died.
    Bereaved,
    /// It died while it stopped.
    Killed,
    /// So many objects were deleted by hand.
    Vanished(usize),
    /// So many deletions were undone.
    Undeleted(usize),
    Purged,
    Relisted,
    Retried,
    CancelledMany,
    Again,
    /// It is of a newer version.
    Newer,
    /// It is the clone of another.
    Cloned,
    /// A handler on it failed for good.
    Fatal,
    /// A handler on it panicked.
    Panicked,
    /// A handler on it asked for more time.
    Extended,
    /// A handler on it went on where an earlier one had been.
    Resumed,
    /// A task on it was given what was not in its record.
    Unpacked,
    /// A drain on it returned.
    Drained,
    /// A drain on it ran out of time.
    OutOfTime,
    /// A drain on it ran something, and was told of something.
    Told,
    /// It was frozen between two drains.
    Frozen(Duration),
    /// A queue was left one shard.
    Shrunk,
    /// A producer on it read back what was not in a record.
    ReadBack,
}

impl What {
    /// All names.
    pub const NAMES: &[&str] = &[
        "worker started",
        "worker crashed",
        "worker poisoned",
        "worker told to stop",
        "machine stalled",
        "requests cut off",
        "answers cut off",
        "producer crashed",
        "worker killed while it stopped",
        "objects vanished",
        "queue purged",
        "queue listed",
        "task retried",
        "many cancelled",
        "submitted again",
        "newer program",
        "cloned machine",
        "handler failed for good",
        "handler panicked",
        "handler asked for more time",
        "handler resumed",
        "input from a payload",
        "payload read back",
        "heartbeat starved",
        "handler ended while starved",
        "deletions undone",
        "drain returned",
        "drain out of time",
        "drain told of objects",
        "frozen between drains",
        "shards shrunk",
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            What::Started => "worker started",
            What::Crashed => "worker crashed",
            What::Poisoned => "worker poisoned",
            What::Stopped => "worker told to stop",
            What::Stalled(_) => "machine stalled",
            What::CutOut(_) => "requests cut off",
            What::CutBack(_) => "answers cut off",
            What::Bereaved => "producer crashed",
            What::Killed => "worker killed while it stopped",
            What::Vanished(_) => "objects vanished",
            What::Purged => "queue purged",
            What::Relisted => "queue listed",
            What::Retried => "task retried",
            What::CancelledMany => "many cancelled",
            What::Again => "submitted again",
            What::Newer => "newer program",
            What::Cloned => "cloned machine",
            What::Fatal => "handler failed for good",
            What::Panicked => "handler panicked",
            What::Extended => "handler asked for more time",
            What::Resumed => "handler resumed",
            What::Unpacked => "input from a payload",
            What::ReadBack => "payload read back",
            What::Starved(_) => "heartbeat starved",
            What::EndedStarved => "handler ended while starved",
            What::Undeleted(_) => "deletions undone",
            What::Drained => "drain returned",
            What::OutOfTime => "drain out of time",
            What::Told => "drain told of objects",
            What::Frozen(_) => "frozen between drains",
            What::Shrunk => "shards shrunk",
        }
    }
}

/// Where observations are written down during a run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notebook {
    pub store: SimStore,
    pub recorder: Recorder,
    notes: Arc<Mutex<Observed>>,
}

impl Notebook {
    pub fn new(store: SimStore) -> Notebook {
        let clock = store.clone();
        Notebook {
            store,
            recorder: Recorder::new(move || clock.elapsed()),
            notes: Arc::default(),
        }
    }

    /// The store as the client on this machine sees it; what it asks is written down.
    pub fn client(&self, host: &Arc<SimHost>, newer: bool) -> Arc<dyn Store> {
        let store = self.recorder.record(host.id(), self.store.client(host));
        if newer { Arc::new(Newer(store)) } else { store }
    }

    pub fn notes(&self) -> MutexGuard<'_, Observed> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn trouble(&self, client: u16, what: What) {
        let at = self.store.elapsed();
        self.store.tell(|| format!("{client:>3} ! {what:?}"));
        self.notes().troubles.push(Trouble { at, client, what });
    }

    /// A handler starts. Its end is noted through the returned guard, at the latest when that is
    /// dropped.
    pub fn start(&self, start: Start) -> Running {
        self.store.tell(|| {
            let Start {
                client,
                task,
                attempt,
                delivery,
                ..
            } = &start;
            format!("{client:>3} ▶ {task} attempt {attempt} of delivery {delivery}")
        });
        let mut text = start.task.to_string();
        text.push_str(start.token.as_str());
        self.store.mix(text.as_bytes());
        let mut notes = self.notes();
        let serial = notes.starts.len();
        notes.starts.push(start);
        Running {
            book: self.clone(),
            serial,
        }
    }
}

/// A handler that runs.
#[derive(Debug)]
pub struct Running {
    book: Notebook,
    /// Which of [`Observed::starts`] it is.
    pub serial: usize,
}

impl Running {
    /// It says how far it is.
    pub fn says(&self, step: u32) {
        let at = self.book.store.elapsed();
        let mut notes = self.book.notes();
        notes.starts[self.serial].said.push((at, step));
    }

    /// It ends so.
    pub fn end(self, how: End) {
        self.note(how);
    }

    fn note(&self, how: End) {
        let at = self.book.store.elapsed();
        let mut notes = self.book.notes();
        let ended = &mut notes.starts[self.serial].ended;
        if ended.is_none() {
            *ended = Some((at, how));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.note(End::Stopped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn what_overlaps_counts_once_and_what_is_another_machines_not_at_all() {
        let trouble = |client, at: u32, what| Trouble {
            at: at * S,
            client,
            what,
        };
        let observed = Observed {
            troubles: vec![
                trouble(1, 14, What::Starved(4 * S)),
                trouble(1, 10, What::Stalled(6 * S)),
                trouble(1, 11, What::Stalled(S)),
                trouble(1, 30, What::CutOut(5 * S)),
                trouble(2, 10, What::Stalled(90 * S)),
            ],
            ..Observed::default()
        };
        let still = |from: u32, to: u32| observed.still(1, from * S, to * S);
        assert_eq!(still(0, 100), 8 * S);
        assert_eq!(still(12, 17), 5 * S);
        assert_eq!(still(0, 10), Duration::ZERO);
        assert_eq!(still(18, 100), Duration::ZERO);
        assert_eq!(observed.still(3, Duration::ZERO, 100 * S), Duration::ZERO);
    }
}
