//! What idle workers cost.

use std::time::Duration;

use oq_core::Result;
use oq_core::store::{Latency, Prices, Requests};

use super::crew::{Crew, Hands};
use super::world::{World, virtually};
use crate::table::{Table, at_most, plain};

const MINUTES: u32 = 60;

/// A fleet that has nothing to do.
pub struct Idle;

impl Idle {
    /// Its requests in an hour, after five minutes of settling.
    pub async fn hour(workers: usize) -> Result<Requests> {
        let world = World::new(Latency::S3);
        let mut crew = Crew::default();
        crew.hire(&world, workers, Hands::default()).await?;
        world.pause(Duration::from_secs(300)).await;
        let before = world.requests();
        world.pause(Duration::from_secs(60) * MINUTES).await;
        let used = world.requests() - before;
        crew.dismiss().await?;
        Ok(used)
    }
}

/// The tables of `oq-bench print idle`.
pub fn tables() -> Result<Vec<Table>> {
    let mut table = Table::grid(
        "Idle workers on an idle queue",
        "16 shards, 2 s poll; an hour. Requests are PUT, GET and LIST. A month has 730 hours.",
        &[
            "workers",
            "PUT a minute",
            "GET a minute",
            "LIST a minute",
            "requests a minute",
            "PUT and LIST",
            "$ a month",
        ],
    );
    for (workers, dollars) in [(1, 2.2), (10, 15.0), (50, 65.0)] {
        let used = virtually(Idle::hour(workers))?;
        let per_minute = |n: u64| n as f64 / f64::from(MINUTES);
        let a_minute = |n: u64| plain(per_minute(n), "");
        let of_one = |n: u64, most: f64| match workers {
            1 => at_most(per_minute(n), "", most),
            _ => a_minute(n),
        };
        let dear = used.put() + used.list();
        let month = used.cost(&Prices::S3_STANDARD) * 730.0;
        table.row(
            workers.to_string(),
            vec![
                a_minute(used.put()),
                a_minute(used.get()),
                a_minute(used.list()),
                of_one(dear + used.get(), 45.0),
                of_one(dear, 10.0),
                at_most(month, "$", dollars),
            ],
        );
    }
    Ok(vec![table])
}
