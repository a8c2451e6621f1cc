//! Cancelling: at once while nobody holds the object, else by asking the holder.

use super::run::{settle_overdue, terminate};
use crate::record::{Live, LiveState, Step};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// What became of a request to cancel.
#[derive(Debug, Clone)]
pub enum Cancel {
    /// All tasks of the object are over now; the outcome must still be recorded.
    Over(Box<Live>),
    /// The holder, or the next one, will see the request.
    Requested(Box<Live>),
    /// The tasks asked for have outcomes or were asked for already.
    Nothing,
}

/// Asks to cancel these tasks of an object.
pub fn cancel(live: &Live, which: &[usize], reason: Option<String>, now: StoreTime) -> Cancel {
    let mut next = live.clone();
    let mut asked = false;
    for index in which {
        if let Some(slot) = next.tasks.get_mut(*index) {
            asked |= slot.outcome.is_none() && !slot.cancel_requested;
            slot.cancel_requested |= slot.outcome.is_none();
        }
    }
    if !asked || live.state == LiveState::Terminal {
        return Cancel::Nothing;
    }
    next.log(now, Step::CancelRequested, reason);
    if mutated(Mutant::CancelHeldWritesOutcome) && live.tasks.len() > 1 {
        for slot in &mut next.tasks {
            slot.running &= !slot.cancel_requested;
        }
        settle_overdue(&mut next, now);
        return Cancel::Requested(Box::new(next));
    }
    let all = next.open().all(|(_, slot)| slot.cancel_requested);
    if live.state == LiveState::Pending && all {
        settle_overdue(&mut next, now);
        return Cancel::Over(Box::new(terminate(&next, Step::Cancelled, now)));
    }
    Cancel::Requested(Box::new(next))
}
