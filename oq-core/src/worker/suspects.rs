//! Lone tasks that are suspected of having killed a worker run among few of their kind, so that the
//! one to blame is found and the others are not charged with it. What is no suspect runs beside them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::env::Mono;
use crate::record::ObjectId;

/// One that found no place is the next for so long; else others would always be before it.
const NEXT: Duration = Duration::from_secs(30);

/// The suspects that run in this process, each among so many at the most.
#[derive(Debug, Default)]
pub(super) struct Suspects(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<ObjectId, u16>,
    next: Option<(ObjectId, Mono)>,
}

/// The place of one object, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    suspects: &'a Suspects,
    id: ObjectId,
    taken: AtomicBool,
}

impl Suspects {
    /// A place that nobody has taken yet.
    pub fn place(&self, id: ObjectId) -> Place<'_> {
        Place {
            suspects: self,
            id,
            taken: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Takes the place if there are few enough.
    pub fn take(&self, among: u16, now: Mono) -> bool {
        let mut state = self.suspects.state();
        let others = state
            .next
            .filter(|(id, at)| *id != self.id && now.since(*at) < NEXT);
        let least = state.running.values().copied().chain([among.max(1)]).min();
        let room = state.running.len() < usize::from(least.unwrap_or(1));
        if others.is_some() || !room {
            if others.is_none() {
                state.next = Some((self.id, now));
            }
            return false;
        }
        state.next = None;
        state.running.insert(self.id, among);
        self.taken.store(true, Relaxed);
        true
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if *self.taken.get_mut() {
            self.suspects.state().running.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Priority, Shard};
    use crate::time::StoreTime;

    fn id(n: u64) -> ObjectId {
        ObjectId::from_parts(StoreTime(n), n, Priority::NORMAL, 1, Shard::default())
    }

    fn at(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    #[test]
    fn the_strictest_of_them_counts() {
        let all = Suspects::default();
        let places: Vec<Place<'_>> = (0..9).map(|n| all.place(id(n))).collect();
        let taken = places.iter().filter(|p| p.take(8, at(0))).count();
        assert_eq!(taken, 8);
        drop(places);
        let (wide, alone) = (all.place(id(1)), all.place(id(2)));
        assert!(alone.take(1, at(100)) && !wide.take(8, at(100)));
        drop(alone);
        assert!(wide.take(8, at(100)));
    }

    #[test]
    fn who_took_no_place_gives_none_free() {
        let all = Suspects::default();
        let first = all.place(id(1));
        assert!(first.take(1, at(0)));
        drop(all.place(id(1)));
        assert!(!all.place(id(2)).take(1, at(1)), "the first still runs");
        drop(first);
        assert!(all.place(id(2)).take(1, at(2)));
    }

    #[test]
    fn one_that_has_to_be_alone_is_not_put_off_for_ever() {
        let all = Suspects::default();
        let first = all.place(id(1));
        assert!(first.take(8, at(0)));
        let alone = all.place(id(2));
        assert!(!alone.take(1, at(1)));
        let third = all.place(id(3));
        assert!(!third.take(8, at(2)), "the other one is next");
        drop(first);
        assert!(alone.take(1, at(6)));
        drop(alone);
        assert!(third.take(8, at(7)));
        assert!(!all.place(id(4)).take(1, at(8)));
        assert!(all.place(id(5)).take(8, at(99)), "it never came back");
    }
}
