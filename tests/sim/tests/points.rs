//! Every point at which a process can die in a small scenario, one after the other.

#![allow(missing_docs)]

use oq_sim::points::{WHO, all, died};
use oq_sim::scenario::Kind;
use oq_sim::story;
use oq_sim::sweep::cores;

/// With `OQ_POINTS=7` every seventh is tried.
fn apart() -> u64 {
    std::env::var("OQ_POINTS").map_or(1, |n| n.parse().expect("OQ_POINTS is a number from 1"))
}

#[test]
#[ignore = "it takes more than ten minutes"]
fn a_process_may_die_at_any_point() {
    let apart = apart().max(1);
    for kind in [Kind::Real, Kind::Small] {
        for who in WHO {
            let (points, failed) = all(kind, who, apart, cores());
            assert!(points >= 50, "{kind:?} {who:?}: only {points} points");
            if let Some((point, judged)) = failed.into_iter().next() {
                assert!(
                    died(&judged),
                    "{kind:?} {who:?} did not die at point {point}"
                );
                panic!(
                    "{kind:?} {who:?} dies at point {point} of {points}:\n{}",
                    story::tell(&judged.played, &judged.violations)
                );
            }
        }
    }
}
