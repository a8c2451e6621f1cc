//! Whether a purge took what was submitted at a moment. The mark stands in the settings, which everybody
//! keeps for a while: what must not be taken for alive is asked about anew.

use super::root::Root;
use super::write::read;
use crate::error::Result;
use crate::record::{Key, QueueName, Settings};
use crate::time::StoreTime;

/// By what is known of the settings.
pub fn is_purged(before: Option<StoreTime>, submitted: StoreTime) -> bool {
    before.is_some_and(|before| submitted < before)
}

/// By the settings as they are now, if what is known does not tell.
pub async fn is_purged_now(
    root: &Root,
    queue: &QueueName,
    known: Option<StoreTime>,
    submitted: StoreTime,
) -> Result<bool> {
    if is_purged(known, submitted) {
        return Ok(true);
    }
    let settings = read::<Settings>(root, &Key::Settings(queue.clone())).await?;
    let before = settings.and_then(|settings| settings.record.purged_before);
    Ok(is_purged(before, submitted))
}
