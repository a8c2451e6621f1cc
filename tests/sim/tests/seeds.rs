//! The simulation as CI runs it: seeds without a violation, the same run for the same seed, and
//! every broken rule noticed.

#![allow(missing_docs)]

use oq_core::testing::mutant::Mutant;
use oq_sim::play::How;
use oq_sim::story;
use oq_sim::sweep::{Plan, Summary, cores, judge, sweep};

/// How many seeds CI plays in all.
const SEEDS: u64 = 1000;

fn plan(from: u64, count: u64, mutant: Option<Mutant>) -> Plan {
    Plan {
        from,
        count,
        mutant,
        threads: cores(),
        first_only: mutant.is_some(),
    }
}

fn run(plan: Plan) -> Summary {
    sweep(plan, |judged| {
        if plan.mutant.is_none() {
            println!("{}", story::tell(&judged.played, &judged.violations));
        }
    })
}

#[test]
fn nothing_breaks_on_a_thousand_seeds_and_every_fault_happens() {
    let summary = run(plan(0, SEEDS, None));
    assert_eq!(summary.seeds, SEEDS);
    assert!(
        summary.failed.is_empty(),
        "seeds failed: {:?}",
        summary.failed
    );
    let never = summary.never_fired();
    assert!(never.is_empty(), "planned and never happened: {never:?}");
    assert!(
        summary.median_faults() >= 50,
        "{} faults a seed",
        summary.median_faults()
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let how = How {
        mutant: None,
        story: false,
    };
    let different: Vec<u64> = (0..SEEDS)
        .step_by(10)
        .filter(|seed| judge(*seed, how).played.trace != judge(*seed, how).played.trace)
        .collect();
    assert!(different.is_empty(), "I22: ran in two ways: {different:?}");
}

/// Caught within the seeds of one CI run, each by an invariant; the command
/// `cargo run --profile sim -p oq-sim -- --mutants` prints which.
#[test]
fn every_mutant_is_noticed() {
    let missed: Vec<&str> = Mutant::ALL
        .iter()
        .filter(|mutant| run(plan(0, SEEDS, Some(**mutant))).failed.is_empty())
        .map(|mutant| mutant.name())
        .collect();
    assert!(
        missed.is_empty(),
        "not noticed in {SEEDS} seeds: {missed:?}"
    );
}
