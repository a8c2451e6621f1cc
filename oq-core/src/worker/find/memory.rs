//! What a finder remembers of objects that are not to be tried now: until when, and in which
//! version. Bounded; what is furthest away is forgotten first and found again by a listing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Why;
use crate::record::{Hint, ObjectId};
use crate::store::Etag;
use crate::time::StoreTime;

/// What becomes of an object when its time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Then {
    pub why: Why,
    pub probe: bool,
    pub hint: Hint,
    pub last_modified: Option<StoreTime>,
}

/// One remembered object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub until: StoreTime,
    /// In this version; `None`: in whatever version.
    pub etag: Option<Etag>,
    /// `None`: forget it then.
    pub then: Option<Then>,
}

/// How many versions are remembered that are not to be tried.
const SHUNNED: usize = 100_000;

/// What cannot be read is looked at again after this time, then after twice as long each time: it
/// may have been damaged on the way only.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The longest of these times.
const AT_LEAST_EVERY: Duration = Duration::from_secs(3600);

/// A version that is left alone.
#[derive(Debug)]
struct Shunned {
    /// A hash of its ETag.
    version: u64,
    /// When it is looked at again, and how long that is after the last time.
    again: Option<(StoreTime, Duration)>,
}

#[derive(Debug)]
pub(super) struct Memory {
    limit: usize,
    known: BTreeMap<ObjectId, Known>,
    timers: BTreeSet<(StoreTime, ObjectId)>,
    shunned: BTreeMap<ObjectId, Shunned>,
}

impl Memory {
    pub fn new(limit: usize) -> Memory {
        Memory {
            limit,
            known: BTreeMap::new(),
            timers: BTreeSet::new(),
            shunned: BTreeMap::new(),
        }
    }

    /// Whether a listed version is known and to be left alone now. Other versions are forgotten.
    pub fn covers(&mut self, id: ObjectId, etag: &Etag, now: StoreTime) -> bool {
        if let Some(shunned) = self.shunned.get(&id) {
            if shunned.version != hash(etag) {
                self.shunned.remove(&id);
            } else if shunned.again.is_none_or(|(at, _)| now < at) {
                return true;
            }
        }
        match self.known.get(&id) {
            Some(known) if known.etag.as_ref().is_none_or(|e| e == etag) => true,
            Some(_) => {
                self.forget(id);
                false
            }
            None => false,
        }
    }

    /// Whether it was seen to be over a moment ago, or to be somebody else's within the last minute.
    pub fn is_settled(&self, id: ObjectId) -> bool {
        self.known
            .get(&id)
            .is_some_and(|known| known.then.is_none())
    }

    /// Remembers an object; returns what had to be forgotten for it, which may be itself.
    pub fn remember(&mut self, id: ObjectId, known: Known) -> Option<(ObjectId, StoreTime)> {
        self.forget(id);
        self.timers.insert((known.until, id));
        self.known.insert(id, known);
        if self.known.len() <= self.limit {
            return None;
        }
        let (until, furthest) = self.timers.pop_last()?;
        self.known.remove(&furthest);
        Some((furthest, until))
    }

    /// Remembers that this version is never to be tried.
    pub fn never(&mut self, id: ObjectId, etag: &Etag) {
        self.shun(id, hash(etag), None);
    }

    /// Remembers that this version could not be read; returns when it is to be looked at again.
    pub fn unreadable(&mut self, id: ObjectId, etag: &Etag, now: StoreTime) -> StoreTime {
        let version = hash(etag);
        let before = self.shunned.get(&id).filter(|s| s.version == version);
        let wait = match before.and_then(|s| s.again) {
            Some((_, wait)) => (wait * 2).min(AT_LEAST_EVERY),
            None => LOOK_AGAIN,
        };
        let at = now.plus(wait);
        self.shun(id, version, Some((at, wait)));
        at
    }

    fn shun(&mut self, id: ObjectId, version: u64, again: Option<(StoreTime, Duration)>) {
        self.forget(id);
        if self.shunned.len() >= SHUNNED {
            self.shunned.pop_first();
        }
        self.shunned.insert(id, Shunned { version, again });
    }

    pub fn forget(&mut self, id: ObjectId) {
        if let Some(known) = self.known.remove(&id) {
            self.timers.remove(&(known.until, id));
        }
    }

    /// The next object whose time has come.
    pub fn pop_due(&mut self, now: StoreTime) -> Option<(ObjectId, Known)> {
        let (until, id) = *self.timers.first()?;
        if until > now {
            return None;
        }
        self.timers.pop_first();
        Some((id, self.known.remove(&id)?))
    }

    /// When the next time comes at which something is to be tried.
    pub fn next(&self) -> Option<StoreTime> {
        self.timers.first().map(|(until, _)| *until)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.known.len() + self.shunned.len()
    }
}

fn hash(etag: &Etag) -> u64 {
    etag.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Priority, Shard};

    fn id(n: u64) -> ObjectId {
        ObjectId::from_parts(StoreTime(n), n, Priority::NORMAL, 1, Shard::new(0).unwrap())
    }

    fn until(n: u64) -> Known {
        Known {
            until: StoreTime(n),
            etag: Some(Etag::new("a")),
            then: None,
        }
    }

    #[test]
    fn forgets_what_is_furthest_away() {
        let mut memory = Memory::new(2);
        assert_eq!(memory.remember(id(1), until(10)), None);
        assert_eq!(memory.remember(id(2), until(30)), None);
        let forgotten = memory.remember(id(3), until(20));
        assert_eq!(forgotten, Some((id(2), StoreTime(30))));
        assert_eq!(memory.next(), Some(StoreTime(10)));
        assert_eq!(memory.pop_due(StoreTime(15)), Some((id(1), until(10))));
        assert_eq!(memory.pop_due(StoreTime(15)), None);
    }

    #[test]
    fn a_new_version_is_news() {
        let mut memory = Memory::new(10);
        memory.remember(id(1), until(10));
        memory.never(id(2), &Etag::new("a"));
        let now = StoreTime(5);
        let mut covers = |n, etag: &str| memory.covers(id(n), &Etag::new(etag), now);
        assert!(covers(1, "a") && covers(2, "a"));
        assert!(!covers(1, "b") && !covers(2, "b"));
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_looked_at_again_ever_more_rarely() {
        let (mut memory, etag) = (Memory::new(10), Etag::new("a"));
        let mut now = StoreTime(0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let at = memory.unreadable(id(1), &etag, now);
            assert!(memory.covers(id(1), &etag, StoreTime(at.0 - 1)));
            assert!(!memory.covers(id(1), &etag, at));
            waits.push(at.since(now).as_secs() / 60);
            now = at;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        memory.unreadable(id(1), &Etag::new("b"), now);
        let minute = now.plus(Duration::from_secs(60));
        assert!(
            !memory.covers(id(1), &Etag::new("b"), minute),
            "another version"
        );
    }
}
