//! Submitting under an idempotency key: the key's record first, then the task that it names.
//!
//! The record says which id the key stands for, and is decided by one conditional write; after that
//! there is only one id under which a task for this key may be created, so it does not matter who
//! creates it. Whoever finds the record without a task **helps**: creates it under the recorded id.
//!
//! What could go wrong, and why it does not:
//!
//! - *The first submitter dies after the record.* The next one helps; the dead one never got an
//!   answer, so nobody expects its input to be the one that runs.
//! - *It is merely slow.* Its create finds the helper's task (412), and it reports that one.
//! - *Both created, one of them late.* The late copy lands when the task is over: the outcome is
//!   kept longer than anything late can land, so a poller repairs the copy instead of running it.
//! - *Somebody stalls between reading the record and creating the task.* Nothing is created on the
//!   strength of a record read more than [`FRESH`] ago; it is read again.
//! - *The task is over and its live object is still there.* The outcome decides. Who may delete clears
//!   the rest away; for others a worker does.
//! - *The task is over and has no outcome yet.* It is recorded here by those who may; others wait a
//!   few seconds for a worker to do it, and are told to try again if none does.
//! - *The task was purged, with or without its outcome.* The record says when the task was submitted,
//!   and whoever creates the task says the same, so that both are purged or neither is. A record that is
//!   older than the purge begins a new life under another id; what is created late under the old one
//!   is deleted and not run.
//! - *Neither task nor outcome is there, long after.* The outcome was swept, or its writer died long
//!   ago. Nothing of that life can land any more ([`FORGOTTEN`]), so the key begins a new one.

use std::time::Duration;

use super::finish::{self, Finished};
use super::lookup::{Found, lookup};
use super::purged::is_purged_now;
use super::root::Root;
use super::submit::{self, Submitted};
use super::write::{Settled, create, read, update, update_as_of};
use crate::error::{Error, Result};
use crate::record::{
    Done, Ending, Idempotency, Key, KeyHash, Live, LiveState, ObjectId, QueueName, Seen, Stamp, V1,
    WriteId,
};
use crate::state::{claim::is_expired, run};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// How old may be what is known of the record when the task is created.
pub const FRESH: Duration = Duration::from_secs(60);

/// A record this old with neither task nor outcome belongs to a life that is over: longer than
/// [`FRESH`], the time in which creates are repeated, and the time that a late copy may take.
pub const FORGOTTEN: Duration = Duration::from_secs(3600);

/// How often the record is looked at anew before giving up.
const ROUNDS: u32 = 10;

/// A key and what it may stand for.
#[derive(Clone, Copy)]
pub struct Keying<'a> {
    /// Which queue.
    pub queue: &'a QueueName,
    /// The key.
    pub hash: &'a KeyHash,
    /// How long it shall stand for a completed task, if it is ours.
    pub window: Duration,
    /// Tasks submitted before this moment were purged.
    pub purged_before: Option<StoreTime>,
    /// An id for the task, if it is ours. Holds one task.
    pub new_id: &'a (dyn Fn() -> ObjectId + Send + Sync),
}

/// The task that the key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    /// Its object.
    pub id: ObjectId,
    /// Whether somebody else created it.
    pub existing: bool,
}

/// What to do about a record that is there.
enum Decision {
    /// It stands for this task.
    Stands,
    /// It has no task: create it.
    Help,
    /// It stands for nothing any more: use it again.
    Reuse,
    /// Something changed meanwhile: look again.
    Again,
}

/// Submits one task under a key. `make` builds it for an id and a window; it may be asked again.
pub async fn submit_keyed<F, Fut>(root: &Root, how: Keying<'_>, make: F) -> Result<Stands>
where
    F: Fn(ObjectId, Duration) -> Fut,
    Fut: Future<Output = Result<Live>>,
{
    let mut written = None;
    let settled = settle(root, how, make, &mut written).await;
    match written {
        // It is or was there, so whatever failed later, nobody may be told that it was refused.
        Some(id) => settled.map_err(|_| Error::InDoubt {
            ids: vec![id.task(0)],
        }),
        None => settled,
    }
}

/// The same, and says under which id a task was written, if one was.
async fn settle<F, Fut>(
    root: &Root,
    how: Keying<'_>,
    make: F,
    written: &mut Option<ObjectId>,
) -> Result<Stands>
where
    F: Fn(ObjectId, Duration) -> Fut,
    Fut: Future<Output = Result<Live>>,
{
    let key = Key::Idempotency(how.queue.clone(), how.hash.clone());
    let mut recorded: Option<ObjectId> = None;
    let mut seen: Option<Seen<Idempotency>> = None;
    let mut built: Option<(ObjectId, Live)> = None;
    for round in 1..=ROUNDS {
        let read_at = root.env().now();
        let (record, helping) = match seen.take() {
            None => {
                // Another one each time: if the record has vanished, a task under its id may have been
                // there, and was purged with it.
                let id = (how.new_id)();
                if recorded == Some(id) {
                    // The one id that was asked for has been used and is over.
                    return Ok(Stands { id, existing: true });
                }
                match create(root, &key, |stamp| record(id, how.window, stamp)).await? {
                    Settled::Won { seen, .. } => {
                        recorded = Some(id);
                        (seen.record, false)
                    }
                    Settled::Lost(there) => {
                        seen = match there {
                            Some(there) => Some(there),
                            None => read(root, &key).await?,
                        };
                        continue;
                    }
                    Settled::Doubt => return Err(unanswered(&key)),
                }
            }
            Some(there) => match decide(root, how, &key, &there).await? {
                Decision::Stands => {
                    let (id, existing) = (there.record.id, true);
                    return Ok(Stands { id, existing });
                }
                Decision::Help => (there.record, true),
                Decision::Again => {
                    root.back_off(round).await;
                    seen = read(root, &key).await?;
                    continue;
                }
                Decision::Reuse => {
                    let id = (how.new_id)();
                    if id == there.record.id {
                        // The one id that was asked for has been used and is over.
                        return Ok(Stands { id, existing: true });
                    }
                    let next = record(id, how.window, there.record.write.clone());
                    match update_as_of(root, &key, &there, next, root.now()).await? {
                        Settled::Won { seen, .. } => (seen.record, false),
                        Settled::Lost(_) => {
                            seen = read(root, &key).await?;
                            continue;
                        }
                        Settled::Doubt => return Err(unanswered(&key)),
                    }
                }
            },
        };
        let live = match built.take() {
            Some((id, live)) if id == record.id => live,
            _ => make(record.id, record.window).await?,
        };
        // Writing a large input may take longer than the record stays fresh: then it is read again,
        // and the input need not be written again.
        built = Some((record.id, live.clone()));
        if root.env().now().since(read_at) <= FRESH {
            let since = Some(record.write.created);
            let submitted = submit::submit(root, how.queue, record.id, live, since).await?;
            if let Submitted::Accepted(life) = &submitted {
                *written = Some(record.id);
                let quick = root.env().now().since(read_at) < Duration::from_secs(1);
                if (!helping && quick) || is_ours(root, how.queue, record.id, life).await? {
                    let (id, existing) = (record.id, false);
                    return Ok(Stands { id, existing });
                }
            }
            refused(record.id, submitted)?;
        }
        seen = read(root, &key).await?;
    }
    Err(Error::Unavailable(format!(
        "{key} could not be settled: others use it, or the task that it stands for is over and no \
         worker has recorded its outcome yet"
    )))
}

fn record(id: ObjectId, window: Duration, write: Stamp) -> Idempotency {
    Idempotency {
        v: V1,
        write,
        id,
        window,
        extra: Default::default(),
    }
}

/// The record may name an id of ours now, but its task was never sent: nothing was accepted.
fn unanswered(key: &Key) -> Error {
    Error::Unavailable(format!("no answer to the write of {key}"))
}

/// Whether a submission ends here because it was not accepted, or nobody knows.
fn refused(id: ObjectId, submitted: Submitted) -> Result<()> {
    match submitted {
        Submitted::Accepted(_) | Submitted::Taken => Ok(()),
        Submitted::Refused => {
            let why = "the task was not accepted under its key";
            Err(Error::Unavailable(why.into()))
        }
        Submitted::Doubt => Err(Error::InDoubt {
            ids: vec![id.task(0)],
        }),
    }
}

/// Whether the task under this id is the one that the write `life` created. Others may have created,
/// run and finished it before: then ours is a late copy, which is cleared away.
async fn is_ours(root: &Root, queue: &QueueName, id: ObjectId, life: &WriteId) -> Result<bool> {
    match read::<Done>(root, &Key::Done(queue.clone(), id)).await? {
        Some(done) if !done.record.is_seal() && done.record.life != *life => {
            finish::clear_or_leave(root, queue, id, &done.record).await;
            Ok(false)
        }
        _ => Ok(true),
    }
}

async fn decide(
    root: &Root,
    how: Keying<'_>,
    key: &Key,
    there: &Seen<Idempotency>,
) -> Result<Decision> {
    let id = there.record.id;
    if id.count() != 1 {
        return Err(Error::Unreadable {
            key: key.to_string(),
            why: "it stands for a pack".into(),
        });
    }
    let now = root.now();
    let found = lookup(root, how.queue, id).await?;
    // A task that is created now says that it is as old as the record.
    let submitted = match &found {
        None => there.record.write.created,
        Some(Found::Live { live, .. }) => live.record.write.created,
        Some(Found::Done { done, .. }) => done.record.submitted,
    };
    // A key may not stand for a task that is about to be deleted.
    if is_purged_now(root, how.queue, how.purged_before, submitted).await? {
        return Ok(Decision::Reuse);
    }
    match found {
        None => {
            let written = there.last_modified.unwrap_or(now);
            let over = now.since(written) > FORGOTTEN || mutated(Mutant::KeyReplaced);
            Ok(if over {
                Decision::Reuse
            } else {
                Decision::Help
            })
        }
        Some(Found::Done { done, left_behind }) => {
            if left_behind {
                finish::clear_or_leave(root, how.queue, id, &done.record).await;
            }
            let outcome = done.record.tasks.first().map(|t| &t.outcome);
            let stands = outcome.is_some_and(|o| {
                o.ending == Ending::Completed && now < o.at.plus(there.record.window)
            });
            Ok(if stands {
                Decision::Stands
            } else {
                Decision::Reuse
            })
        }
        Some(Found::Live { live, seal }) => {
            let over = match live.record.state {
                LiveState::Terminal => live.record.clone(),
                // Nobody may be there to say that its time is over.
                LiveState::Pending if is_expired(&live.record, now) => {
                    let key = Key::Live(how.queue.clone(), id);
                    match update(root, &key, &live, run::expire(&live.record, now)).await? {
                        Settled::Won { seen, .. } => seen.record,
                        Settled::Lost(_) | Settled::Doubt => return Ok(Decision::Again),
                    }
                }
                LiveState::Pending | LiveState::Running => return Ok(Decision::Stands),
            };
            let seal = seal.map(|seal| *seal);
            match finish::terminal(root, how.queue, id, &over, seal).await {
                Ok(Finished::Recorded | Finished::Found | Finished::Lost) => Ok(Decision::Again),
                Ok(Finished::Doubt) => Err(unanswered(&Key::Done(how.queue.clone(), id))),
                // Who submits may write no outcomes. A worker records this one in a few seconds.
                Err(Error::Denied(_)) => Ok(Decision::Again),
                Err(e) => Err(e),
            }
        }
    }
}
