//! The worker's metrics: handles registered once, so that without a recorder each costs next to
//! nothing. The requests themselves are counted by `store::Metered`.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::record::{Ending, QueueName};

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
    finished: [Counter; 4],
}

impl Meters {
    pub fn new(queue: &QueueName) -> Meters {
        let q = queue.to_string();
        let finished = |ending: Ending| counter!("oq_finished_total", "queue" => q.clone(), "outcome" => ending.as_str());
        Meters {
            claimed: counter!("oq_claimed_total", "queue" => q.clone()),
            taken_over: counter!("oq_taken_over_total", "queue" => q.clone()),
            lost_races: counter!("oq_lost_races_total", "queue" => q.clone()),
            found_taken: counter!("oq_found_taken_total", "queue" => q.clone()),
            retried: counter!("oq_retried_total", "queue" => q.clone()),
            rescheduled: counter!("oq_rescheduled_total", "queue" => q.clone()),
            leases_lost: counter!("oq_leases_lost_total", "queue" => q.clone()),
            unreadable: counter!("oq_unreadable_total", "queue" => q.clone()),
            running: gauge!("oq_running", "queue" => q.clone()),
            queue_wait: histogram!("oq_queue_wait_seconds", "queue" => q.clone()),
            run_time: histogram!("oq_run_seconds", "queue" => q.clone()),
            finished: [
                finished(Ending::Completed),
                finished(Ending::Failed),
                finished(Ending::Cancelled),
                finished(Ending::Expired),
            ],
        }
    }

    pub fn finished(&self, ending: Ending) {
        self.finished[ending as usize].increment(1);
    }
}
