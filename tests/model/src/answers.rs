//! What becomes of a request, and what its worker makes of the answer, or of none.

use oq_core::record::{Live, Record, WriteId, encode};
use oq_core::state::readback::{Readback, classify_create, classify_update};
use oq_core::store::{Object, StoreKey};
use oq_core::testing::mutant::{Mutant, mutated};

use crate::ghost::Saw;
use crate::holder::is_held_under;
use crate::worker::{Ask, At, Hold, Then, What, create, seen};
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
            Fate::Late => thing.late.push(ask.change.clone()),
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
            Then::Claim { .. } => self.workers[w].doubtful = Some(self.workers[w].claims),
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
                let token = self.workers[w].doubtful_token();
                self.workers[w].doubtful = None;
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
}

/// The version that a claim that won made, or what stands on top of it.
fn written(change: &Change, recovered: bool, there: Option<Kept<Live>>) -> Option<Kept<Live>> {
    match change {
        Change::Live(live, _) if !recovered => Some(live.clone()),
        _ => there,
    }
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
