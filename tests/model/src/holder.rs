//! What a worker does that holds an object: seals, renews, starts what is due, ends what is over.

use oq_core::record::{Done, Failure, Live, LiveState, Step, Token};
use oq_core::state::claim::{declare, widen};
use oq_core::state::record_outcome;
use oq_core::state::run::{self, Rest, Verdict as End, rest, settle, settle_overdue};
use oq_core::testing::mutant::{Mutant, mutated};

use crate::ghost::Saw;
use crate::worker::{At, Hold, Then, What};
use crate::world::{Change, Kept, World};

impl World {
    pub(crate) fn seal(&mut self, w: usize, hold: Hold, over: Option<Kept<Done>>) {
        let seal = record_outcome::seal(&hold.mine.record, &hold.token, self.stamp());
        self.ask_done(w, hold.of, seal, over, Then::Seal(hold));
    }

    pub(crate) fn sealed(
        &mut self,
        w: usize,
        mut hold: Hold,
        change: &Change,
        won: bool,
        recovered: bool,
    ) {
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
    pub(crate) fn write(&mut self, w: usize, hold: Hold, what: What) {
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
    pub(crate) fn wrote(
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

    pub(crate) fn hold(&mut self, w: usize, hold: Hold) {
        self.workers[w].at = At::Hold(Box::new(hold));
    }

    /// Where an outcome did not go in, what is there decides.
    pub(crate) fn finish_or_leave(&mut self, w: usize, hold: Hold) {
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

    pub(crate) fn record_or_clear(&mut self, w: usize, of: usize, live: Kept<Live>) {
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

pub(crate) fn is_held_under(live: &Live, token: &Token) -> bool {
    live.state == LiveState::Running && live.lease.as_ref().is_some_and(|l| l.token == *token)
}
