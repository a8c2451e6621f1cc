//! Clears away what is past its retention, for the shards that fall to this worker. Cheap while
//! nothing is due: one LIST a shard and hour.

use std::sync::Arc;
use std::time::Duration;

use super::find::Finder;
use crate::error::Result;
use crate::protocol::Root;
use crate::protocol::sweep::{sweep_keys, sweep_outcomes};
use crate::record::{QueueName, Shard};

/// How often a shard is swept. Retentions are an hour at the least, so nothing is due sooner.
const ROUND: Duration = Duration::from_secs(3600);

/// Every so many rounds what nothing refers to any more is looked for, too: once a day.
const THOROUGH: u64 = 24;

/// Between two pages, so that sweeping never competes with the tasks.
const BREATH: Duration = Duration::from_secs(1);

/// Sweeps until dropped.
pub(super) async fn run(root: Root, queue: QueueName, finder: Arc<Finder>) {
    let env = root.env();
    for round in 1.. {
        env.sleep(env.jitter(ROUND)).await;
        for shard in finder.own_shards() {
            let thorough = round % THOROUGH == 0;
            if let Err(error) = sweep_shard(&root, &queue, shard, thorough).await {
                tracing::warn!(%queue, shard = %shard.code(), %error, "outcomes could not be swept");
            }
        }
        // The keys of a queue are in no shard; the first shard's worker sees to them.
        if finder.own_shards().contains(&Shard::default())
            && let Err(error) = sweep_key_records(&root, &queue).await
        {
            tracing::warn!(%queue, %error, "idempotency keys could not be swept");
        }
    }
}

pub(super) async fn sweep_shard(
    root: &Root,
    queue: &QueueName,
    shard: Shard,
    thorough: bool,
) -> Result<()> {
    let mut after = None;
    loop {
        let swept = sweep_outcomes(root, queue, shard, after.as_deref(), thorough).await?;
        if swept.outcomes > 0 {
            tracing::debug!(%queue, shard = %shard.code(), ?swept, "swept");
        }
        after = swept.next;
        if after.is_none() {
            return Ok(());
        }
        root.env().sleep(BREATH).await;
    }
}

pub(super) async fn sweep_key_records(root: &Root, queue: &QueueName) -> Result<()> {
    let mut after = None;
    loop {
        after = sweep_keys(root, queue, after.as_deref()).await?.next;
        if after.is_none() {
            return Ok(());
        }
        root.env().sleep(BREATH).await;
    }
}
