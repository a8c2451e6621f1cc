//! What a read-back after a lost answer shows. Pure; the one place where doubts are settled.

use crate::error::Result;
use crate::record::{Record, Seen, WriteId, seen};
use crate::store::{Etag, Object, StoreKey};

/// What is known after reading back.
#[derive(Debug, Clone)]
pub enum Readback<R> {
    /// The write landed; others may have written on top of it.
    Mine(Seen<R>),
    /// The write did not land and cannot any more. `None`: the object is gone.
    NotMine(Option<Seen<R>>),
    /// The write has not landed, and still may.
    NotYet,
}

/// After an update of version `old` whose write id is `id`.
pub fn classify_update<R: Record>(
    key: &StoreKey,
    id: &WriteId,
    old: &Etag,
    found: Option<Object>,
) -> Result<Readback<R>> {
    let Some(object) = found else {
        // Deleted since: whether ours landed before no longer matters to anyone.
        return Ok(Readback::NotMine(None));
    };
    if object.etag == *old {
        return Ok(Readback::NotYet);
    }
    let seen: Seen<R> = seen(key, object)?;
    if seen.record.stamp().contains(id) {
        Ok(Readback::Mine(seen))
    } else {
        Ok(Readback::NotMine(Some(seen)))
    }
}

/// After a create that was sent under these write ids.
pub fn classify_create<R: Record>(
    key: &StoreKey,
    sent: &[WriteId],
    found: Option<Object>,
) -> Result<Readback<R>> {
    let Some(object) = found else {
        return Ok(Readback::NotYet);
    };
    let seen: Seen<R> = seen(key, object)?;
    if sent.contains(&seen.record.stamp().created_by) {
        Ok(Readback::Mine(seen))
    } else {
        Ok(Readback::NotMine(Some(seen)))
    }
}
