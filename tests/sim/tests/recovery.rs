//! How long a task waits whose worker is killed.

#![allow(missing_docs)]

use std::time::Duration;

use oq_sim::recovery::{measure, percentile};

/// The lease of 30 s, and what it takes to find that it is over: [guarantees.md] says so.
const MOST: Duration = Duration::from_secs(45);

#[test]
fn a_killed_workers_tasks_start_again_within_a_lease_and_a_sweep() {
    let waits = measure(60);
    assert!(waits.len() > 200, "{} tasks", waits.len());
    let p99 = percentile(&waits, 99);
    assert!(
        p99 <= MOST,
        "p99 is {p99:?}, the longest {:?}",
        percentile(&waits, 100)
    );
}
