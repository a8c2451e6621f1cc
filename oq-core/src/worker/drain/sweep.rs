//! Clearing away what is past its retention, for queues without a worker that stays. Which shards is
//! drawn, so that drains of any number and rhythm share the work without a word between them.

use super::super::sweeper::{sweep_key_records, sweep_shard};
use super::run::Drainer;
use crate::record::Shard;

/// One sweep of so many also looks for what nothing refers to any more.
const THOROUGH: u64 = 24;

impl Drainer {
    /// Sweeps each shard, and the queue's keys, with a chance of one in `calls`.
    pub(super) async fn sweep(&self, calls: u64) {
        for source in &self.sources {
            let (root, queue) = (&source.lane.root, source.queue.name());
            let drawn = || self.env.below(calls) == 0;
            for shard in (0..source.shards).filter_map(|n| Shard::new(n).ok()) {
                let thorough = self.env.below(THOROUGH) == 0;
                if drawn()
                    && let Err(error) = sweep_shard(root, queue, shard, thorough).await
                {
                    tracing::warn!(%queue, shard = %shard.code(), %error, "outcomes could not be swept");
                }
            }
            if drawn()
                && let Err(error) = sweep_key_records(root, queue).await
            {
                tracing::warn!(%queue, %error, "idempotency keys could not be swept");
            }
        }
    }
}
