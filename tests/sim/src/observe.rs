//! What the clients of a run saw and did, written down for the checks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oq_core::record::{Ending, ObjectId, TaskId, Token};
use oq_core::store::Store;
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_store::SimStore;

use crate::linear::Recorder;
use crate::newer::Newer;

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
}

/// A submission that was answered.
#[derive(Debug, Clone)]
pub struct Submit {
    pub submission: usize,
    pub client: u16,
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
    pub attempt: u32,
    pub delivery: u32,
    pub token: Token,
    pub ended: Option<(Duration, End)>,
}

/// How a handler's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
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
    CutOut(Duration),
    CutBack(Duration),
    /// Its producer died.
    Bereaved,
    /// It died while it stopped.
    Killed,
    /// So many objects were deleted by hand.
    Vanished(usize),
    Purged,
    Relisted,
    Retried,
    CancelledMany,
    Again,
    /// It is of a newer version.
    Newer,
    /// It is the clone of another.
    Cloned,
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
