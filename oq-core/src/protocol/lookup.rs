//! Looking an object up: live and outcome in parallel, the outcome once more if both are missing.

use futures::future::join;

use super::root::Root;
use crate::error::{Error, Result};
use crate::record::{Done, Key, Live, ObjectId, QueueName, Seen, seen};
use crate::store::{Object, StoreKey};

/// What is known of an object.
#[derive(Debug, Clone)]
pub enum Found {
    /// It has no recorded outcome yet.
    Live {
        /// The live record.
        live: Seen<Live>,
        /// The seal of its last take-over, if there was one.
        seal: Option<Box<Seen<Done>>>,
    },
    /// Its outcome is recorded.
    Done {
        /// The outcome.
        done: Seen<Done>,
        /// Whether the live object has not been deleted yet.
        left_behind: bool,
    },
}

/// Looks an object up; `None` when it is unknown. Two GET, or three when nothing is found at first.
pub async fn lookup(root: &Root, queue: &QueueName, id: ObjectId) -> Result<Option<Found>> {
    let live_key = Key::Live(queue.clone(), id).store_key();
    let done_key = Key::Done(queue.clone(), id).store_key();
    let (live, done) = join(root.get(&live_key), root.get(&done_key)).await;
    let (live, done) = (live?.value, done?.value);
    let left_behind = live.is_some();
    let seal = match read_done(id, &done_key, done)? {
        Some(done) if !done.record.is_seal() => {
            return Ok(Some(Found::Done { done, left_behind }));
        }
        seal => seal,
    };
    if let Some(object) = live {
        let live = Live::in_object(id, &live_key, object)?;
        let seal = seal.map(Box::new);
        return Ok(Some(Found::Live { live, seal }));
    }
    // It may have ended between the two answers: the live object was gone when it was asked for,
    // and the outcome not there yet when *it* was.
    let again = read_done(id, &done_key, root.get(&done_key).await?.value)?;
    let outcome = again.filter(|done| !done.record.is_seal());
    Ok(outcome.map(|done| Found::Done {
        done,
        left_behind: false,
    }))
}

/// The outcome or seal in an object, which must speak of as many tasks as the id says.
pub fn read_done(
    id: ObjectId,
    key: &StoreKey,
    object: Option<Object>,
) -> Result<Option<Seen<Done>>> {
    let Some(object) = object else {
        return Ok(None);
    };
    let done: Seen<Done> = seen(key, object)?;
    let (has, wants) = (done.record.tasks.len(), id.count());
    if done.record.is_seal() || has == wants {
        return Ok(Some(done));
    }
    Err(Error::Unreadable {
        key: key.to_string(),
        why: format!("it has the outcomes of {has} tasks, its id says {wants}"),
    })
}
