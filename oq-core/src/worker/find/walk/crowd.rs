//! A crowd: keys that wait, and fill the pages in front of what may be runnable. What is to be tried
//! should not wait until all of them have been listed, so the walk is split. One goes on through the
//! crowd, since something may be runnable in it, and another one begins where new tasks stand.

use std::time::Duration;

use super::{Stretch, Walk};
use crate::record::{Key, ObjectId, Priority, QueueName, prefix};
use crate::time::StoreTime;

/// What came so long ago or later is looked for beyond a crowd.
const RECENT: Duration = Duration::from_secs(60);

/// Where to look beyond a crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Beyond {
    /// Behind this priority: nothing in it is due.
    Priority(Priority),
    /// At the latest of this priority: its older keys wait.
    Recent(Priority),
}

/// The key of a live object.
pub(in super::super) fn live_key(queue: &QueueName, id: ObjectId) -> String {
    Key::Live(queue.clone(), id).store_key().to_string()
}

impl Walk {
    /// The same walk from this key on.
    pub fn behind(mut self, key: String) -> Walk {
        self.from_head = false;
        self.run = None;
        self.start.clone_from(&key);
        self.after = Some(key);
        self
    }

    /// Leaves what is beyond a crowd to another walk: that one, unless this one is there already.
    pub fn split(&mut self, beyond: Beyond, date: StoreTime) -> Option<Walk> {
        let from = match beyond {
            Beyond::Priority(p) => prefix::behind_priority(&self.queue, self.shard, p),
            Beyond::Recent(p) => prefix::live_since(&self.queue, self.shard, p, date.minus(RECENT)),
        };
        self.split_at(from, date)
    }

    /// The same before it begins, if it is known that there is a crowd, or likely.
    pub fn split_first(&mut self, likely: Option<Beyond>, date: StoreTime) -> Option<Walk> {
        match self.old.iter().find(|s| s.first.is_empty()) {
            Some(lead) => self.split_at(lead.last.clone(), date),
            None => self.split(likely?, date),
        }
    }

    fn split_at(&mut self, from: String, date: StoreTime) -> Option<Walk> {
        if self.until.is_some() || self.after.as_ref().is_some_and(|after| *after >= from) {
            return None;
        }
        self.until = Some(from.clone());
        let now = (self.started, date);
        let old = &self.old;
        let far = Walk::new(self.queue.clone(), self.shard, self.want, true, old, now);
        Some(far.behind(from))
    }

    /// Takes note of a page that is not the last one.
    pub(super) fn see_crowd(&mut self, skip: Option<Priority>) {
        let beyond = match skip {
            Some(p) => Some(Beyond::Priority(p)),
            None => self.last.map(|(p, _)| Beyond::Recent(p)),
        };
        self.crowd = beyond.filter(|_| self.found == 0);
        // Behind a priority the next page may well show something, unless that is another's.
        self.amid = self.crowd.is_some() && (skip.is_none() || self.until.is_some());
    }

    /// Whether the next page is likely to show nothing to try either.
    pub fn is_amid(&self) -> bool {
        self.amid && !self.done && !self.through
    }

    /// Whether it has shown something to try.
    pub fn has_found(&self) -> bool {
        self.found > 0
    }

    /// Where it ends, at the latest.
    pub fn until(&self) -> Option<String> {
        self.until.clone()
    }

    /// Whether what it shows says all about this object.
    pub fn covers(&self, id: ObjectId) -> bool {
        let key = live_key(&self.queue, id);
        self.start <= key && !self.is_over(&key)
    }

    /// Whether what it shows says nothing about what was known of a stretch.
    pub fn spares(&self, stretch: &Stretch) -> bool {
        stretch.last <= self.start || self.is_over(&stretch.first)
    }

    pub(super) fn is_over(&self, key: &str) -> bool {
        self.until
            .as_ref()
            .is_some_and(|until| key >= until.as_str())
    }

    /// From here on it is another's.
    pub(super) fn end(&mut self) {
        self.done = true;
        if let (Some(until), Some(run)) = (&self.until, &mut self.run) {
            run.last.clone_from(until);
        }
    }
}
