//! Submitting: one conditional PUT of the live object.

use futures::future::join;
use std::time::Duration;

use super::root::Root;
use crate::env::Mono;
use crate::error::Result;
use crate::record::{Done, Key, Live, ObjectId, QueueName, Record, Stamp, WriteId, encode, seen};
use crate::store::Write;
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// What is known of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is accepted; this is the write that created it.
    Accepted(WriteId),
    /// The id is taken by another object: submit under a new one.
    Taken,
    /// It was not accepted and never will be.
    Refused,
    /// It may have been accepted, or may be yet.
    Doubt,
}

const SENDS: u32 = 8;

/// A late copy of a create is known for what it is only while the outcome is kept: nothing is sent
/// again after this time.
const WINDOW: Duration = Duration::from_secs(300);

/// Creates the live object `id`. `live`'s stamp is set here, afresh for every send. `since`: when it was
/// submitted, if something that is written already says so.
pub async fn submit(
    root: &Root,
    queue: &QueueName,
    id: ObjectId,
    mut live: Live,
    since: Option<StoreTime>,
) -> Result<Submitted> {
    let key = Key::Live(queue.clone(), id).store_key();
    let env = root.env();
    let first: Mono = env.now();
    let mut sent: Vec<WriteId> = Vec::new();
    let mut doubt = false;
    for attempt in 1..=SENDS {
        if env.now().since(first) > WINDOW {
            break;
        }
        if !(mutated(Mutant::SameBytesForEveryCreate) && attempt > 1) {
            let now = since.unwrap_or_else(|| root.now());
            *live.stamp_mut() = Stamp::first(now, env.entropy.as_ref());
        }
        sent.push(live.stamp().created_by.clone());
        match root.send(&key, encode(&live), None).await {
            Ok(Write::Won { .. }) => return Ok(Submitted::Accepted(live.write.created_by)),
            Ok(Write::Again { after }) => {
                if let Some(after) = after {
                    env.sleep(after.min(Duration::from_secs(5))).await;
                }
            }
            Ok(Write::Unknown) if mutated(Mutant::SubmitDoubtMeansFailure) => {
                return Ok(Submitted::Refused);
            }
            // Ids do not collide by chance. A loss without a doubt is most likely our own write, which
            // something on the way has sent twice.
            Ok(Write::Lost | Write::Unknown) => {
                doubt = true;
                match look(root, queue, id).await {
                    Some(life) if sent.contains(&life) => return Ok(Submitted::Accepted(life)),
                    // Another's object under our id, and ours did not land before it.
                    Some(_) => return Ok(Submitted::Taken),
                    None => {}
                }
            }
            Err(e) if doubt => {
                tracing::warn!(%key, error = %e, "a submission is in doubt and the store now refuses");
                return Ok(Submitted::Doubt);
            }
            Err(e) => return Err(e.into()),
        }
        root.back_off(attempt).await;
    }
    Ok(if doubt {
        Submitted::Doubt
    } else {
        Submitted::Refused
    })
}

/// The write that created the object under this id, live or done; `None` when there is none or it
/// cannot be read.
async fn look(root: &Root, queue: &QueueName, id: ObjectId) -> Option<WriteId> {
    let live = Key::Live(queue.clone(), id).store_key();
    let done = Key::Done(queue.clone(), id).store_key();
    let (l, d) = join(root.get(&live), root.get(&done)).await;
    if let Some(object) = l.ok().and_then(|l| l.value) {
        let found = seen::<Live>(&live, object).ok()?;
        return Some(found.record.write.created_by);
    }
    let found = seen::<Done>(&done, d.ok()?.value?).ok()?;
    Some(found.record.life)
}
