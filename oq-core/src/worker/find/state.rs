//! All that a finder knows, without any I/O: what may be tried, what is being tried, what is to be
//! left alone, and how its shards stand. Planning is in `plan`, the reading of listings in `absorb`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::buffer::{Buffer, Entry, rank};
use super::judge::{Verdict, judge};
use super::memory::{Known, Memory, Then};
use super::pace::Pace;
use super::plan::{HelpCall, Steal};
use super::shard::ShardState;
use super::walk::{Beyond, Stretch};
use super::walks::Patient;
use super::{Candidate, News, Why};
use crate::env::Mono;
use crate::record::{Bell, Hint, Key, ObjectId, QueueName, Settings, Shard};
use crate::store::Listed;
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// How many objects are remembered that run or wait.
const REMEMBERED: usize = 10_000;

/// An attempt that was never reported on counts as given up after this long.
const ABANDONED: Duration = Duration::from_secs(120);

/// A listing may be so much older than what an attempt found out.
const SETTLED: Duration = Duration::from_secs(5);

/// Two attempts at an object that was said to wait are at least so far apart.
const APART: Duration = Duration::from_millis(100);

/// A lost race is remembered this long, unless the object changes.
const LOST: Duration = Duration::from_secs(60);

/// A listing that is younger is as good as another one.
const BEATEN: Duration = Duration::from_millis(250);

/// Trying what is left of fewer costs no more than listing them again.
const WORTH: usize = 24;

/// An object that was handed out.
#[derive(Debug)]
struct Hand {
    at: Mono,
    entry: Entry,
    claimed: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub queue: QueueName,
    pub settings: Option<Arc<Settings>>,
    pub room: usize,
    /// Since when there has been no room and no task has ended.
    pub full_since: Option<Mono>,
    pub last_take: Option<Mono>,
    pub streak: u32,
    pub stopped: bool,
    /// How many workers are present, at least one.
    pub workers: usize,
    pub own: BTreeSet<Shard>,
    pub shards: BTreeMap<Shard, ShardState>,
    /// Where helping with the shards of others may begin.
    pub foreign: BTreeMap<Shard, Vec<Stretch>>,
    pub buffer: Buffer,
    pub memory: Memory,
    pub steal: Steal,
    pub pace: Pace,
    /// Who else is present is known for sure.
    pub settled: bool,
    pub help: HelpCall,
    pub lists: u64,
    /// The last wide listing showed the whole queue.
    pub small: bool,
    /// Something was found since the bell was last asked.
    pub found: bool,
    hands: BTreeMap<ObjectId, Hand>,
    /// Beyond what the last walk from a head met, if that was a crowd.
    pub crowd: Option<Beyond>,
    pub patient: Vec<Patient>,
    pub bell: Option<Bell>,
    /// There was no bell yet when it was last asked.
    pub silent: bool,
    odd: BTreeSet<u64>,
}

impl State {
    pub fn new(queue: QueueName) -> State {
        State {
            queue,
            settings: None,
            room: 0,
            full_since: None,
            last_take: None,
            streak: 0,
            stopped: false,
            workers: 1,
            own: BTreeSet::new(),
            shards: BTreeMap::new(),
            foreign: BTreeMap::new(),
            buffer: Buffer::default(),
            memory: Memory::new(REMEMBERED),
            steal: Steal::default(),
            pace: Pace::default(),
            settled: false,
            help: HelpCall::default(),
            lists: 0,
            small: false,
            found: false,
            hands: BTreeMap::new(),
            crowd: None,
            patient: Vec::new(),
            bell: None,
            silent: false,
            odd: BTreeSet::new(),
        }
    }

    /// These are the settings now; returns what they were.
    pub fn set_settings(&mut self, settings: Arc<Settings>) -> Option<Arc<Settings>> {
        let was_open = self.open();
        let was = self.settings.replace(settings);
        if self.open() && !was_open {
            // Nobody swept meanwhile.
            self.shards.values_mut().for_each(|s| s.rung = true);
        }
        was
    }

    /// Whether anything may be claimed at all.
    pub fn open(&self) -> bool {
        !self.stopped && self.settings.as_ref().is_some_and(|s| !s.paused)
    }

    /// Takes the best candidate.
    pub fn take(&mut self, now: Mono, date: StoreTime, scatter: Option<u64>) -> Option<Candidate> {
        if !self.open() {
            return None;
        }
        self.promote(date);
        let mut aged = Vec::new();
        let popped = self.buffer.pop(now, scatter, |id| aged.push(id));
        self.owe(&aged);
        let (id, entry) = popped?;
        self.last_take = Some(now);
        let candidate = Candidate {
            queue: self.queue.clone(),
            id,
            etag: entry.etag.clone(),
            last_modified: entry.last_modified,
            hint: entry.hint,
            why: entry.why,
        };
        let hand = Hand {
            at: now,
            entry,
            claimed: false,
        };
        self.hands.insert(id, hand);
        Some(candidate)
    }

    /// Moves what is due by now from the memory to the buffer.
    pub fn promote(&mut self, date: StoreTime) {
        while let Some((id, known)) = self.memory.pop_due(date) {
            if let Some(then) = known.then {
                let entry = Entry {
                    etag: known.etag,
                    last_modified: then.last_modified,
                    hint: then.hint,
                    why: then.why,
                    probe: then.probe,
                    listed: None,
                    told: None,
                };
                let dropped = self.buffer.insert(id, entry);
                self.owe(dropped.as_slice());
            }
        }
    }

    /// These were dropped from the buffer untried: their shards have work.
    pub fn owe(&mut self, aged: &[ObjectId]) {
        for id in aged {
            if let Some(s) = self.shards.get_mut(&id.shard()) {
                s.owe(&self.queue, rank(*id));
            }
        }
    }

    /// What an attempt found.
    ///
    /// A lease of a foreign shard is left to its owner for the time of `courtesy` more.
    pub fn report(
        &mut self,
        id: ObjectId,
        news: News,
        courtesy: Duration,
        (now, date): (Mono, StoreTime),
    ) {
        let hand = self.hands.remove(&id);
        let claimed = hand.as_ref().is_some_and(|h| h.claimed);
        let seen = hand.as_ref().and_then(|h| h.entry.etag.clone());
        let then = |why, probe, hint| {
            Some(Then {
                why,
                probe,
                hint,
                last_modified: None,
            })
        };
        if claimed && !matches!(news, News::Claimed) && self.full_since.is_some() {
            self.full_since = Some(now);
        }
        let beaten = matches!(news, News::LostRace | News::Gone | News::Running { .. });
        if let Some(hand) = hand.as_ref().filter(|h| beaten && !h.claimed) {
            self.beaten(id.shard(), &hand.entry, now);
        }
        let known = match news {
            News::Claimed => {
                self.found = true;
                self.streak = self.streak.saturating_add(1);
                if let Some(hand) = hand {
                    self.pace.claimed(id, &hand.entry, now);
                    let claimed = Hand {
                        at: now,
                        claimed: true,
                        ..hand
                    };
                    self.hands.insert(id, claimed);
                }
                return;
            }
            // Nobody else claims much in a shard of ours: it may be free still, only changed.
            News::LostRace if self.own.contains(&id.shard()) => Known {
                until: date.plus(APART),
                etag: seen,
                then: then(Why::MaybeExpired, true, Hint::Running(Duration::ZERO)),
            },
            News::LostRace => Known {
                until: date.plus(if seen.is_some() { LOST } else { SETTLED }),
                etag: seen,
                then: None,
            },
            News::Gone => Known {
                until: date.plus(SETTLED),
                etag: None,
                then: None,
            },
            News::Released => match seen {
                Some(etag) => Known {
                    until: date.plus(SETTLED),
                    etag: Some(etag),
                    then: None,
                },
                None => return,
            },
            // The clocks of the one who tried and of this estimate may differ a little.
            News::Waiting { until, etag } => Known {
                until: until.max(date.plus(APART)),
                etag,
                then: Some(Then {
                    why: Why::Due,
                    probe: false,
                    hint: Hint::Waiting(Duration::ZERO),
                    // What was ours we gave back just now.
                    last_modified: claimed.then_some(date),
                }),
            },
            News::Running { until, etag } => Known {
                until: if self.own.contains(&id.shard()) {
                    until.max(date.plus(APART))
                } else {
                    until.max(date.plus(APART)).plus(courtesy)
                },
                etag,
                then: then(Why::MaybeExpired, true, Hint::Running(Duration::ZERO)),
            },
            News::Foreign { etag, .. } => {
                self.buffer.remove(id);
                return self.memory.never(id, &etag);
            }
            // A ring named it. The next listing tells which version is to be left alone.
            News::Unreadable { etag: None } => {
                let until = date.plus(SETTLED);
                self.look_by(id.shard(), until);
                Known {
                    until,
                    etag: None,
                    then: None,
                }
            }
            News::Unreadable { etag: Some(etag) } => {
                self.buffer.remove(id);
                if mutated(Mutant::UnreadableForEver) {
                    return self.memory.never(id, &etag);
                }
                let again = self.memory.unreadable(id, &etag, date);
                return self.look_by(id.shard(), again);
            }
            News::Failed => Known {
                until: date.plus(SETTLED),
                etag: seen,
                then: hand.map(|h| Then {
                    why: h.entry.why,
                    probe: h.entry.probe,
                    hint: h.entry.hint,
                    last_modified: h.entry.last_modified,
                }),
            },
        };
        self.buffer.remove(id);
        self.remember(id, known);
    }

    /// Remembers an object, or when to look for it again; the latter is returned if it is this one.
    pub fn remember(&mut self, id: ObjectId, known: Known) -> Option<StoreTime> {
        let worth = known.then.is_some();
        let (forgotten, until) = self.memory.remember(id, known)?;
        if forgotten == id && !worth {
            return None;
        }
        self.look_by(forgotten.shard(), until);
        (forgotten == id).then_some(until)
    }

    /// Something in this shard may be worth a try then.
    fn look_by(&mut self, shard: Shard, until: StoreTime) {
        if let Some(shard) = self.shards.get_mut(&shard) {
            shard.look_by(until);
        }
    }

    /// Whether an attempt at it goes on. One whose report is overdue is given up; that of an object
    /// which was claimed is when it is seen to be `free`.
    pub fn in_hand(&mut self, id: ObjectId, free: bool, now: Mono) -> bool {
        let Some(hand) = self.hands.get(&id) else {
            return false;
        };
        let held = now.since(hand.at);
        let lost = if hand.claimed {
            held > LOST && free
        } else {
            held > ABANDONED
        };
        if lost {
            self.hands.remove(&id);
        }
        !lost
    }

    /// Judges a line of a listing; `None`: it is known or being tried, leave it alone.
    pub fn look(
        &mut self,
        id: ObjectId,
        line: &Listed,
        now: Mono,
        date: StoreTime,
    ) -> Option<Verdict> {
        let hint = Hint::of_size(line.size);
        let free = matches!(hint, Hint::Runnable | Hint::Waiting(_));
        if self.in_hand(id, free, now) {
            return None;
        }
        if self.memory.covers(id, &line.etag, date) {
            return None;
        }
        Some(judge(id, hint, line.last_modified, date))
    }

    /// The object of a listed key. What is not ours is reported once and left alone.
    pub fn parse(&mut self, line: &Listed) -> Option<ObjectId> {
        const REPORTED: usize = 1000;
        match Key::parse(line.key.as_str()) {
            Some(Key::Live(queue, id)) if queue == self.queue => Some(id),
            _ => {
                let hash = line
                    .key
                    .as_str()
                    .bytes()
                    .fold(7u64, |h, b| h.wrapping_mul(0x0100_0000_01b3) ^ u64::from(b));
                if self.odd.len() < REPORTED && self.odd.insert(hash) {
                    tracing::warn!(key = ?line.key, "this key is not one of oq's; it is left alone");
                }
                None
            }
        }
    }

    /// Somebody else had this one: where one is gone others are, and every one of them would cost
    /// as much as a sixth of a listing.
    fn beaten(&mut self, shard: Shard, entry: &Entry, now: Mono) {
        if entry.probe || entry.listed.is_none_or(|at| now.since(at) < BEATEN) {
            return;
        }
        if self.buffer.listed(shard, now - BEATEN, WORTH) < WORTH {
            return;
        }
        let best = self.buffer.clear(shard, now - BEATEN);
        if let (Some(best), Some(s)) = (best, self.shards.get_mut(&shard)) {
            s.owe(&self.queue, best);
        }
    }

    /// These shards are mine from now on.
    pub fn adopt(&mut self, own: BTreeSet<Shard>, now: Mono) {
        self.shards.retain(|s, _| own.contains(s));
        for shard in own.difference(&self.own) {
            self.shards.entry(*shard).or_default().unseen = true;
        }
        for shard in self.own.difference(&own) {
            // Somebody else goes on with it from now on.
            self.buffer.clear(*shard, now);
        }
        self.own = own;
    }

    pub fn set_room(&mut self, room: usize, now: Mono) {
        if room > 0 {
            self.full_since = None;
        } else if self.room > 0 {
            self.full_since = Some(now);
        }
        self.room = room;
    }

    /// For how long there has been no room and no task has ended.
    pub fn full_for(&self, now: Mono) -> Duration {
        self.full_since.map_or(Duration::ZERO, |at| now.since(at))
    }
}
