//! What the doorbell said, compared with what it said before.

use super::Why;
use super::absorb::Now;
use super::buffer::Entry;
use super::memory::{Known, Then};
use super::state::State;
use crate::record::{Bell, Hint, ObjectId};

/// What the bell said that matters to other parts than this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Read the settings and the fleet again.
    pub view: bool,
    /// A shard beyond those known was rung: read the settings again.
    pub settings: bool,
    /// It said something that this worker has to do with. Others' shards do not count: in a large
    /// fleet nearly every ring is for somebody else.
    pub changed: bool,
}

impl State {
    /// The view number that the bell last told.
    pub fn view(&self) -> Option<u64> {
        self.bell.as_ref().map(|b| b.view)
    }

    /// What the bell says now, compared with what it said before.
    pub fn hear(&mut self, bell: Bell, now: Now) -> Heard {
        let old = match self.bell.replace(bell.clone()) {
            Some(old) => old,
            // It was written since the last look: all that it says is news.
            None if self.silent => Bell::silent(bell.write.clone()),
            None => return Heard::default(),
        };
        let mut heard = Heard {
            view: old.view != bell.view,
            ..Heard::default()
        };
        for (shard, count) in &bell.rings {
            if old.rings.get(shard) == Some(count) {
                continue;
            }
            if self.own.contains(shard) {
                heard.changed = true;
                let before = old.rings.get(shard).copied().unwrap_or_default();
                match bell.news(*shard, before) {
                    Some(ids) => ids.into_iter().for_each(|id| self.told_of(id, now)),
                    None => self.shards.entry(*shard).or_default().rung = true,
                }
            }
            let high = self.settings.as_ref().map_or(u16::MAX, |s| s.shards_high);
            let unknown = shard.value() >= high;
            heard.settings |= unknown;
            heard.changed |= unknown;
        }
        if let Some(help) = bell.help
            && old.help != bell.help
        {
            heard.changed = true;
            self.help.heard = Some(now.0);
            if !self.own.contains(&help.shard) {
                self.steal.start(now.0, Some(help.shard));
            }
        }
        heard.changed |= heard.view;
        heard
    }

    /// A ring says which object was written. Where it is due it is tried without a listing.
    fn told_of(&mut self, id: ObjectId, (now, date): Now) {
        if self.in_hand(id, false, now) || self.memory.is_settled(id) {
            return;
        }
        let then = Then {
            why: Why::Due,
            probe: false,
            hint: Hint::Runnable,
            last_modified: None,
        };
        if id.due() > date {
            let known = Known {
                until: id.due(),
                etag: None,
                then: Some(then),
            };
            self.remember(id, known);
            return;
        }
        let entry = Entry {
            etag: None,
            last_modified: None,
            hint: Hint::Runnable,
            why: Why::Runnable,
            probe: false,
            listed: None,
            told: Some(now),
        };
        self.memory.forget(id);
        let dropped = self.buffer.insert(id, entry);
        self.owe(dropped.as_slice());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::News;
    use crate::env::{Mono, SystemEntropy};
    use crate::record::{Priority, QueueName, Settings, Shard, Stamp};
    use crate::time::StoreTime;

    fn rung() -> Bell {
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        bell.ring(Shard::new(3).unwrap());
        bell
    }

    const NOW: Now = (Mono(Duration::ZERO), StoreTime(1000));

    #[test]
    fn the_ring_that_makes_the_bell_is_heard() {
        let mut state = State::new(QueueName::new("mail").unwrap());
        state.adopt(BTreeSet::from([Shard::new(3).unwrap()]), NOW.0);
        state.silent = true;
        assert!(state.hear(rung(), NOW).changed);
    }

    #[test]
    fn what_was_rung_before_the_first_look_is_not_news() {
        let mut state = State::new(QueueName::new("mail").unwrap());
        state.adopt(BTreeSet::from([Shard::new(3).unwrap()]), NOW.0);
        assert!(!state.hear(rung(), NOW).changed);
    }

    #[test]
    fn a_ring_for_somebody_else_changes_nothing() {
        let mut state = State::new(QueueName::new("mail").unwrap());
        let settings = Settings::initial(rung().write);
        state.set_settings(Arc::new(settings));
        state.silent = true;
        assert_eq!(state.hear(rung(), NOW), Heard::default());
    }

    #[test]
    fn rings_that_name_objects_are_answered_without_a_listing() {
        let shard = Shard::new(3).unwrap();
        let mut state = State::new(QueueName::new("mail").unwrap());
        let settings = Settings::initial(rung().write);
        state.set_settings(Arc::new(settings));
        state.adopt(BTreeSet::from([shard]), NOW.0);
        let mut bell = rung();
        state.hear(bell.clone(), NOW);
        let id = |due| ObjectId::from_parts(StoreTime(due), 1, Priority::NORMAL, 1, shard);
        bell.name(id(900));
        assert!(state.hear(bell.clone(), NOW).changed);
        assert!(!state.shards[&shard].rung);
        assert_eq!(state.take(NOW.0, NOW.1, None).unwrap().id, id(900));
        // One that is not due waits.
        bell.name(id(2000));
        state.hear(bell.clone(), NOW);
        assert!(state.take(NOW.0, NOW.1, None).is_none());
        assert_eq!(
            state.take(NOW.0, StoreTime(2000), None).unwrap().id,
            id(2000)
        );
        // Two rings at once: each names its own.
        bell.name(id(902));
        bell.name(id(901));
        state.hear(bell.clone(), NOW);
        assert!(!state.shards[&shard].rung);
        let mut next = || state.take(NOW.0, NOW.1, None).unwrap().id;
        assert_eq!([next(), next()], [id(901), id(902)]);
        // One of them does not: there may be more than the others say.
        bell.name(id(903));
        bell.ring(shard);
        state.hear(bell, NOW);
        assert!(state.shards[&shard].rung);
    }

    #[test]
    fn a_ring_about_what_is_over_takes_nothing() {
        let shard = Shard::new(3).unwrap();
        let mut state = State::new(QueueName::new("mail").unwrap());
        state.set_settings(Arc::new(Settings::initial(rung().write)));
        state.adopt(BTreeSet::from([shard]), NOW.0);
        let mut bell = rung();
        state.hear(bell.clone(), NOW);
        let id = ObjectId::from_parts(StoreTime(900), 1, Priority::NORMAL, 1, shard);
        state.report(id, News::Gone, Duration::ZERO, NOW);
        bell.name(id);
        state.hear(bell, NOW);
        assert!(state.take(NOW.0, NOW.1, None).is_none());
    }

    #[test]
    fn a_ring_about_what_is_in_hand_takes_nothing() {
        let shard = Shard::new(3).unwrap();
        let mut state = State::new(QueueName::new("mail").unwrap());
        let settings = Settings::initial(rung().write);
        state.set_settings(Arc::new(settings));
        state.adopt(BTreeSet::from([shard]), NOW.0);
        state.set_room(1, NOW.0);
        let mut bell = rung();
        state.hear(bell.clone(), NOW);
        let id = ObjectId::from_parts(StoreTime(900), 1, Priority::NORMAL, 1, shard);
        bell.name(id);
        state.hear(bell.clone(), NOW);
        assert_eq!(state.take(NOW.0, NOW.1, None).unwrap().id, id);
        state.report(id, News::Claimed, Duration::ZERO, NOW);
        state.set_room(0, NOW.0);
        bell.name(id);
        state.hear(bell, NOW);
        assert!(state.take(NOW.0, NOW.1, None).is_none());
        // A task of it has ended, and what is left of it was written then.
        let later = (Mono(Duration::from_secs(5)), StoreTime(6000));
        assert_eq!(state.full_for(later.0), Duration::from_secs(5));
        let (until, etag) = (StoreTime(7000), None);
        state.report(id, News::Waiting { until, etag }, Duration::ZERO, later);
        assert_eq!(state.full_for(later.0), Duration::ZERO);
        let again = state.take(later.0, until, None).unwrap();
        assert_eq!((again.id, again.last_modified), (id, Some(later.1)));
    }
}
