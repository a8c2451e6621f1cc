//! One shard, as a tail knows it: which live objects it has seen in which version, which outcomes
//! it has told, and when it is worth another look. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::env::Mono;
use crate::record::{Event, Hint, Key, ObjectId, QueueName, prefix};
use crate::store::{Etag, Listed};
use crate::time::StoreTime;

/// A create may have been so long under way: ids that old may be new.
pub(super) const LAG: Duration = Duration::from_secs(10);

/// A shard in which something runs is looked at this often, though nothing changes.
const RUNNING: Duration = Duration::from_secs(15);

/// The same for a shard in which nothing runs. Rings, due times and workers that come call earlier.
const RESTING: Duration = Duration::from_secs(240);

/// What was told of a live object.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub etag: Etag,
    /// It runs, or may be started.
    pub active: bool,
    /// It runs.
    pub running: bool,
    /// Its submission was told, or is too old to be.
    pub submitted: bool,
    /// The newest step that was told.
    pub last: Option<Event>,
}

/// A record worth reading.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// It is new or has changed.
    Live(ObjectId),
    /// It is gone from the live ones, or its outcome is new; with what was told of it.
    Done(ObjectId, Option<Known>),
}

/// One shard.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub known: BTreeMap<String, Known>,
    /// Outcomes that were told, as long as a listing may show them again.
    pub over: BTreeSet<ObjectId>,
    /// It was rung since the last look.
    pub rung: bool,
    /// When it was last looked at, in store time.
    pub visited: Option<StoreTime>,
    /// Its listing was cut: there is more than was seen.
    pub cut: bool,
    /// When to look again.
    pub next: Mono,
    wait: Duration,
    /// The next object that waits may be due then.
    pub due: Option<StoreTime>,
}

/// A piece of a listing, and the part of the key space that it shows completely.
pub(super) struct Piece<'a> {
    pub after: &'a str,
    /// The end of that part; `None`: the end of the prefix.
    pub through: Option<&'a str>,
    pub entries: &'a [Listed],
    pub date: StoreTime,
}

impl Place {
    /// Takes in what a listing shows of this shard; returns what is worth reading. What was last
    /// changed before `from` is only remembered.
    pub fn absorb(&mut self, piece: &Piece<'_>, from: StoreTime) -> Vec<Look> {
        let mut looks = Vec::new();
        let mut shown: BTreeSet<&str> = BTreeSet::new();
        for entry in piece.entries {
            let key = entry.key.as_str();
            let Some(Key::Live(_, id)) = Key::parse(key) else {
                continue;
            };
            shown.insert(key);
            let hint = Hint::of_size(entry.size);
            let waits_until = match hint {
                Hint::Waiting(at_least) => entry.last_modified.plus(at_least).max(id.due()),
                _ => id.due(),
            };
            let running = matches!(hint, Hint::Running(_));
            let waits = !running && waits_until > piece.date;
            if waits {
                self.due = Some(self.due.map_or(waits_until, |due| due.min(waits_until)));
            }
            match self.known.get_mut(key) {
                Some(known) => {
                    (known.active, known.running) = (!waits, running);
                    if known.etag != entry.etag {
                        known.etag = entry.etag.clone();
                        looks.push(Look::Live(id));
                    }
                }
                None => {
                    // Listings have whole seconds.
                    let fresh = entry.last_modified.plus(Duration::from_secs(1)) > from;
                    let known = Known {
                        etag: entry.etag.clone(),
                        active: !waits,
                        running,
                        submitted: false,
                        last: None,
                    };
                    self.known.insert(key.to_owned(), known);
                    if fresh && !self.over.contains(&id) {
                        looks.push(Look::Live(id));
                    }
                }
            }
        }
        let gone: Vec<String> = self
            .known
            .range(piece.after.to_owned()..)
            .map(|(key, _)| key.as_str())
            .take_while(|key| piece.through.is_none_or(|through| *key <= through))
            .filter(|key| *key > piece.after && !shown.contains(key))
            .map(str::to_owned)
            .collect();
        for key in gone {
            let known = self.known.remove(&key);
            if let Some(Key::Live(_, id)) = Key::parse(&key)
                && self.over.insert(id)
            {
                looks.push(Look::Done(id, known));
            }
        }
        looks
    }

    /// Takes in a page of outcomes.
    pub fn absorb_done(
        &mut self,
        queue: &QueueName,
        entries: &[Listed],
        from: StoreTime,
    ) -> Vec<Look> {
        let mut looks = Vec::new();
        for entry in entries {
            let fresh = entry.last_modified.plus(Duration::from_secs(1)) > from;
            let seal = !matches!(Hint::of_size(entry.size), Hint::Terminal(_));
            if !fresh || seal {
                continue;
            }
            if let Some(Key::Done(_, id)) = Key::parse(entry.key.as_str())
                && self.over.insert(id)
            {
                let live = Key::Live(queue.clone(), id).to_string();
                looks.push(Look::Done(id, self.known.remove(&live)));
            }
        }
        looks
    }

    /// From which due time on outcomes are listed: whoever was due earlier was seen alive.
    pub fn done_since(&self, reach: StoreTime) -> StoreTime {
        self.visited.map_or(reach, |at| at.minus(LAG))
    }

    /// Notes that a look ended, and when the next one is worth it.
    pub fn seen(&mut self, now: Mono, date: StoreTime, changed: bool, shortest: Duration) {
        let runs = self.known.values().any(|k| k.running);
        let longest = if runs { RUNNING } else { RESTING }.max(shortest);
        self.wait = if changed {
            shortest
        } else {
            (self.wait * 2).clamp(shortest, longest)
        };
        let due = self.due.map(|due| due.since(date) + Duration::from_secs(1));
        self.next = now + due.map_or(self.wait, |due| due.max(shortest).min(self.wait));
        let told = self.done_since(date).minus(Duration::from_secs(60));
        self.over.retain(|id| id.due() >= told);
        self.visited = Some(date);
        self.rung = false;
    }

    /// The earliest due time among what may end next: work that is due, and what has waited for no
    /// longer than an hour.
    pub fn oldest(&self, now: StoreTime) -> Option<StoreTime> {
        let hour = now.minus(Duration::from_secs(3600));
        let live = self.known.iter().filter_map(|(key, known)| {
            let Some(Key::Live(_, id)) = Key::parse(key) else {
                return None;
            };
            (known.active || id.due() >= hour).then(|| id.due())
        });
        live.min()
    }
}

/// Where a listing of a shard that was cut goes on: behind what is not yet due, else where new
/// submissions are.
pub(super) fn go_on(
    queue: &QueueName,
    last: ObjectId,
    next: String,
    now: StoreTime,
    since: StoreTime,
) -> String {
    if last.due() > now {
        return prefix::behind_priority(queue, last.shard(), last.priority());
    }
    next.max(prefix::live_since(
        queue,
        last.shard(),
        last.priority(),
        since,
    ))
}
