//! What idle workers cost.

use std::sync::Arc;
use std::time::Duration;

use oq_core::Result;
use oq_core::store::{Latency, Prices, Requests};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::table::{Bound, Table};
use crate::world::{World, virtually};

const MINUTES: u32 = 60;

/// Requests of an idle fleet in an hour of virtual time, after five minutes of settling.
async fn hour(workers: usize) -> Result<Requests> {
    let world = World::new(Latency::S3);
    let stop = Arc::new(Notify::new());
    let mut running = JoinSet::new();
    for _ in 0..workers {
        world.worker("bench", stop.clone(), &mut running).await?;
    }
    world.pause(Duration::from_secs(300)).await;
    let before = world.requests();
    world.pause(Duration::from_secs(60) * MINUTES).await;
    let used = world.requests() - before;
    stop.notify_waiters();
    while let Some(ended) = running.join_next().await {
        ended.expect("a worker panicked")?;
    }
    Ok(used)
}

/// The tables of `oq-bench idle`.
pub fn tables() -> Result<Vec<Table>> {
    let mut t = Table::new(
        "Idle workers on an idle queue of 16 shards, 2 s poll",
        "An hour of virtual time. A month has 730 hours.",
    );
    for (workers, total, writes, dollars) in [
        (1, Some(45.0), Some(10.0), 2.5),
        (10, None, None, 15.0),
        (50, None, None, 70.0),
    ] {
        let used = virtually(hour(workers))?;
        let a_minute = |n: u64| n as f64 / f64::from(MINUTES);
        let at_most = |b: Option<f64>| b.map_or(Bound::None, Bound::AtMost);
        t.add(
            format!("{workers}: requests a minute"),
            a_minute(used.total()),
            "",
            at_most(total),
        );
        t.add(
            format!("{workers}: PUT and LIST a minute"),
            a_minute(used.put() + used.list()),
            "",
            at_most(writes),
        );
        let month = used.cost(&Prices::S3_STANDARD) * 730.0;
        let bound = if workers == 10 {
            Bound::AtMost(dollars)
        } else {
            Bound::None
        };
        t.add(format!("{workers}: list price a month"), month, "$", bound);
    }
    Ok(vec![t])
}
