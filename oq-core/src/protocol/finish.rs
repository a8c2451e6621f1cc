//! Recording outcomes: under `done/` exactly once, dead letters from what is recorded there, and
//! only then the live object away.

use super::hold::{Hold, Renewed};
use super::lookup::outcome;
use super::root::Root;
use super::write::{Settled, create, create_while, read, update, update_while};
use crate::error::{Error, Result};
use crate::record::{Dead, Done, Key, Live, ObjectId, QueueName, Seen, Token};
use crate::state::record_outcome::{self, dead_tasks};
use crate::testing::mutant::{Mutant, mutated};

/// What came of finishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The outcomes are recorded, by this call. What is left to be cleared away is the caller's if all
    /// tasks completed, else that of whoever meets the object.
    Recorded,
    /// They are recorded, and somebody else was faster.
    Found,
    /// The hold was lost before; somebody else decides the outcomes.
    Lost,
    /// Nobody knows yet; whoever meets the object settles it.
    Doubt,
}

/// No record is longer than this: what is submitted together and the results that are kept inline
/// are bounded below it.
const LARGEST_RECORD: usize = 4 << 20;

/// How often recording is begun again before it is left to others.
const ROUNDS: u32 = 4;

/// All tasks completed: one PUT of the outcome while the lease lasts. The caller deletes the live
/// object, alone or in a batch.
#[tracing::instrument(name = "finish", level = "debug", skip_all, fields(queue = %hold.queue, id = %hold.id))]
pub async fn completed(hold: &mut Hold) -> Result<Finished> {
    let key = Key::Done(hold.queue.clone(), hold.id);
    // A send that times out may still land this much later and must find the lease alive.
    let needed = hold.root.time_for(LARGEST_RECORD) + std::time::Duration::from_secs(1);
    for _ in 0..ROUNDS {
        if hold.left() < needed && !mutated(Mutant::FinishWithoutLeaseCheck) {
            match hold.renew().await? {
                Renewed::Held => {}
                Renewed::Lost => return Ok(Finished::Lost),
                Renewed::Doubt => continue,
            }
        }
        let (root, live, until) = (hold.root.clone(), hold.live(), hold.lease_until());
        let unchecked =
            mutated(Mutant::FinishWithoutLeaseCheck) || mutated(Mutant::LeaseCheckedOnce);
        let may_send = |_| unchecked || until.since(root.env().now()) >= needed;
        let make = |stamp| record_outcome::done(live, hold.token(), stamp);
        let settled = match &hold.seal {
            None => create_while(&root, &key, make, may_send).await?,
            Some(seal) => {
                let next = make(seal.record.write.clone());
                update_while(&root, &key, seal, next, may_send).await?
            }
        };
        match settled {
            Settled::Won { seen, .. } => {
                root.endings().finished(&hold.queue, &seen.record);
                return Ok(Finished::Recorded);
            }
            // Not ours, in doubt, or not sent for want of lease: what is there decides.
            Settled::Lost(_) | Settled::Doubt => {
                match outcome(&root, &hold.queue, hold.id).await? {
                    // The seal that we may write over can be an earlier holder's, who gave it back.
                    Some(done) if hold.seal.as_ref().is_some_and(|s| s.etag == done.etag) => {}
                    Some(done) if done.record.is_seal() => return Ok(Finished::Lost),
                    Some(done) if done.record.token != *hold.token() => return Ok(Finished::Lost),
                    Some(done) => {
                        root.endings().finished(&hold.queue, &done.record);
                        return Ok(Finished::Recorded);
                    }
                    None => {}
                }
            }
        }
    }
    Ok(Finished::Doubt)
}

/// Not all tasks completed: the record becomes terminal first, so that anyone can go on from there.
#[tracing::instrument(name = "finish", level = "debug", skip_all, fields(queue = %hold.queue, id = %hold.id))]
pub async fn over(hold: &mut Hold) -> Result<Finished> {
    match hold.terminate().await? {
        Renewed::Held => {}
        Renewed::Lost => return Ok(Finished::Lost),
        Renewed::Doubt => return Ok(Finished::Doubt),
    }
    let seal = hold.seal.clone();
    terminal(&hold.root, &hold.queue, hold.id, hold.live(), seal).await
}

/// Records what a terminal record says, writes its dead letters and deletes it. Anyone may.
#[tracing::instrument(name = "record", level = "debug", skip_all, fields(%queue, %id))]
pub async fn terminal(
    root: &Root,
    queue: &QueueName,
    id: ObjectId,
    live: &Live,
    mut seal: Option<Seen<Done>>,
) -> Result<Finished> {
    let key = Key::Done(queue.clone(), id);
    let token = Token::new(root.env().entropy.as_ref());
    if mutated(Mutant::DeleteWithoutDone) {
        root.delete(&Key::Live(queue.clone(), id).store_key())
            .await?;
        return Ok(Finished::Recorded);
    }
    if mutated(Mutant::DeadFromLive) {
        let done = record_outcome::done(live, &token, live.write.clone());
        dead_letters(root, queue, id, &done).await?;
    }
    for _ in 0..ROUNDS {
        let make = |stamp| record_outcome::done(live, &token, stamp);
        let settled = match &seal {
            None => create(root, &key, make).await?,
            Some(seal) => update(root, &key, seal, make(seal.record.write.clone())).await?,
        };
        let there = match settled {
            Settled::Won { seen, .. } => Some(seen),
            Settled::Doubt | Settled::Lost(_) => outcome(root, queue, id).await?,
        };
        match there {
            Some(done) if done.record.is_seal() => seal = Some(done),
            Some(done) => {
                if done.record.token != token {
                    return Ok(match clear(root, queue, id, &done.record).await? {
                        Finished::Recorded => Finished::Found,
                        finished => finished,
                    });
                }
                root.endings().finished(queue, &done.record);
                match clear(root, queue, id, &done.record).await {
                    Ok(Finished::Recorded) => {}
                    Ok(_) => {
                        tracing::warn!(%queue, %id, "an outcome is recorded; its dead letters are left to whoever meets the object");
                    }
                    Err(error) => {
                        tracing::warn!(%queue, %id, %error, "an outcome is recorded; the object is left to whoever meets it");
                    }
                }
                return Ok(Finished::Recorded);
            }
            None => seal = None,
        }
    }
    Ok(Finished::Doubt)
}

/// The outcome is recorded: writes the dead letters it asks for and deletes the live object. If a
/// dead letter cannot be written the live object stays, and whoever meets it goes on.
pub async fn clear(root: &Root, queue: &QueueName, id: ObjectId, done: &Done) -> Result<Finished> {
    if !dead_letters(root, queue, id, done).await? {
        return Ok(Finished::Doubt);
    }
    root.delete(&Key::Live(queue.clone(), id).store_key())
        .await?;
    Ok(Finished::Recorded)
}

/// The same for somebody who has other things to do: whoever meets what could not be cleared away does
/// it.
pub(crate) async fn clear_or_leave(root: &Root, queue: &QueueName, id: ObjectId, done: &Done) {
    if let Err(error) = clear(root, queue, id, done).await {
        tracing::debug!(%queue, %id, %error, "what is over is left to a worker");
    }
}

/// Whether there is a dead letter. One that cannot be read is there, too, and is left as it is.
async fn is_there(root: &Root, key: &Key) -> Result<bool> {
    match read::<Dead>(root, key).await {
        Ok(letter) => Ok(letter.is_some()),
        Err(Error::Unreadable { .. }) => Ok(true),
        Err(e) => Err(e),
    }
}

/// Writes the dead letters that an outcome asks for; whether all of them are there.
async fn dead_letters(root: &Root, queue: &QueueName, id: ObjectId, done: &Done) -> Result<bool> {
    for (task, entry) in dead_tasks(id, done) {
        let key = Key::Dead(queue.clone(), task);
        match create(root, &key, |stamp| {
            record_outcome::dead(done, &entry, stamp)
        })
        .await?
        {
            Settled::Won { .. } | Settled::Lost(Some(_)) => {}
            // Either it is there, or the store refused to take it every time.
            Settled::Lost(None) if is_there(root, &key).await? => {}
            Settled::Lost(None) | Settled::Doubt if mutated(Mutant::DeleteBeforeDead) => {}
            Settled::Lost(None) | Settled::Doubt => return Ok(false),
        }
    }
    Ok(true)
}
