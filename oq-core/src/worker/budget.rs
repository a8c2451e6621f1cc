//! How many bytes of inputs a worker holds in memory at once, whatever number of slots it has.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::record::Data;

/// What is counted as one.
const UNIT: u64 = 1 << 10;

/// A number of bytes that running tasks share.
#[derive(Debug)]
pub(super) struct Budget {
    /// In [`UNIT`]s, as all that follows.
    all: u32,
    free: Arc<Semaphore>,
}

/// A turn to take a share.
pub(super) type Turn = BoxFuture<'static, Option<OwnedSemaphorePermit>>;

/// What one task takes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share(u32);

impl Budget {
    pub fn new(bytes: usize) -> Budget {
        let all = units(bytes as u64).max(1);
        Budget {
            all,
            free: Arc::new(Semaphore::new(all as usize)),
        }
    }

    /// The share of a task with this input; one that is larger than all takes all, and so runs alone.
    pub fn share(&self, input: &Data) -> Share {
        let bytes = match input {
            Data::Json(json) => json.as_str().len() as u64,
            Data::At(payload) => payload.size,
        };
        Share(units(bytes).min(self.all))
    }

    /// Takes a share, if so much is free. It is free again when what is returned is dropped.
    pub fn try_take(&self, share: Share) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_many_owned(share.0).ok()
    }

    /// Waits for a share, in turn: whoever drops what is returned loses the turn.
    pub fn take(&self, share: Share) -> Turn {
        let free = self.free.clone();
        async move { free.acquire_many_owned(share.0).await.ok() }.boxed()
    }

    /// Whether anything is free. While it is not, nothing is to be claimed.
    pub fn has_room(&self) -> bool {
        self.free.available_permits() > 0
    }

    /// Waits until something is free that nobody waits for.
    pub async fn room(&self) {
        drop(self.free.acquire().await);
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Json;

    fn take(budget: &Budget, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let input = Json::of(&"x".repeat(bytes - 2)).unwrap();
        budget.try_take(budget.share(&Data::Json(input)))
    }

    #[test]
    fn one_that_is_larger_than_all_runs_alone() {
        let budget = Budget::new(8 << 10);
        let small = take(&budget, 100).unwrap();
        assert!(take(&budget, 1 << 20).is_none());
        drop(small);
        let large = take(&budget, 1 << 20).unwrap();
        assert!(!budget.has_room() && take(&budget, 2).is_none());
        drop(large);
        assert!(budget.has_room());
    }

    #[test]
    fn shares_are_counted_in_whole_kibibytes() {
        let budget = Budget::new(4 << 10);
        let taken: Vec<_> = (0..5).map(|_| take(&budget, 10)).collect();
        assert_eq!(taken.iter().filter(|share| share.is_some()).count(), 4);
    }
}
