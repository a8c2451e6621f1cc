//! The history checker, checked: good histories of whole runs are accepted, bent ones are not.

#![allow(missing_docs)]

use oq_sim::linear::checked::{BENT, CLEAN, measure};

#[test]
fn good_histories_are_accepted_and_bent_ones_refused() {
    let checked = measure(CLEAN, BENT).unwrap_or_else(|why| panic!("{why}"));
    assert!(checked.accepted >= CLEAN && checked.refused >= BENT);
    assert!(checked.undecided <= BENT / 100, "{checked:?}");
}
