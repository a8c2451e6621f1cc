//! The worker's metrics: handles registered once, so that without a recorder each costs next to
//! nothing. Outcomes are counted where they are recorded, requests by `store::Metered`.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::metric::{self, Metric};
use crate::record::QueueName;

/// The metrics of one queue of a worker.
#[derive(Clone)]
pub(super) struct Meters {
    pub claimed: Counter,
    pub taken_over: Counter,
    pub lost_races: Counter,
    pub found_taken: Counter,
    pub retried: Counter,
    pub rescheduled: Counter,
    pub leases_lost: Counter,
    pub unreadable: Counter,
    pub running: Gauge,
    pub queue_wait: Histogram,
    pub run_time: Histogram,
}

impl Meters {
    pub fn new(queue: &QueueName) -> Meters {
        let q = queue.to_string();
        let count = |metric: Metric| counter!(metric.name, "queue" => q.clone());
        let time = |metric: Metric| histogram!(metric.name, "queue" => q.clone());
        Meters {
            claimed: count(metric::CLAIMED),
            taken_over: count(metric::TAKEN_OVER),
            lost_races: count(metric::LOST_RACES),
            found_taken: count(metric::FOUND_TAKEN),
            retried: count(metric::RETRIED),
            rescheduled: count(metric::RESCHEDULED),
            leases_lost: count(metric::LEASES_LOST),
            unreadable: count(metric::UNREADABLE),
            running: gauge!(metric::RUNNING.name, "queue" => q.clone()),
            queue_wait: time(metric::QUEUE_WAIT),
            run_time: time(metric::RUN),
        }
    }
}
