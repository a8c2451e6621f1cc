//! Makes a failing seed small: leaves out kinds of faults, kinds of events and submissions, as long
//! as the same invariant is broken.

use oq_core::testing::sim_store::Fault;

use crate::play::How;
use crate::scenario::{Cut, Event, Scenario};
use crate::sweep::{Judged, judge};

/// The smallest way to break the same invariant that was found, and what it is; `None` when the
/// seed breaks none.
pub fn shrink(seed: u64, how: How, from: &Cut) -> Option<(Cut, Judged)> {
    let first = judge(seed, from, how);
    let invariant = first.violations.first()?.invariant;
    let breaks = |cut: &Cut| {
        let judged = judge(seed, cut, how);
        let same = judged.violations.iter().any(|v| v.invariant == invariant);
        same.then_some(judged)
    };
    let mut best = (from.clone(), first);
    let try_cut = |cut: Cut, best: &mut (Cut, Judged)| {
        if let Some(judged) = breaks(&cut) {
            *best = (cut, judged);
            return true;
        }
        false
    };
    loop {
        let before = best.0.clone();
        // Submissions by halves, then quarters, and so on.
        let count = Scenario::of(seed).submissions.len();
        let mut step = count.div_ceil(2);
        while step > 0 {
            for from in (0..count).step_by(step) {
                let mut cut = best.0.clone();
                cut.submissions.extend(from..(from + step).min(count));
                if cut != best.0 {
                    try_cut(cut, &mut best);
                }
            }
            step /= 2;
        }
        for kind in Event::KINDS {
            let mut cut = best.0.clone();
            if cut.events.insert(kind) {
                try_cut(cut, &mut best);
            }
        }
        for fault in Fault::ALL {
            let mut cut = best.0.clone();
            let happened = best.1.played.fired.of(*fault) > 0;
            if happened && cut.faults.insert(*fault) {
                try_cut(cut, &mut best);
            }
        }
        if best.0 == before {
            return Some(best);
        }
    }
}
