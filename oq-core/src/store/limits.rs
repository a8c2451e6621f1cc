//! What every store refuses before it does anything.

use bytes::Bytes;

use super::{MAX_BODY, MAX_DELETE, StoreError, StoreKey};

/// Refuses a body that is too large to be read again.
pub(crate) fn fits(body: &Bytes) -> Result<(), StoreError> {
    if body.len() > MAX_BODY {
        return Err(StoreError::TooLarge(body.len() as u64));
    }
    Ok(())
}

/// Refuses more keys than one batch takes.
pub(crate) fn few(keys: &[StoreKey]) -> Result<(), StoreError> {
    if keys.len() > MAX_DELETE {
        return Err(StoreError::Unsupported(format!(
            "one batch deletes up to {MAX_DELETE} objects, not {}",
            keys.len()
        )));
    }
    Ok(())
}
