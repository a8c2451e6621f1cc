//! The seal: what a taker puts under `done/` before it starts anything, so that no outcome of an
//! older holder can land any more.

use super::hold::Hold;
use super::lookup::outcome;
use super::root::Root;
use super::write::{Settled, create, update};
use crate::error::Result;
use crate::record::{Done, Key, ObjectId, QueueName, Seen};
use crate::state::record_outcome;

/// What came of sealing.
pub enum Sealed {
    /// The seal is in place.
    In(Box<Seen<Done>>),
    /// An outcome was there first.
    Over(Box<Done>),
    /// A later taker sealed, or nobody knows: start nothing.
    Not,
}

/// How often another's seal is met before giving up.
const ROUNDS: u32 = 4;

/// Seals for the delivery that `hold` stands for, over `old` if there is one.
#[tracing::instrument(name = "seal", level = "debug", skip_all, fields(%queue, %id))]
pub async fn put(
    root: &Root,
    queue: &QueueName,
    id: ObjectId,
    hold: &Hold,
    mut old: Option<Seen<Done>>,
) -> Result<Sealed> {
    let key = Key::Done(queue.clone(), id);
    let live = hold.live();
    for _ in 0..ROUNDS {
        let settled = match &old {
            None => {
                create(root, &key, |stamp| {
                    record_outcome::seal(live, hold.token(), stamp)
                })
                .await?
            }
            Some(seal) => {
                let stamp = seal.record.write.clone();
                update(
                    root,
                    &key,
                    seal,
                    record_outcome::seal(live, hold.token(), stamp),
                )
                .await?
            }
        };
        match settled {
            Settled::Won { seen, .. } => {
                let ours = seen.record.open == Some(live.delivery);
                return Ok(if ours {
                    Sealed::In(Box::new(seen))
                } else {
                    Sealed::Not
                });
            }
            Settled::Doubt => return Ok(Sealed::Not),
            Settled::Lost(_) => {}
        }
        match outcome(root, queue, id).await? {
            Some(done) => match done.record.open {
                None => return Ok(Sealed::Over(Box::new(done.record))),
                Some(delivery) if delivery > live.delivery => return Ok(Sealed::Not),
                Some(_) => old = Some(done),
            },
            None => old = None,
        }
    }
    Ok(Sealed::Not)
}
