//! Each two kinds of faults happen in one run, and nothing breaks.

#![allow(missing_docs)]

use oq_sim::pairs::{all, unordered};
use oq_sim::story;
use oq_sim::sweep::cores;

#[test]
fn each_two_kinds_of_faults_meet_and_nothing_breaks() {
    let pairs = all(cores());
    assert_eq!(pairs.len(), unordered().len());
    for pair in pairs {
        let (a, b) = (pair.faults.0.name(), pair.faults.1.name());
        if let Some(judged) = pair.failed {
            let told = story::tell(&judged.played, &judged.violations);
            panic!("{a} and {b}:\n{told}");
        }
        assert!(
            pair.met.is_some(),
            "{a} and {b} did not meet in {} seeds",
            pair.tried
        );
    }
}
