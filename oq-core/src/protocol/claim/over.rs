//! What is over, and is cleared away by whoever meant to claim it.

use super::super::finish::{self, Finished};
use super::super::root::Root;
use super::super::write::{Settled, update};
use super::Claimed;
use crate::error::Result;
use crate::record::{Done, Key, Live, ObjectId, QueueName, Seen};
use crate::state::run;
use crate::time::StoreTime;

/// It was submitted before a purge: it goes instead of being run.
pub(super) async fn purge(root: &Root, queue: &QueueName, id: ObjectId) -> Result<Claimed> {
    let key = Key::Live(queue.clone(), id).store_key();
    root.delete(&key).await?;
    Ok(Claimed::Gone)
}

/// Records what a terminal record says.
pub(super) async fn record_over(
    root: &Root,
    queue: &QueueName,
    id: ObjectId,
    live: Live,
    seal: Option<Seen<Done>>,
) -> Result<Claimed> {
    let finished = finish::terminal(root, queue, id, &live, seal).await?;
    let ours = finished == Finished::Recorded;
    Ok(Claimed::Repaired(ours.then(|| Box::new(live))))
}

/// Its time is over before it ran.
pub(super) async fn expire(
    root: &Root,
    queue: &QueueName,
    id: ObjectId,
    live: Seen<Live>,
    seal: Option<Seen<Done>>,
    now: StoreTime,
) -> Result<Claimed> {
    let key = Key::Live(queue.clone(), id);
    match update(root, &key, &live, run::expire(&live.record, now)).await? {
        Settled::Won { seen, .. } => record_over(root, queue, id, seen.record, seal).await,
        _ => Ok(Claimed::LostRace),
    }
}
