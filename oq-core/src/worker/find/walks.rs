//! How walks of shards begin and end, and what is known of a shard then.

#[cfg(test)]
mod tests;

use super::absorb::Now;
use super::buffer::Rank;
use super::plan::Job;
use super::state::State;
use super::walk::{Walk, Walked, live_key};
use crate::env::Mono;
use crate::record::{ObjectId, QueueName, Shard};

/// A walk through a crowd, while others list what is beyond it.
#[derive(Debug)]
pub(super) struct Through {
    started: Mono,
    until: String,
    /// It is to be listed from the head again: it was to be so meanwhile.
    again: bool,
    /// From here on there is work that the buffer does not hold, in front of the end.
    pub owed: Option<Rank>,
}

impl Through {
    /// Whether this object is in front of where the walk ends.
    pub fn meets(&self, queue: &QueueName, id: ObjectId) -> bool {
        live_key(queue, id) < self.until
    }
}

/// A walk through a crowd that waits for its turn.
#[derive(Debug)]
pub(super) struct Patient {
    pub walk: Walk,
    /// Nothing else is known to try.
    pub urgent: bool,
}

impl State {
    /// Begins to list a shard, on both sides of a crowd if one is likely to be met.
    pub fn begin(&mut self, job: Job, now: Now) -> Vec<Walk> {
        let want = self.room.max(16);
        let queue = self.queue.clone();
        let hungry = self.is_hungry(now.0);
        match self.shards.get_mut(&job.shard) {
            Some(s) if !job.help => {
                let rung = std::mem::take(&mut s.rung);
                s.unseen = false;
                s.listed_at = Some(now.0);
                // All of it is listed anew; what comes from here on is owed.
                s.backlog = None;
                let mut walk = Walk::new(queue, job.shard, want, job.head, &s.stretches, now);
                if let Some(through) = &mut s.through {
                    through.again |= rung;
                    return vec![walk.behind(through.until.clone())];
                }
                if !walk.from_head {
                    return vec![walk];
                }
                // From here on it says what the memory forgets meanwhile.
                (s.next_look, s.forgotten) = (None, None);
                let far = hungry
                    .then(|| walk.split_first(self.crowd, now.1))
                    .flatten();
                [walk].into_iter().chain(far).collect()
            }
            _ => {
                let old = self.foreign.entry(job.shard).or_default();
                let walk = Walk::new(queue, job.shard, want, false, old, now).short();
                vec![match job.from {
                    Some(from) => walk.from(from),
                    None => walk,
                }]
            }
        }
    }

    /// Whether a walk is amid a crowd: it is to go on by itself, and the rest of the shard is another
    /// walk's; that one, if it has not begun yet.
    pub fn part(&mut self, walk: &mut Walk, (now, date): Now) -> Option<Option<Walk>> {
        // A split costs a listing.
        if walk.until().is_none() && !self.is_hungry(now) {
            return None;
        }
        let s = self.shards.get_mut(&walk.shard)?;
        let crowd = walk
            .crowd
            .filter(|_| walk.is_amid() && s.through.is_none())?;
        let far = walk.split(crowd, date);
        if far.is_some() {
            self.crowd = Some(crowd);
        }
        let until = walk.until()?;
        let in_front = |(_, id): &mut Rank| live_key(&self.queue, *id) < until;
        let owed = s.backlog.take_if(in_front);
        s.through = Some(Through {
            started: walk.started,
            until,
            again: false,
            owed,
        });
        walk.through = true;
        Some(far)
    }

    /// Whether there is little to do, so that it matters how soon a walk finds something.
    fn is_hungry(&mut self, now: Mono) -> bool {
        let low = self.low(now);
        self.buffer.fresh(now, low) < low
    }

    /// Up to so many of the walks through crowds that may go on. While it is not known who else is
    /// here, others would go through the same crowds.
    pub fn take_patient(&mut self, most: usize) -> Vec<Walk> {
        let (own, settled) = (&self.own, self.settled);
        self.patient.retain(|p| own.contains(&p.walk.shard));
        let ready = self.patient.extract_if(.., |p| p.urgent || settled);
        ready.take(most).map(|p| p.walk).collect()
    }

    /// Ends the listing of a shard of one's own.
    pub fn finish(&mut self, walk: Walk) {
        let looked_beyond = walk.crowd.is_some() && walk.until().is_some();
        if walk.from_head && !looked_beyond {
            self.crowd = walk.crowd;
        }
        let Some(s) = self.shards.get_mut(&walk.shard) else {
            return;
        };
        if walk.from_head {
            s.head_at = Some(walk.started);
        }
        if walk.through
            && let Some(through) = s.through.take_if(|t| t.started == walk.started)
        {
            s.rung |= through.again;
            s.backlog = s.backlog.into_iter().chain(through.owed).min();
        }
        s.stretches.retain(|stretch| walk.spares(stretch));
        let Walked {
            stretches,
            next_look,
            beyond,
        } = walk.finish(s.forgotten);
        s.stretches.extend(stretches);
        s.next_look = s.next_look.into_iter().chain(next_look).min();
        s.backlog = s.backlog.into_iter().chain(beyond).min();
    }

    /// A listing failed: the shard is still to be listed.
    pub fn failed(&mut self, shard: Shard) {
        if let Some(s) = self.shards.get_mut(&shard) {
            s.rung = true;
        }
    }

    /// The same of a walk through a crowd.
    pub fn failed_through(&mut self, shard: Shard) {
        if let Some(s) = self.shards.get_mut(&shard) {
            s.through = None;
        }
        self.failed(shard);
    }

    /// Ends the listing of a foreign shard.
    pub fn finish_foreign(&mut self, walk: Walk, job: Job) {
        let shard = walk.shard;
        if job.from.is_some() {
            return;
        }
        self.foreign.insert(shard, walk.finish(None).stretches);
    }
}
