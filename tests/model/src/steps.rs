//! What a worker does next: the order of `oq_core::protocol`, cut at every request.

use oq_core::record::{
    Done, Failure, Live, LiveState, Record, Stamp, Step, Token, WriteId, encode,
};
use oq_core::state::claim::{self as state, declare, may_be_taken_over, take_over_at, widen};
use oq_core::state::readback::{Readback, classify_create, classify_update};
use oq_core::state::record_outcome;
use oq_core::state::run::{self, Rest, Verdict as End, rest, settle, settle_overdue};
use oq_core::store::{Object, StoreKey};
use oq_core::testing::mutant::{Mutant, mutated};

use crate::ghost::{Saw, letters};
use crate::worker::{Ask, At, Hold, Read, Then, What, Worker, create, seen, update};
use crate::world::{Change, Kept, When, World, etag};

/// How often a write is sent before it is left in doubt.
const SENDS: usize = 2;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    Answered,
    /// It never arrives.
    Lost,
    /// It is applied, and the answer is lost.
    Unanswered,
    /// It is given up and lands later.
    Late,
}

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
                let mine = token.is_some() && token == worker.doubtful;
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
    fn record(&mut self, w: usize, of: usize, live: Kept<Live>, seal: Option<Kept<Done>>) {
        if mutated(Mutant::DeleteWithoutDone) {
            return self.delete(w, of);
        }
        let worker = &self.workers[w];
        let token = Token::parse(&format!("r{}", worker.number)).expect("it is short");
        let done = record_outcome::done(&live.record, &token, self.stamp());
        if mutated(Mutant::DeadFromLive) {
            self.things[of].apply(&Change::Dead(letters(&done)), self.now);
        }
        self.ask_done(w, of, done, seal, Then::Record(live));
    }

    /// An outcome is recorded: its dead letters, then the live object away.
    fn clear(&mut self, w: usize, of: usize, done: &Done) {
        match letters(done) {
            0 => self.delete(w, of),
            letters => self.ask(w, of, Change::Dead(letters), Vec::new(), Then::Letters),
        }
    }

    fn delete(&mut self, w: usize, of: usize) {
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

    fn ask_update(&mut self, w: usize, of: usize, old: &Kept<Live>, next: Live, then: Then) {
        let (change, id) = update(&self.workers[w], old, next, Change::Live);
        self.ask(w, of, change, vec![id], then);
    }

    /// An outcome or a seal: where nothing is, or over a seal.
    fn ask_done(&mut self, w: usize, of: usize, done: Done, over: Option<Kept<Done>>, then: Then) {
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

    fn stamp(&self) -> Stamp {
        let id = WriteId::parse("blank").expect("it is short");
        Stamp {
            generation: 1,
            by: Vec::new(),
            created_by: id,
            created: self.time(self.now),
        }
    }

    /// A request meets its fate.
    pub fn meet(&mut self, w: usize, fate: Fate) {
        let At::Ask(mut ask) = std::mem::replace(&mut self.workers[w].at, At::Idle) else {
            return;
        };
        let (thing, now) = (&mut self.things[ask.of], self.now);
        match fate {
            Fate::Answered => {
                let won = thing.apply(&ask.change, now);
                if matches!(&ask.change, Change::Done(..)) && !won {
                    thing.ghost.see(Saw::SealRefused);
                }
                let lost_is_final = !ask.doubt || mutated(Mutant::LostAfterDoubt);
                if won {
                    self.settled(w, *ask, true, false);
                } else if lost_is_final {
                    self.settled(w, *ask, false, false);
                } else {
                    self.workers[w].at = At::Doubt(ask);
                }
                return;
            }
            Fate::Lost => {}
            Fate::Unanswered => drop(thing.apply(&ask.change, now)),
            Fate::Late => thing.leave(ask.change.clone()),
        }
        match ask.then {
            // Deletions and letters have no condition and no read-back: who meets the rest goes on.
            Then::Letters if mutated(Mutant::DeleteBeforeDead) => self.delete(w, ask.of),
            Then::Letters | Then::Delete => {}
            _ if mutated(Mutant::UnknownMeansWon) => self.settled(w, *ask, true, false),
            _ => {
                ask.doubt = true;
                self.workers[w].at = At::Doubt(ask);
            }
        }
    }

    /// Reads back after a lost answer.
    pub fn read_back(&mut self, w: usize) {
        let At::Doubt(mut ask) = std::mem::replace(&mut self.workers[w].at, At::Idle) else {
            return;
        };
        let thing = &self.things[ask.of];
        let found = match &ask.change {
            Change::Live(_, when) => classify(&ask.sent, *when, thing.live.as_ref()),
            Change::Done(_, when) => classify(&ask.sent, *when, thing.done.as_ref()),
            Change::Dead(_) | Change::DeleteLive => return,
        };
        match found {
            Found::Mine => {
                self.things[ask.of].ghost.see(Saw::Recovered);
                self.settled(w, *ask, true, true);
            }
            Found::NotMine => self.settled(w, *ask, false, false),
            Found::NotYet if ask.sent.len() < SENDS && self.may_send_again(&ask) => {
                self.send_again(w, &mut ask);
                self.workers[w].at = At::Ask(ask);
            }
            Found::NotYet => self.doubtful(w, *ask),
        }
    }

    /// Outcomes are sent only while the lease lasts.
    fn may_send_again(&self, ask: &Ask) -> bool {
        let unchecked =
            mutated(Mutant::LeaseCheckedOnce) || mutated(Mutant::FinishWithoutLeaseCheck);
        match &ask.then {
            Then::Finish(hold) => unchecked || self.lasts(hold.from),
            _ => true,
        }
    }

    /// Updates send the same bytes again; every send of a create has a write id of its own.
    fn send_again(&self, w: usize, ask: &mut Ask) {
        let Change::Done(done, When::Absent) = &ask.change else {
            let id = ask.sent.last().cloned();
            ask.sent.extend(id);
            return;
        };
        if mutated(Mutant::SameBytesForEveryCreate) {
            return;
        }
        let record = done.record.as_ref().clone();
        let (done, id) = create(&self.workers[w], record, ask.sent.len());
        ask.sent.push(id);
        ask.change = Change::Done(done, When::Absent);
    }

    /// A write in doubt whose tries are used up.
    fn doubtful(&mut self, w: usize, ask: Ask) {
        let of = ask.of;
        match ask.then {
            Then::Claim { .. } => self.workers[w].doubtful = Some(self.workers[w].token()),
            Then::Adopt { .. } | Then::Seal(_) | Then::Letters | Then::Delete => {}
            Then::Write(mut hold, what, sent) => match what {
                What::Renew => {
                    if mutated(Mutant::RenewIgnoresDoubt) {
                        hold.from = sent;
                        hold.renew = false;
                    }
                    self.hold(w, hold);
                }
                What::GiveBack if self.lasts(hold.from) => self.write(w, hold, what),
                What::Declare | What::GiveBack | What::Terminate => {}
            },
            Then::Finish(hold) => self.finish_or_leave(w, hold),
            Then::Record(live) => self.record_or_clear(w, of, live),
        }
    }

    /// What came of a write. What is there instead of it is read in the same moment.
    fn settled(&mut self, w: usize, ask: Ask, won: bool, recovered: bool) {
        let of = ask.of;
        let there = self.things[of].live.clone();
        match ask.then {
            Then::Claim { .. } if !won && !ask.doubt => self.workers[w].claims -= 1,
            Then::Claim {
                taking_over,
                seal,
                sent,
            } if won => {
                let live = written(&ask.change, recovered, there);
                let (Some(live), token) = (live, self.workers[w].token()) else {
                    return;
                };
                if !is_held_under(&live.record, &token) {
                    return;
                }
                let from = if mutated(Mutant::LeaseFromAnswer) {
                    self.now
                } else {
                    sent
                };
                let mut hold = Hold::new(of, live, token, from);
                hold.renew = recovered && !mutated(Mutant::RenewIgnoresDoubt);
                if taking_over {
                    self.things[of].ghost.see(Saw::TakenOver);
                }
                if taking_over && !mutated(Mutant::TakeOverWithoutSeal) {
                    return self.seal(w, hold, seal);
                }
                hold.seal = seal;
                let blind =
                    mutated(Mutant::ClaimWithoutDoneCheck) || mutated(Mutant::StaleDoneCheck);
                hold.look = !taking_over && !blind;
                self.hold(w, hold);
            }
            Then::Adopt { seal, sent } if won => {
                let live = written(&ask.change, recovered, there);
                let token = self.workers[w].doubtful.take();
                let (Some(live), Some(token)) = (live, token) else {
                    return;
                };
                if is_held_under(&live.record, &token) {
                    self.things[of].ghost.see(Saw::Adopted);
                    let mut hold = Hold::new(of, live, token, sent);
                    (hold.seal, hold.renew) = (seal, recovered);
                    self.hold(w, hold);
                }
            }
            Then::Seal(hold) => self.sealed(w, hold, &ask.change, won, recovered),
            Then::Write(hold, what, sent) => {
                self.wrote(w, hold, what, sent, &ask.change, won, recovered);
            }
            Then::Finish(_) if won => self.delete(w, of),
            Then::Finish(hold) => self.finish_or_leave(w, hold),
            Then::Record(live) => self.record_or_clear(w, of, live),
            Then::Letters if won => self.delete(w, of),
            Then::Claim { .. } | Then::Adopt { .. } | Then::Letters | Then::Delete => {}
        }
    }

    fn seal(&mut self, w: usize, hold: Hold, over: Option<Kept<Done>>) {
        let seal = record_outcome::seal(&hold.mine.record, &hold.token, self.stamp());
        self.ask_done(w, hold.of, seal, over, Then::Seal(hold));
    }

    fn sealed(&mut self, w: usize, mut hold: Hold, change: &Change, won: bool, recovered: bool) {
        let there = self.things[hold.of].done.clone();
        let delivery = hold.mine.record.delivery;
        if won {
            let seal = match change {
                Change::Done(done, _) if !recovered => Some(done.clone()),
                _ => there,
            };
            if seal
                .as_ref()
                .is_some_and(|s| s.record.open == Some(delivery))
            {
                hold.seal = seal;
                self.hold(w, hold);
            }
            return;
        }
        match there {
            Some(done) => match done.record.open {
                None => self.clear(w, hold.of, &done.record),
                Some(later) if later > delivery => {}
                Some(_) => self.seal(w, hold, Some(done)),
            },
            None => self.seal(w, hold, None),
        }
    }

    /// A holder writes what it knows.
    fn write(&mut self, w: usize, hold: Hold, what: What) {
        let now = self.time(self.now);
        let mine = hold.mine.record.as_ref();
        let next = match what {
            What::Renew => mine.clone(),
            What::Declare => {
                let mut next = mine.clone();
                declare(&mut next, now);
                next
            }
            What::GiveBack => run::give_back(mine, Step::Released, None, now),
            What::Terminate => run::terminate(mine, Step::Finished, now),
        };
        self.write_record(w, hold, what, next);
    }

    fn write_record(&mut self, w: usize, hold: Hold, what: What, next: Live) {
        let (of, old, sent) = (hold.of, hold.stored.clone(), self.now);
        self.ask_update(w, of, &old, next, Then::Write(hold, what, sent));
    }

    #[allow(clippy::too_many_arguments)] // what a verdict on a holder's write has
    fn wrote(
        &mut self,
        w: usize,
        mut hold: Hold,
        what: What,
        sent: u8,
        change: &Change,
        won: bool,
        recovered: bool,
    ) {
        let Change::Live(next, _) = change else {
            return;
        };
        let there = self.things[hold.of].live.clone();
        let over = what == What::GiveBack || what == What::Terminate;
        let same = there
            .as_ref()
            .is_some_and(|t| t.record.state == next.record.state);
        if won && (!recovered || (over && same)) {
            let stored = if recovered {
                there.unwrap_or(next.clone())
            } else {
                next.clone()
            };
            return match what {
                What::GiveBack => {}
                What::Terminate => self.record(w, hold.of, stored, hold.seal),
                What::Renew | What::Declare => {
                    if what == What::Declare {
                        let before = hold.mine.record.clone();
                        let new = stored.record.tasks.iter().zip(&before.tasks).enumerate();
                        let new = new.filter(|(_, (is, was))| is.running && !was.running);
                        hold.due |= new.fold(0, |bits, (n, _)| bits | 1 << n);
                    }
                    (hold.mine, hold.stored) = (stored.clone(), stored);
                    (hold.from, hold.renew) = (sent, false);
                    self.hold(w, hold);
                }
            };
        }
        // Only an answered renewal extends the lease: joined with what others wrote, and again.
        let Some(there) = there.filter(|t| is_held_under(&t.record, &hold.token)) else {
            return;
        };
        let joined = run::merge(&next.record, &there.record);
        let mine = run::merge(&hold.mine.record, &there.record);
        (hold.mine, hold.stored) = (Kept::of(mine), there);
        if over {
            // Made anew: what was learned is part of it.
            return self.write(w, hold, what);
        }
        self.write_record(w, hold, what, joined);
    }

    fn hold(&mut self, w: usize, hold: Hold) {
        self.workers[w].at = At::Hold(Box::new(hold));
    }

    /// Where an outcome did not go in, what is there decides.
    fn finish_or_leave(&mut self, w: usize, hold: Hold) {
        let of = hold.of;
        match &self.things[of].done {
            Some(done) if hold.seal.as_ref().is_some_and(|s| s.etag == done.etag) => {
                self.hold(w, hold);
            }
            Some(done) if done.record.is_seal() || done.record.token != hold.token => {}
            Some(_) => self.delete(w, of),
            None => self.hold(w, hold),
        }
    }

    fn record_or_clear(&mut self, w: usize, of: usize, live: Kept<Live>) {
        match self.things[of].done.clone() {
            Some(done) if !done.record.is_seal() => self.clear(w, of, &done.record),
            seal => self.record(w, of, live, seal),
        }
    }

    /// What a holder does by itself: looks, renews, starts what is due, goes on when nothing runs.
    pub fn go(&mut self, w: usize) {
        let At::Hold(hold) = std::mem::replace(&mut self.workers[w].at, At::Idle) else {
            return;
        };
        let mut hold = *hold;
        let of = hold.of;
        if hold.look {
            hold.look = false;
            return match self.things[of].done.clone() {
                Some(done) if !done.record.is_seal() => self.clear(w, of, &done.record),
                _ => self.hold(w, hold),
            };
        }
        if hold.renew {
            return self.write(w, hold, What::Renew);
        }
        if !self.lasts(hold.from) && !mutated(Mutant::FinishWithoutLeaseCheck) {
            return;
        }
        let now = self.time(self.now);
        if hold.due != 0 {
            self.start(&mut hold);
            return self.hold(w, hold);
        }
        hold.change(|live| settle_overdue(live, now));
        match rest(&hold.mine.record, now) {
            // It writes what it knows; the end of what runs is not up to it.
            Rest::Running => self.write(w, hold, What::Renew),
            Rest::Due => {
                self.things[of].ghost.see(Saw::Retried);
                hold.change(widen);
                self.write(w, hold, What::Declare);
            }
            Rest::Wait(_) => self.write(w, hold, What::GiveBack),
            Rest::AllOver => self.write(w, hold, What::Terminate),
            Rest::AllCompleted => {
                let done = record_outcome::done(&hold.mine.record, &hold.token, self.stamp());
                let seal = hold.seal.clone();
                self.ask_done(w, of, done, seal, Then::Finish(hold));
            }
        }
    }

    fn start(&mut self, hold: &mut Hold) {
        let now = self.time(self.now);
        let due = std::mem::take(&mut hold.due);
        hold.change(|live| settle_overdue(live, now));
        for n in (0..hold.mine.record.tasks.len()).filter(|n| due & (1 << n) != 0) {
            if hold.mine.record.tasks[n].cancel_requested {
                hold.change(|live| {
                    settle(live, n, End::Released, now);
                    settle_overdue(live, now);
                });
                continue;
            }
            let ghost = &mut self.things[hold.of].ghost;
            ghost.declared(hold.stored.record.tasks[n].running);
            ghost.start(n, &hold.mine.record);
        }
    }

    /// A handler ends while its lease lasts.
    pub fn end(&mut self, w: usize, task: usize, well: bool) {
        let now = self.time(self.now);
        let At::Hold(hold) = &mut self.workers[w].at else {
            return;
        };
        let ghost = &mut self.things[hold.of].ghost;
        let end = if well {
            End::Completed(ghost.succeed(task, &hold.mine.record))
        } else {
            self.left.failures -= 1;
            End::Failed(Failure::new("error", "no"), 0.5)
        };
        hold.change(|live| {
            settle(live, task, end, now);
            settle_overdue(live, now);
        });
    }

    /// A worker is told to stop: it gives back what it holds.
    pub fn stop(&mut self, w: usize) {
        let At::Hold(hold) = std::mem::replace(&mut self.workers[w].at, At::Idle) else {
            return;
        };
        self.write(w, *hold, What::GiveBack);
    }
}

/// A take-over without its seal is not adopted: its lease runs out.
fn may_adopt(live: &Live, seal: Option<&Kept<Done>>) -> bool {
    let sealed = seal.is_some_and(|s| s.record.open == Some(live.delivery));
    sealed || !may_be_taken_over(live)
}

/// The version that a claim that won made, or what stands on top of it.
fn written(change: &Change, recovered: bool, there: Option<Kept<Live>>) -> Option<Kept<Live>> {
    match change {
        Change::Live(live, _) if !recovered => Some(live.clone()),
        _ => there,
    }
}

fn is_held_under(live: &Live, token: &Token) -> bool {
    live.state == LiveState::Running && live.lease.as_ref().is_some_and(|l| l.token == *token)
}

enum Found {
    Mine,
    NotMine,
    NotYet,
}

fn classify<R: Record>(sent: &[WriteId], when: When, there: Option<&Kept<R>>) -> Found {
    let key = StoreKey::listed("model");
    let object = there.map(|kept| Object {
        body: encode(kept.record.as_ref()),
        etag: etag(kept.etag),
        last_modified: seen(kept).last_modified.unwrap_or_default(),
    });
    let found = match when {
        When::Absent => classify_create::<R>(&key, sent, object),
        When::Is(old) => {
            let id = sent.last().expect("it was sent");
            classify_update::<R>(&key, id, &etag(old), object)
        }
    };
    match found.expect("what was written can be read") {
        Readback::Mine(_) => Found::Mine,
        Readback::NotMine(_) => Found::NotMine,
        Readback::NotYet => Found::NotYet,
    }
}
