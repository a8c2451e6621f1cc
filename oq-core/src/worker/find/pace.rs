//! How fast this worker finds what to do, and where in the order of keys: what it may expect of
//! others, who do the same with their shards.

use std::time::Duration;

use super::Why;
use super::buffer::{Entry, Rank, rank};
use crate::env::Mono;
use crate::record::ObjectId;

/// Claims are counted over this long.
pub(super) const WINDOW: Duration = Duration::from_millis(500);

/// A trail is begun anew after so many claims, or it would lead to where work was hours ago.
const TRAIL: u32 = 1024;

#[derive(Debug, Default)]
pub(super) struct Pace {
    since: Mono,
    current: usize,
    before: usize,
    trail: Option<Rank>,
    length: u32,
}

impl Pace {
    /// This one is ours.
    pub fn claimed(&mut self, id: ObjectId, entry: &Entry, now: Mono) {
        self.turn(now);
        self.current += 1;
        // What waited before says nothing of where others are.
        if entry.why != Why::Runnable || entry.listed.is_none() {
            return;
        }
        if self.length.is_multiple_of(TRAIL) {
            self.trail = None;
        }
        self.length += 1;
        self.trail = Some(self.trail.map_or(rank(id), |r| r.min(rank(id))));
    }

    /// How much was claimed in a window's time of late.
    pub fn recent(&mut self, now: Mono) -> usize {
        self.turn(now);
        self.current.max(self.before)
    }

    /// From where on things were found to do of late; asked once.
    pub fn trail(&mut self) -> Option<Rank> {
        self.length = 0;
        self.trail.take()
    }

    fn turn(&mut self, now: Mono) {
        let windows = now.since(self.since).as_millis() / WINDOW.as_millis();
        if windows == 0 {
            return;
        }
        let last = std::mem::take(&mut self.current);
        self.before = if windows == 1 { last } else { 0 };
        self.since = now;
    }
}
