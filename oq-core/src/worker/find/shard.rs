//! What is known of one shard of one's own.

use super::buffer::Rank;
use super::walk::Stretch;
use super::walks::Through;
use crate::env::Mono;
use crate::record::QueueName;
use crate::time::StoreTime;

/// How a shard of one's own stands.
#[derive(Debug, Default)]
pub(super) struct ShardState {
    /// It is to be listed.
    pub rung: bool,
    /// It was not listed since it became one's own.
    pub unseen: bool,
    pub listed_at: Option<Mono>,
    pub head_at: Option<Mono>,
    /// Something in it may be worth a try then.
    pub next_look: Option<StoreTime>,
    /// The same of what was remembered by itself when it was last listed from its head, and is not any more.
    pub forgotten: Option<StoreTime>,
    /// There is more than the buffer holds, from here on.
    pub backlog: Option<Rank>,
    pub stretches: Vec<Stretch>,
    /// A walk goes through a crowd, and is not at its end yet.
    pub through: Option<Through>,
}

impl ShardState {
    /// From here on there is work that the buffer does not hold.
    pub fn owe(&mut self, queue: &QueueName, from: Rank) {
        // In front of where a walk goes on, only that walk's end tells what to do.
        let owed = match &mut self.through {
            Some(through) if through.meets(queue, from.1) => &mut through.owed,
            _ => &mut self.backlog,
        };
        *owed = owed.iter().copied().chain([from]).min();
    }

    /// Something that nobody remembers by itself may be worth a try then.
    pub fn look_by(&mut self, until: StoreTime) {
        self.next_look = self.next_look.into_iter().chain([until]).min();
        self.forgotten = self.forgotten.into_iter().chain([until]).min();
        self.stretches.iter_mut().for_each(|s| s.look_by(until));
    }
}
