//! What a finder remembers of objects that are not to be tried now: until when, and in which
//! version. Bounded; what is furthest away is forgotten first and found again by a listing.

use std::collections::{BTreeMap, BTreeSet};

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

/// How many versions are remembered that are never to be tried.
const NEVER: usize = 100_000;

#[derive(Debug)]
pub(super) struct Memory {
    limit: usize,
    known: BTreeMap<ObjectId, Known>,
    timers: BTreeSet<(StoreTime, ObjectId)>,
    /// Versions never to be tried, by a hash of their ETag.
    never: BTreeMap<ObjectId, u64>,
}

impl Memory {
    pub fn new(limit: usize) -> Memory {
        Memory {
            limit,
            known: BTreeMap::new(),
            timers: BTreeSet::new(),
            never: BTreeMap::new(),
        }
    }

    /// Whether a listed version is known and to be left alone. Other versions are forgotten.
    pub fn covers(&mut self, id: ObjectId, etag: &Etag) -> bool {
        if let Some(h) = self.never.get(&id) {
            if *h == hash(etag) {
                return true;
            }
            self.never.remove(&id);
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
        self.forget(id);
        if self.never.len() >= NEVER {
            self.never.pop_first();
        }
        self.never.insert(id, hash(etag));
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
        self.known.len() + self.never.len()
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
        assert!(memory.covers(id(1), &Etag::new("a")) && memory.covers(id(2), &Etag::new("a")));
        assert!(!memory.covers(id(1), &Etag::new("b")) && !memory.covers(id(2), &Etag::new("b")));
        assert_eq!(memory.len(), 0);
    }
}
