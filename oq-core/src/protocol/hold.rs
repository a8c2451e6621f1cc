//! A held object: the lease, and every write of its holder. While it is held nobody else changes
//! more than flags.

use std::time::Duration;

use super::root::Root;
use super::write::{Settled, read, update};
use crate::env::Mono;
use crate::error::Result;
use crate::record::{Done, Key, Live, LiveState, ObjectId, QueueName, Seen, Step, Token};
use crate::state::claim::declare;
use crate::state::run;
use crate::store::Etag;
use crate::testing::mutant::{Mutant, mutated};

/// An object that this process holds.
#[derive(Debug)]
pub struct Hold {
    pub(super) root: Root,
    pub(super) queue: QueueName,
    pub(super) id: ObjectId,
    /// The last version that is known to be in the store.
    stored: Seen<Live>,
    /// What the holder knows beyond that; written with the next renewal.
    mine: Live,
    pub(super) seal: Option<Seen<Done>>,
    token: Token,
    lease_until: Mono,
    lost: bool,
}

/// Whether the object is still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// It is, and what we knew is written.
    Held,
    /// It is not, or nobody can tell any more: stop.
    Lost,
    /// The write is in doubt; the lease runs on as before.
    Doubt,
}

/// How often a holder joins its changes with others' before it gives a write up for now.
const MERGES: u32 = 4;

impl Hold {
    /// A hold whose claim or renewal was first sent at `sent`.
    pub(super) fn new(
        root: Root,
        queue: QueueName,
        id: ObjectId,
        stored: Seen<Live>,
        sent: Mono,
    ) -> Hold {
        let lease = stored.record.lease.as_ref();
        let token = lease
            .map(|l| l.token.clone())
            .unwrap_or_else(|| Token::new(root.env().entropy.as_ref()));
        let lease_until = sent + lease.map_or(Duration::ZERO, |l| l.length);
        let mine = stored.record.clone();
        Hold {
            root,
            queue,
            id,
            stored,
            mine,
            seal: None,
            token,
            lease_until,
            lost: false,
        }
    }

    /// The object's id.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// The queue it is in.
    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The store it is in.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What the holder knows of the object.
    pub fn live(&self) -> &Live {
        &self.mine
    }

    /// Changes what the holder knows; written with the next renewal or at the end.
    pub fn live_mut(&mut self) -> &mut Live {
        &mut self.mine
    }

    /// The lease's token: grows with nothing, known to nobody else.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The version that was last written or read.
    pub fn etag(&self) -> &Etag {
        &self.stored.etag
    }

    /// When the lease ends, by this machine's clock, counted from the send of its last renewal.
    pub fn lease_until(&self) -> Mono {
        self.lease_until
    }

    /// How much of the lease is left.
    pub fn left(&self) -> Duration {
        self.lease_until.since(self.root.env().now())
    }

    /// How long the lease is.
    pub fn lease(&self) -> Duration {
        self.mine
            .lease
            .as_ref()
            .map_or(Duration::ZERO, |l| l.length)
    }

    /// Whether it is known to be lost.
    pub fn is_lost(&self) -> bool {
        self.lost || self.left().is_zero()
    }

    /// Writes what the holder knows and extends the lease.
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.queue, id = %self.id))]
    pub async fn renew(&mut self) -> Result<Renewed> {
        let next = self.mine.clone();
        self.write(next).await
    }

    /// Declares further tasks, in a write. Returns those that may start now; none if the write did
    /// not win.
    #[tracing::instrument(name = "renew", level = "debug", skip_all, fields(queue = %self.queue, id = %self.id))]
    pub async fn declare(&mut self) -> Result<(Renewed, Vec<usize>)> {
        let mut next = self.mine.clone();
        let declared = declare(&mut next, self.root.now());
        match self.write(next).await? {
            Renewed::Held => Ok((Renewed::Held, declared)),
            other => Ok((other, Vec::new())),
        }
    }

    /// Gives back what has no outcome: the tasks become pending. Tried again while the answer is in
    /// doubt and the lease lasts; afterwards whoever takes the object over finds it.
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.queue, id = %self.id))]
    pub async fn give_back(&mut self, step: Step, reason: Option<String>) -> Result<Renewed> {
        for _ in 0..MERGES {
            // Made anew each time: a write that failed may have learned flags that others set.
            let next = run::give_back(&self.mine, step, reason.clone(), self.root.now());
            match self.write(next).await? {
                Renewed::Doubt if !self.is_lost() => {}
                answer => return Ok(answer),
            }
        }
        Ok(Renewed::Doubt)
    }

    /// Marks the object as over, so that anyone can record the outcomes.
    pub(crate) async fn terminate(&mut self) -> Result<Renewed> {
        let next = run::terminate(&self.mine, Step::Finished, self.root.now());
        self.write(next).await
    }

    /// One update of the object, joined with the flags that others set meanwhile.
    async fn write(&mut self, mut next: Live) -> Result<Renewed> {
        if self.lost {
            return Ok(Renewed::Lost);
        }
        let key = Key::Live(self.queue.clone(), self.id);
        for _ in 0..MERGES {
            let sent = self.root.env().now();
            let there = match update(&self.root, &key, &self.stored, next.clone()).await? {
                Settled::Won {
                    seen,
                    recovered: false,
                } => {
                    self.won(seen, sent);
                    return Ok(Renewed::Held);
                }
                // Landed, perhaps long ago, and perhaps others wrote on top: only a renewal that is
                // answered extends the lease.
                Settled::Won {
                    seen,
                    recovered: true,
                } => {
                    if seen.record.state != next.state {
                        self.lost = true;
                        return Ok(Renewed::Lost);
                    }
                    if next.state != LiveState::Running {
                        self.won(seen, sent);
                        return Ok(Renewed::Held);
                    }
                    Some(seen)
                }
                Settled::Doubt if mutated(Mutant::RenewIgnoresDoubt) => {
                    self.lease_until = sent + self.lease();
                    return Ok(Renewed::Held);
                }
                Settled::Doubt => return Ok(Renewed::Doubt),
                Settled::Lost(Some(seen)) => Some(seen),
                Settled::Lost(None) => read::<Live>(&self.root, &key).await?,
            };
            let Some(there) = there.filter(|seen| self.is_mine(&seen.record)) else {
                self.lost = true;
                return Ok(Renewed::Lost);
            };
            next = run::merge(&next, &there.record);
            self.mine = run::merge(&self.mine, &there.record);
            self.stored = there;
        }
        Ok(Renewed::Doubt)
    }

    fn is_mine(&self, live: &Live) -> bool {
        live.state == LiveState::Running
            && live.lease.as_ref().is_some_and(|l| l.token == self.token)
    }

    fn won(&mut self, seen: Seen<Live>, sent: Mono) {
        self.mine = seen.record.clone();
        self.stored = seen;
        self.lease_until = sent + self.lease();
    }
}
