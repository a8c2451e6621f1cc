//! What a fleet asks of the store while there is nothing to do, from the intervals that workers keep.

use std::time::Duration;

use super::find::{ALONE, MUSTER, MUSTER_ALONE, SETTINGS, SHOW, STALE, TOGETHER};
use crate::store::Prices;

/// A worker whose presence was written less long ago than this is there.
pub const PRESENT: Duration = STALE;

/// Requests in an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Idle {
    /// PUT.
    pub put: f64,
    /// GET.
    pub get: f64,
    /// LIST.
    pub list: f64,
}

/// How many hours a month has.
const HOURS: f64 = 730.0;

impl Idle {
    /// Of so many workers that look for one queue's tasks at least every `poll`. An estimate: the
    /// benchmark of the idle fleet counts the requests themselves.
    pub fn of(workers: usize, poll: Duration) -> Idle {
        let workers_now = workers as f64;
        let hourly = |every: Duration| 3600.0 / every.as_secs_f64().max(0.05);
        let lists = match workers {
            0 => 0.0,
            1 => hourly(ALONE) + hourly(MUSTER_ALONE),
            _ => hourly(TOGETHER) + workers_now * hourly(MUSTER),
        };
        Idle {
            put: workers_now * hourly(SHOW),
            get: workers_now * (hourly(poll) + hourly(SETTINGS) + hourly(SHOW)),
            list: lists,
        }
    }

    /// What a month of it costs, in dollars.
    pub fn month(self, prices: &Prices) -> f64 {
        HOURS * (self.put * prices.put + self.get * prices.get + self.list * prices.list) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/benchmarks.md, which a program prints.
    const MEASURED: &str = include_str!("../../../docs/benchmarks.md");

    #[test]
    fn the_estimate_is_near_what_the_benchmark_counted() {
        for workers in [1, 10, 50] {
            let table = MEASURED
                .split("### Idle workers on an idle queue")
                .nth(1)
                .unwrap();
            let row = table.split_once(&format!("\n| {workers} | ")).unwrap().1;
            let dollars = row.lines().next().unwrap().split_once('$').unwrap().1;
            let measured: f64 = dollars.split(' ').next().unwrap().parse().unwrap();
            let said = Idle::of(workers, Duration::from_secs(2)).month(&Prices::S3_STANDARD);
            let off = (said / measured - 1.0).abs();
            assert!(
                off < 0.15,
                "{workers} workers: said {said:.2}, measured {measured}"
            );
        }
    }
}
