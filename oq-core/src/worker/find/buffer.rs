//! What may be tried now, the most urgent and oldest first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Why;
use crate::env::Mono;
use crate::record::{Hint, ObjectId, Priority, Shard};
use crate::store::Etag;
use crate::time::StoreTime;

/// A listing is believed for this long: others may have taken what it showed.
pub(super) const TTL: Duration = Duration::from_secs(2);

/// A ring that named one object is believed for this long: each that somebody took costs a request.
const TOLD: Duration = Duration::from_secs(10);

/// It is renewed a little earlier, so that slots do not wait for it.
const RENEW: Duration = Duration::from_millis(1750);

/// One guess is handed out after so many sure things, so that guesses neither starve nor crowd.
const SURE_PER_GUESS: u32 = 3;

/// The order of candidates within and across shards: that of their keys.
pub(super) type Rank = (Priority, ObjectId);

pub(super) fn rank(id: ObjectId) -> Rank {
    (id.priority(), id)
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub etag: Option<Etag>,
    pub last_modified: Option<StoreTime>,
    pub hint: Hint,
    pub why: Why,
    pub probe: bool,
    /// When a listing showed it; `None`: a ring named it, or it was remembered, which does not age.
    pub listed: Option<Mono>,
    /// When a ring named it.
    pub told: Option<Mono>,
}

impl Entry {
    fn older_than(&self, age: Duration, now: Mono) -> bool {
        self.listed.is_some_and(|at| now.since(at) >= age)
            || self.told.is_some_and(|at| now.since(at) >= TOLD)
    }
}

/// How many candidates are kept in all, for the sake of queues with a thousand shards.
const LIMIT: usize = 16_384;

/// Among how many of the best one is picked at random.
const SCATTER: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Buffer {
    sure: BTreeMap<Rank, Entry>,
    guesses: BTreeMap<Rank, Entry>,
    since_guess: u32,
}

impl Buffer {
    /// Adds a candidate; returns the least urgent one that had to go for it, which may be itself.
    pub fn insert(&mut self, id: ObjectId, entry: Entry) -> Option<ObjectId> {
        self.remove(id);
        let map = if entry.probe {
            &mut self.guesses
        } else {
            &mut self.sure
        };
        map.insert(rank(id), entry);
        if map.len() <= LIMIT {
            return None;
        }
        map.pop_last().map(|((_, id), _)| id)
    }

    pub fn remove(&mut self, id: ObjectId) {
        self.sure.remove(&rank(id));
        self.guesses.remove(&rank(id));
    }

    /// Takes the best candidate; what is too old goes to `aged` instead. With `scatter` it is any
    /// that is as urgent as the best.
    pub fn pop(
        &mut self,
        now: Mono,
        scatter: Option<u64>,
        mut aged: impl FnMut(ObjectId),
    ) -> Option<(ObjectId, Entry)> {
        loop {
            let guess = self.sure.is_empty() || self.since_guess >= SURE_PER_GUESS;
            let popped = if guess {
                self.guesses.pop_first().or_else(|| self.pop_sure(scatter))
            } else {
                self.pop_sure(scatter)
            };
            let ((_, id), entry) = popped?;
            if entry.older_than(TTL, now) {
                aged(id);
                continue;
            }
            self.since_guess = if entry.probe { 0 } else { self.since_guess + 1 };
            return Some((id, entry));
        }
    }

    fn pop_sure(&mut self, scatter: Option<u64>) -> Option<(Rank, Entry)> {
        let Some(random) = scatter else {
            return self.sure.pop_first();
        };
        let (urgent, _) = *self.sure.keys().next()?;
        let alike = || self.sure.keys().take_while(|(p, _)| *p == urgent);
        let count = alike().take(SCATTER).count();
        let rank = *alike().nth(random as usize % count)?;
        Some((rank, self.sure.remove(&rank)?))
    }

    /// Drops what is too old and tells of each.
    pub fn prune(&mut self, now: Mono, mut aged: impl FnMut(ObjectId)) {
        for map in [&mut self.sure, &mut self.guesses] {
            map.retain(|(_, id), entry| {
                let keep = !entry.older_than(TTL, now);
                if !keep {
                    aged(*id);
                }
                keep
            });
        }
    }

    /// What is still good but should be listed again soon.
    pub fn aging(&self, now: Mono) -> Vec<ObjectId> {
        let all = self.sure.iter().chain(&self.guesses);
        all.filter(|(_, e)| e.older_than(RENEW, now))
            .map(|((_, id), _)| *id)
            .collect()
    }

    /// Drops what listings showed of a shard up to then; returns the best of it.
    pub fn clear(&mut self, shard: Shard, then: Mono) -> Option<Rank> {
        self.clear_part(shard, then, |_| true)
    }

    /// The same of a part of a shard.
    pub fn clear_part(
        &mut self,
        shard: Shard,
        then: Mono,
        part: impl Fn(ObjectId) -> bool,
    ) -> Option<Rank> {
        let mut best = None;
        for map in [&mut self.sure, &mut self.guesses] {
            map.retain(|rank, entry| {
                let listed = rank.1.shard() == shard && entry.listed.is_some_and(|at| at <= then);
                let keep = !(listed && part(rank.1));
                if !keep {
                    best = Some(best.map_or(*rank, |b: Rank| b.min(*rank)));
                }
                keep
            });
        }
        best
    }

    /// How much listings showed of a shard up to then, counted up to `enough`.
    pub fn listed(&self, shard: Shard, then: Mono, enough: usize) -> usize {
        let all = self.sure.iter().chain(&self.guesses);
        all.filter(|((_, id), e)| id.shard() == shard && e.listed.is_some_and(|at| at <= then))
            .take(enough)
            .count()
    }

    /// How many candidates will do for a while yet, counted up to `enough`.
    pub fn fresh(&self, now: Mono, enough: usize) -> usize {
        let all = self.sure.values().chain(self.guesses.values());
        all.filter(|e| !e.older_than(RENEW, now))
            .take(enough)
            .count()
    }

    /// The most urgent sure candidate.
    pub fn best(&self) -> Option<Rank> {
        self.sure.keys().next().copied()
    }

    /// The same with what is known of it.
    pub fn best_entry(&self) -> Option<(ObjectId, &Entry)> {
        self.sure.iter().next().map(|((_, id), e)| (*id, e))
    }

    /// Something of this shard that could be tried.
    pub fn some_of(&self, own: impl Fn(Shard) -> bool) -> Option<Shard> {
        let all = self.sure.keys().chain(self.guesses.keys());
        all.map(|(_, id)| id.shard()).find(|s| own(*s))
    }

    pub fn len(&self) -> usize {
        self.sure.len() + self.guesses.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sure.is_empty() && self.guesses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(priority: u8, due: u64) -> ObjectId {
        let p = Priority::new(priority).unwrap();
        ObjectId::from_parts(StoreTime(due), 1, p, 1, Shard::new(0).unwrap())
    }

    fn entry(probe: bool, secs: u64) -> Entry {
        Entry {
            etag: None,
            last_modified: None,
            hint: Hint::Runnable,
            why: Why::Runnable,
            probe,
            listed: Some(Mono(Duration::from_secs(secs))),
            told: None,
        }
    }

    #[test]
    fn urgent_then_old_and_every_fourth_a_guess() {
        let mut buffer = Buffer::default();
        for (p, due) in [(16, 3), (16, 2), (8, 9), (16, 1)] {
            buffer.insert(id(p, due), entry(false, 0));
        }
        buffer.insert(id(0, 7), entry(true, 0));
        let order: Vec<_> =
            std::iter::from_fn(|| buffer.pop(Mono::default(), None, |_| ()).map(|(id, _)| id))
                .collect();
        assert_eq!(order, [id(8, 9), id(16, 1), id(16, 2), id(0, 7), id(16, 3)]);
    }

    #[test]
    fn scattered_takes_are_of_the_most_urgent_in_any_order() {
        let mut buffer = Buffer::default();
        for (p, due) in [(16, 3), (8, 2), (8, 9), (8, 1)] {
            buffer.insert(id(p, due), entry(false, 0));
        }
        let mut pop = |random| buffer.pop(Mono::default(), Some(random), |_| ());
        let order: Vec<_> = [2, 4, 0, 7]
            .into_iter()
            .map(|n| pop(n).unwrap().0)
            .collect();
        assert_eq!(order, [id(8, 9), id(8, 1), id(8, 2), id(16, 3)]);
    }

    #[test]
    fn a_shard_is_cleared_of_what_was_listed_up_to_then() {
        let mut buffer = Buffer::default();
        buffer.insert(id(16, 1), entry(false, 1));
        buffer.insert(id(16, 2), entry(false, 3));
        let at = |secs| Mono(Duration::from_secs(secs));
        let shard = Shard::new(0).unwrap();
        assert_eq!(buffer.clear(Shard::new(1).unwrap(), at(9)), None);
        assert_eq!(buffer.clear(shard, at(2)), Some(rank(id(16, 1))));
        assert_eq!(buffer.len(), 1);
    }

    #[test]
    fn what_was_listed_long_ago_is_not_handed_out() {
        let mut buffer = Buffer::default();
        buffer.insert(id(16, 1), entry(false, 0));
        buffer.insert(id(16, 2), entry(false, 2));
        let mut aged = Vec::new();
        let now = Mono(Duration::from_secs(3));
        let got = buffer.pop(now, None, |id| aged.push(id)).map(|(id, _)| id);
        assert_eq!((got, aged), (Some(id(16, 2)), vec![id(16, 1)]));
    }
}
