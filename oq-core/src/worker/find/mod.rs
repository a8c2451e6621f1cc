//! Discovery: which objects a worker should try to claim next, found with few requests.
//!
//! A [`Finder`] listens to the doorbell, lists the shards that fall to it by rendezvous among the
//! workers present, sweeps the whole queue for what the bell did not tell, and keeps a small buffer
//! of candidates. All of it is economy: a claim decides for itself, so two finders may look at the
//! same shard and nothing breaks.
//!
//! The knowledge is in `state` (with `shard`, `heard`, `judge`, `walk`, `walks`, `memory`, `buffer`,
//! `help`, `assign`), what to do next in `plan`, both without I/O. The requests are in `bell`, `look`
//! (two), `sweep` and `fleet`: five loops over one state.

mod absorb;
mod assign;
mod bell;
mod buffer;
mod fleet;
mod heard;
mod help;
pub(super) mod judge;
mod look;
mod memory;
mod pace;
mod plan;
mod shard;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod walk;
mod walks;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub(in crate::worker) use self::fleet::{MUSTER, MUSTER_ALONE, SHOW, STALE};
pub(in crate::worker) use self::sweep::{ALONE, SETTINGS, TOGETHER};

use self::absorb::Now;
use self::fleet::Fleet;
use self::state::State;
use crate::protocol::Root;
use crate::protocol::bell::Ringer;
use crate::record::{Hint, ObjectId, QueueName, Settings, Shard, Stamp, TaskType, WorkerId};
use crate::store::Etag;
use crate::time::StoreTime;

/// How to look.
#[derive(Debug, Clone)]
pub(crate) struct FindOptions {
    /// The longest time between two looks at the bell.
    pub poll: Duration,
    /// Share the shards with the other workers present. Without it this worker looks at all shards
    /// and is not seen by others: for those that live for a short while only.
    pub fleet: bool,
    /// What the worker tells of itself to people who look at the fleet.
    pub about: BTreeMap<String, String>,
}

impl Default for FindOptions {
    fn default() -> FindOptions {
        FindOptions {
            poll: Duration::from_secs(2),
            fleet: true,
            about: BTreeMap::new(),
        }
    }
}

/// An object worth trying to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub queue: QueueName,
    pub id: ObjectId,
    /// The version that was seen; `None` if it is not known.
    pub etag: Option<Etag>,
    /// When that version was written, if a listing showed it.
    pub last_modified: Option<StoreTime>,
    pub hint: Hint,
    pub why: Why,
}

/// Why an object is worth a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It waits for nothing.
    Runnable,
    /// It waited, and its time has come or may have come.
    Due,
    /// It runs, and its lease may have ended.
    MaybeExpired,
    /// It is over, and somebody left before that was written down everywhere.
    Terminal,
}

/// What an attempt found. To be reported for every candidate taken, and again when a claimed one
/// is let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// It is ours now.
    Claimed,
    /// Somebody else was quicker.
    LostRace,
    /// It is not there any more.
    Gone,
    /// It waits until then. To be said of a retry of our own too, which is then claimed without
    /// another listing.
    Waiting {
        until: StoreTime,
        etag: Option<Etag>,
    },
    /// It runs, and may be taken over then.
    Running {
        until: StoreTime,
        etag: Option<Etag>,
    },
    /// There is no handler for it here: leave this version alone.
    Foreign { etag: Etag, task_type: TaskType },
    /// It cannot be understood: leave this version alone, or the one that is listed next.
    Unreadable { etag: Option<Etag> },
    /// We finished it or gave it back.
    Released,
    /// The store did not answer: try again in a while.
    Failed,
}

/// Finds work in one queue for one worker.
#[derive(Debug)]
pub(crate) struct Finder {
    root: Root,
    queue: QueueName,
    me: WorkerId,
    options: FindOptions,
    state: Mutex<State>,
    fleet: tokio::sync::Mutex<Fleet>,
    ringer: Ringer,
    initial: Arc<Settings>,
    /// There may be something to take.
    ready: Notify,
    /// There may be something to list.
    look: Notify,
    /// There may be a crowd to walk through.
    crowds: Notify,
    /// The bell should be asked sooner.
    listen: Notify,
    /// The settings should be read.
    settings: Notify,
    /// The fleet should be read.
    muster: Notify,
    /// The worker has become full or free.
    capacity: Notify,
}

impl Finder {
    /// A finder that does nothing until [`Finder::run`].
    pub fn new(root: Root, queue: QueueName, me: WorkerId, options: FindOptions) -> Arc<Finder> {
        let stamp = Stamp::first(root.now(), root.env().entropy.as_ref());
        Arc::new(Finder {
            ringer: Ringer::new(root.clone(), queue.clone()),
            state: Mutex::new(State::new(queue.clone())),
            fleet: tokio::sync::Mutex::default(),
            initial: Arc::new(Settings::initial(stamp)),
            ready: Notify::new(),
            look: Notify::new(),
            crowds: Notify::new(),
            listen: Notify::new(),
            settings: Notify::new(),
            muster: Notify::new(),
            capacity: Notify::new(),
            root,
            queue,
            me,
            options,
        })
    }

    /// Looks for work until it is dropped. Errors of the store are waited out.
    pub async fn run(&self) {
        self.read_settings().await;
        self.join().await;
        // The bell before the first listing: a ring between them must not be missed.
        let (seen, _) = self.ask(None).await;
        self.sweep_first().await;
        let bell = self.run_bell(seen);
        let (look, sweep) = (self.run_look(), self.run_sweep());
        let fleet = self.run_fleet();
        let crowds = self.run_crowds();
        futures::future::join5(bell, look, sweep, fleet, crowds).await;
    }

    /// The best candidate there is, if any.
    pub fn take(&self) -> Option<Candidate> {
        let (now, date) = self.now();
        let mut state = self.state();
        let scatter = state.scatters().then(|| self.root.env().entropy.next_u64());
        let taken = state.take(now, date, scatter);
        if taken.is_none() || state.buffer.len() <= state.low(now) {
            self.look.notify_one();
        }
        taken
    }

    /// Waits until [`Finder::take`] may give something.
    pub async fn ready(&self) {
        let mut ready = pin!(self.ready.notified());
        loop {
            ready.as_mut().enable();
            {
                let date = self.now().1;
                let mut state = self.state();
                state.promote(date);
                if state.open() && !state.buffer.is_empty() {
                    return;
                }
            }
            ready.as_mut().await;
            ready.set(self.ready.notified());
        }
    }

    /// How many slots are free now. Without any, nothing is listed.
    pub fn set_room(&self, room: usize) {
        let now = self.now().0;
        let mut state = self.state();
        let before = state.room;
        state.set_room(room, now);
        if room > before {
            self.look.notify_one();
        }
        if (room == 0) != (before == 0) {
            self.capacity.notify_one();
        }
    }

    /// What became of a candidate.
    pub fn report(&self, id: ObjectId, news: News) {
        let (now, date) = self.now();
        let claimed = news == News::Claimed;
        let later = matches!(
            news,
            News::Waiting { .. } | News::Running { .. } | News::Failed
        );
        let courtesy = Duration::from_millis(1000 + self.root.env().below(3000));
        let idle = {
            let mut state = self.state();
            state.report(id, news, courtesy, (now, date));
            state.room > 0 && state.buffer.is_empty()
        };
        if claimed && idle {
            // Where one task was, more may follow.
            self.listen.notify_one();
        }
        if later {
            self.look.notify_one();
        }
    }

    /// The settings as last read.
    pub fn settings(&self) -> Arc<Settings> {
        let state = self.state();
        state
            .settings
            .clone()
            .unwrap_or_else(|| self.initial.clone())
    }

    /// Tells others of an object that they may take.
    pub fn ring(&self, id: ObjectId) {
        self.ringer.announce(id);
    }

    /// Waits until others were told.
    pub async fn flush(&self) {
        self.ringer.flush().await;
    }

    /// The shards that fall to this worker.
    pub fn own_shards(&self) -> Vec<Shard> {
        self.state().own.iter().copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        (self.root.env().now(), self.root.now())
    }

    /// Waits after failure number `failures` in a row, from 1 s up to half a minute.
    async fn pause(&self, failures: u32) {
        let most = Duration::from_secs(1 << failures.clamp(1, 5));
        let env = self.root.env();
        env.sleep(env.jitter(most / 2)).await;
    }
}
