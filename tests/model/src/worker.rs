//! Where a worker stands: between requests, at one, or with an object in its hands.

use std::hash::{Hash, Hasher};

use oq_core::record::{Done, Live, Record, Seen, Token, WorkerId, WriteId, encode};
use oq_core::state::claim::Claimant;

use crate::symmetry::{Twofold, object};
use crate::world::{Change, Kept, LEASE, When, etag};

/// One worker. When it dies another takes its place, which knows nothing and has its own tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    pub number: u8,
    /// How many claims it sent that may be in the store: each has a token of its own.
    pub claims: u8,
    /// The last claim of its own that went unanswered.
    pub doubtful: Option<u8>,
    pub at: At,
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum At {
    Idle,
    /// It has read a live object, and looks for its outcome next.
    Read(Read),
    /// Its request is on the wire.
    Ask(Box<Ask>),
    /// The answer was lost; it reads back next.
    Doubt(Box<Ask>),
    /// It holds an object.
    Hold(Box<Hold>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub of: usize,
    pub live: Kept<Live>,
    pub written: u8,
    pub date: u8,
    /// What was there under `done/` at that moment: nobody should go by it.
    pub done: Option<Kept<Done>>,
}

/// A write, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub of: usize,
    pub change: Change,
    /// Under which ids it was sent so far.
    pub sent: Vec<WriteId>,
    /// An earlier send may have landed.
    pub doubt: bool,
    pub then: Then,
}

/// What a write is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Then {
    Claim {
        taking_over: bool,
        seal: Option<Kept<Done>>,
        sent: u8,
    },
    Adopt {
        seal: Option<Kept<Done>>,
        sent: u8,
    },
    Seal(Hold),
    Write(Hold, What, u8),
    Finish(Hold),
    /// The outcome of a terminal record, by anyone.
    Record(Kept<Live>),
    Letters,
    Delete,
}

/// Why a holder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    Renew,
    Declare,
    GiveBack,
    Terminate,
}

/// An object in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub of: usize,
    pub stored: Kept<Live>,
    pub mine: Kept<Live>,
    pub seal: Option<Kept<Done>>,
    pub token: Token,
    /// When its last write that was answered was sent.
    pub from: u8,
    /// Tasks that are declared and not started yet, one bit each.
    pub due: u8,
    /// Before anything starts it looks for an outcome once more.
    pub look: bool,
    /// Before anything starts it renews: its claim was found by reading back.
    pub renew: bool,
}

// Whose number it is follows from where it stands in the world; of what it sent only its own part of
// the write ids tells something; a hold's token stands in its record.

impl Hash for Worker {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.claims, self.doubtful, &self.at).hash(hasher);
    }
}

impl Hash for Read {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        object(self.of, hasher);
        (&self.live, self.written, self.date, &self.done).hash(hasher);
    }
}

impl Hash for Ask {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        object(self.of, hasher);
        for id in &self.sent {
            id.as_str()
                .split('-')
                .skip(1)
                .for_each(|part| part.hash(hasher));
        }
        (self.sent.len(), &self.change, self.doubt, &self.then).hash(hasher);
    }
}

impl Hash for Hold {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        object(self.of, hasher);
        (&self.stored, &self.mine, &self.seal).hash(hasher);
        (self.from, self.due, self.look, self.renew).hash(hasher);
    }
}

impl Worker {
    pub fn new(number: u8) -> Worker {
        Worker {
            number,
            claims: 0,
            doubtful: None,
            at: At::Idle,
        }
    }

    pub fn token(&self) -> Token {
        self.token_of(self.claims)
    }

    pub fn doubtful_token(&self) -> Option<Token> {
        self.doubtful.map(|claim| self.token_of(claim))
    }

    fn token_of(&self, claim: u8) -> Token {
        Token::parse(&format!("t_{}-{claim}", self.number)).expect("it is short")
    }

    pub fn claimant(&self) -> Claimant {
        Claimant {
            worker: WorkerId::parse(&format!("w_{}", self.number)).expect("it is short"),
            token: self.token(),
            longest_lease: LEASE,
            slots: 1,
        }
    }

    /// A write id that no other write has: it is made of the content, as its writer sees it, and of
    /// who that is.
    pub fn write_id<R: Record>(&self, record: &R, sends: usize) -> WriteId {
        let content = Twofold::of(&encode(record));
        let number = match self.number {
            0 => content.is,
            1 => content.mirrored,
            // Neither of the two: to it both are alike.
            _ => content.is.wrapping_add(content.mirrored),
        };
        let text = format!("x_{}-{}-{sends}-{number:016x}", self.number, self.claims);
        WriteId::parse(&text).expect("it is short")
    }

    /// The hold under which handlers may run; who gives back or is at the end has stopped them.
    pub fn holds(&self) -> Option<&Hold> {
        match &self.at {
            At::Hold(hold) => Some(hold),
            At::Ask(ask) | At::Doubt(ask) => match &ask.then {
                Then::Seal(hold) | Then::Finish(hold) => Some(hold),
                Then::Write(hold, What::Renew | What::Declare, _) => Some(hold),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Hold {
    /// A hold whose claim was sent at `from`.
    pub fn new(of: usize, stored: Kept<Live>, token: Token, from: u8) -> Hold {
        let running = stored.record.tasks.iter().enumerate();
        let due = running.filter(|(_, slot)| slot.running);
        let due = due.fold(0, |bits, (n, _)| bits | 1 << n);
        Hold {
            of,
            mine: stored.clone(),
            stored,
            seal: None,
            token,
            from,
            due,
            look: false,
            renew: false,
        }
    }

    /// Changes what the holder knows.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Live) -> T) -> T {
        let mut live = self.mine.record.as_ref().clone();
        let result = change(&mut live);
        self.mine = Kept::of(live);
        result
    }
}

/// An update of `old`.
pub fn update<R: Record>(
    worker: &Worker,
    old: &Kept<R>,
    mut next: R,
    change: impl FnOnce(Kept<R>, When) -> Change,
) -> (Change, WriteId) {
    *next.stamp_mut() = old.record.stamp().clone();
    let id = worker.write_id(&next, 0);
    let stamp = next.stamp_mut();
    stamp.generation += 1;
    stamp.by.push(id.clone());
    if stamp.by.len() > 8 {
        stamp.by.remove(0);
    }
    (change(Kept::of(next), When::Is(old.etag)), id)
}

/// The same record as a create, under a write id of its own for each send.
pub fn create<R: Record>(worker: &Worker, mut next: R, sends: usize) -> (Kept<R>, WriteId) {
    let id = worker.write_id(&next, sends + 1);
    let stamp = next.stamp_mut();
    (stamp.generation, stamp.created_by) = (1, id.clone());
    stamp.by = vec![id.clone()];
    (Kept::of(next), id)
}

/// A version as the pure functions want it.
pub fn seen<R: Record>(kept: &Kept<R>) -> Seen<R> {
    Seen {
        record: kept.record.as_ref().clone(),
        etag: etag(kept.etag),
        last_modified: None,
    }
}
