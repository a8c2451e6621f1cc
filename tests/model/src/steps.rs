//! What a worker does next with what it finds: the order of `oq_core::protocol`, cut at every request.

use oq_core::record::{Done, Live, LiveState, Stamp, Token, WriteId};
use oq_core::state::claim::{self as state, may_be_taken_over, take_over_at};
use oq_core::state::record_outcome;
use oq_core::testing::mutant::{Mutant, mutated};

use crate::ghost::letters;
use crate::worker::{Ask, At, Read, Then, Worker, create, update};
use crate::world::{Change, Kept, When, World};

impl World {
    /// Reads a live object.
    pub fn look(&mut self, w: usize, of: usize) {
        let thing = &self.things[of];
        let Some(live) = thing.live.clone() else {
            return;
        };
        self.workers[w].at = At::Read(Read {
            of,
            live,
            written: thing.written,
            date: self.now,
            done: thing.done.clone(),
        });
    }

    /// Looks for the outcome of what was read, and decides.
    pub fn decide(&mut self, w: usize) {
        let At::Read(read) = std::mem::replace(&mut self.workers[w].at, At::Idle) else {
            return;
        };
        let Read {
            of,
            live,
            written,
            date,
            ..
        } = read;
        let there = if mutated(Mutant::ClaimWithoutDoneCheck) {
            None
        } else if mutated(Mutant::StaleDoneCheck) {
            read.done
        } else {
            self.things[of].done.clone()
        };
        let seal = match there {
            Some(done) if !done.record.is_seal() => return self.clear(w, of, &done.record),
            seal => seal,
        };
        let record = live.record.as_ref();
        let worker = &self.workers[w];
        let (now, at, then_at) = (self.time(self.now), self.time(written), self.time(date));
        match record.state {
            LiveState::Terminal => return self.record(w, of, live, seal),
            LiveState::Running => {
                let token = record.lease.as_ref().map(|l| l.token.clone());
                let mine = token.is_some() && token == worker.doubtful_token();
                if mine && may_adopt(record, seal.as_ref()) {
                    return self.adopt(w, of, live, seal);
                }
                if then_at < take_over_at(record, at) {
                    return;
                }
            }
            LiveState::Pending => {}
        }
        let taking_over = record.state == LiveState::Running;
        let who = Worker {
            claims: worker.claims + 1,
            ..worker.clone()
        }
        .claimant();
        let Ok(next) = state::take_over(record, &who, at, then_at, now) else {
            return;
        };
        self.workers[w].claims += 1;
        let sent = self.now;
        let then = Then::Claim {
            taking_over,
            seal,
            sent,
        };
        self.ask_update(w, of, &live, next, then);
    }

    fn adopt(&mut self, w: usize, of: usize, live: Kept<Live>, seal: Option<Kept<Done>>) {
        let next = state::adopt(&live.record, self.time(self.now));
        let then = Then::Adopt {
            seal,
            sent: self.now,
        };
        self.ask_update(w, of, &live, next, then);
    }

    /// Records what a terminal record says, as anyone may.
    pub(crate) fn record(
        &mut self,
        w: usize,
        of: usize,
        live: Kept<Live>,
        seal: Option<Kept<Done>>,
    ) {
        if mutated(Mutant::DeleteWithoutDone) {
            return self.delete(w, of);
        }
        let worker = &self.workers[w];
        let token = Token::parse(&format!("r_{}", worker.number)).expect("it is short");
        let done = record_outcome::done(&live.record, &token, self.stamp());
        if mutated(Mutant::DeadFromLive) {
            self.things[of].apply(&Change::Dead(letters(&done)), self.now);
        }
        self.ask_done(w, of, done, seal, Then::Record(live));
    }

    /// An outcome is recorded: its dead letters, then the live object away.
    pub(crate) fn clear(&mut self, w: usize, of: usize, done: &Done) {
        match letters(done) {
            0 => self.delete(w, of),
            letters => self.ask(w, of, Change::Dead(letters), Vec::new(), Then::Letters),
        }
    }

    pub(crate) fn delete(&mut self, w: usize, of: usize) {
        self.ask(w, of, Change::DeleteLive, Vec::new(), Then::Delete);
    }

    fn ask(&mut self, w: usize, of: usize, change: Change, sent: Vec<WriteId>, then: Then) {
        let doubt = false;
        self.workers[w].at = At::Ask(Box::new(Ask {
            of,
            change,
            sent,
            doubt,
            then,
        }));
    }

    pub(crate) fn ask_update(
        &mut self,
        w: usize,
        of: usize,
        old: &Kept<Live>,
        next: Live,
        then: Then,
    ) {
        let (change, id) = update(&self.workers[w], old, next, Change::Live);
        self.ask(w, of, change, vec![id], then);
    }

    /// An outcome or a seal: where nothing is, or over a seal.
    pub(crate) fn ask_done(
        &mut self,
        w: usize,
        of: usize,
        done: Done,
        over: Option<Kept<Done>>,
        then: Then,
    ) {
        let worker = &self.workers[w];
        let (change, id) = match over {
            Some(seal) => update(worker, &seal, done, Change::Done),
            None => {
                let (done, id) = create(worker, done, 0);
                (Change::Done(done, When::Absent), id)
            }
        };
        self.ask(w, of, change, vec![id], then);
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let id = WriteId::parse("blank").expect("it is short");
        Stamp {
            generation: 1,
            by: Vec::new(),
            created_by: id,
            created: self.time(self.now),
        }
    }
}

/// A take-over without its seal is not adopted: its lease runs out.
fn may_adopt(live: &Live, seal: Option<&Kept<Done>>) -> bool {
    let sealed = seal.is_some_and(|s| s.record.open == Some(live.delivery));
    sealed || !may_be_taken_over(live)
}
