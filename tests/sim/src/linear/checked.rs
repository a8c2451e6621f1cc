//! The history checker, checked: good histories of whole runs are accepted, bent ones are not.

use std::collections::BTreeMap;

use oq_core::testing::sim_entropy::Dice;

use super::mutate::Bend;
use super::{Verdict, judge};
use crate::check::linear::histories;
use crate::foreign::is_one;
use crate::play::{How, play};
use crate::scenario::Scenario;

/// How many good histories must be accepted, and how many bent ones refused.
pub const CLEAN: usize = 10_000;
pub const BENT: usize = 1_000;

/// The seeds that histories are of: none that the sweep plays.
const FIRST: u64 = 10_000;
const SEEDS: u64 = 2_000;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    pub accepted: usize,
    pub refused: usize,
    /// Bent histories with so many doubts at once that they could not be decided. They do not count as
    /// refused.
    pub undecided: usize,
}

/// Judges at least so many good and so many bent histories; what was judged wrongly is an error.
pub fn measure(clean: usize, bent: usize) -> Result<Checked, String> {
    let mut checked = Checked::default();
    let mut by_kind = BTreeMap::new();
    let mut dice = Dice::new(1, 77);
    for seed in FIRST..FIRST + SEEDS {
        let run = play(Scenario::of(seed), How::default());
        if run.scenario.modes.hidden_retry {
            continue;
        }
        for (key, calls, register) in histories(&run) {
            if is_one(&key) {
                continue;
            }
            let verdict = judge(&calls, &register);
            if verdict != Verdict::Linear {
                return Err(format!("seed {seed}, {key}: a good history is {verdict:?}"));
            }
            checked.accepted += 1;
            for bend in Bend::ALL {
                let done = by_kind.entry(*bend).or_insert(0);
                if *done >= bent / Bend::ALL.len() || calls.len() > 300 {
                    continue;
                }
                let Some(calls) = bend.apply(&calls, &mut dice) else {
                    continue;
                };
                match judge(&calls, &register) {
                    Verdict::Linear => {
                        let what = format!("seed {seed}, {key}: {bend:?} was not noticed");
                        return Err(format!("{what}\n{calls:#?}"));
                    }
                    Verdict::TooHard => checked.undecided += 1,
                    _ => (*done, checked.refused) = (*done + 1, checked.refused + 1),
                }
            }
        }
        if checked.accepted >= clean && checked.refused >= bent {
            return Ok(checked);
        }
    }
    Err(format!(
        "not enough histories in {SEEDS} seeds: {checked:?}"
    ))
}
