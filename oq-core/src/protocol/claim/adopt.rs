//! A claim of our own whose answer was lost, and which landed.

use super::super::hold::{Hold, Renewed};
use super::super::root::Root;
use super::super::write::{Settled, update};
use super::Claimed;
use crate::error::Result;
use crate::record::{Done, Key, Live, LiveState, ObjectId, QueueName, Seen, Token};
use crate::state::claim as state;

/// Whether our own claim stands in for all of its delivery. The seal is part of a take-over: without
/// it the lease is left to run out, and the object is taken over once more, by us as by anyone.
pub(super) fn may_adopt(live: &Live, seal: Option<&Seen<Done>>) -> bool {
    let sealed = seal.is_some_and(|s| s.record.open == Some(live.delivery));
    sealed || !state::may_be_taken_over(live)
}

/// Our own claim landed after its answer was lost. Its tasks were declared and not started.
pub(super) async fn adopt(
    root: &Root,
    queue: &QueueName,
    id: ObjectId,
    token: Token,
    live: Seen<Live>,
    seal: Option<Seen<Done>>,
) -> Result<Claimed> {
    let sent = root.env().now();
    let next = state::adopt(&live.record, root.now());
    let key = Key::Live(queue.clone(), id);
    match update(root, &key, &live, next).await? {
        // Found by reading back, it may have landed long ago, and another holder may have followed.
        Settled::Won { seen, recovered } if holds(&seen.record, &token) => {
            let mut hold = Hold::new(root.clone(), queue.clone(), id, seen, sent);
            hold.seal = seal;
            if recovered && hold.renew().await? == Renewed::Lost {
                return Ok(Claimed::LostRace);
            }
            Ok(Claimed::Held(Box::new(hold)))
        }
        _ => Ok(Claimed::LostRace),
    }
}

/// Whether the lease of a record is the one that this token names.
pub(super) fn holds(live: &Live, token: &Token) -> bool {
    live.state == LiveState::Running && live.lease.as_ref().is_some_and(|l| l.token == *token)
}
