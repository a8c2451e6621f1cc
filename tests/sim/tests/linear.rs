//! The history checker, checked: good histories of whole runs are accepted, bent ones are not.

#![allow(missing_docs)]

use std::collections::BTreeMap;

use oq_core::testing::sim_entropy::Dice;
use oq_sim::check::linear::histories;
use oq_sim::foreign::is_one;
use oq_sim::linear::mutate::Bend;
use oq_sim::linear::{Verdict, judge};
use oq_sim::play::{How, play};
use oq_sim::scenario::Scenario;

/// How many histories must be accepted, and how many bent ones refused.
const CLEAN: usize = 10_000;
const BENT: usize = 1_000;

#[test]
fn good_histories_are_accepted_and_bent_ones_refused() {
    let (mut clean, mut bent, mut undecided) = (0, BTreeMap::new(), 0);
    let mut dice = Dice::new(1, 77);
    for seed in 10_000.. {
        let run = play(Scenario::of(seed), How::default());
        if run.scenario.modes.hidden_retry {
            continue;
        }
        for (key, calls, register) in histories(&run) {
            if is_one(&key) {
                continue;
            }
            let verdict = judge(&calls, &register);
            assert_eq!(verdict, Verdict::Linear, "seed {seed}, {key}");
            clean += 1;
            for bend in Bend::ALL {
                let done = bent.entry(*bend).or_insert(0);
                if *done >= BENT / Bend::ALL.len() || calls.len() > 300 {
                    continue;
                }
                if let Some(calls) = bend.apply(&calls, &mut dice) {
                    let verdict = judge(&calls, &register);
                    assert!(
                        verdict != Verdict::Linear,
                        "seed {seed}, {key}, {bend:?}\n{calls:#?}"
                    );
                    // One with very many doubts at once cannot be decided; it does not count.
                    match verdict {
                        Verdict::TooHard => undecided += 1,
                        _ => *done += 1,
                    }
                    assert!(undecided <= BENT / 100, "{undecided} undecided");
                }
            }
        }
        let all: usize = bent.values().sum();
        if clean >= CLEAN && all >= BENT {
            return;
        }
        assert!(seed < 12_000, "{clean} clean ones, bent {bent:?}");
    }
}
