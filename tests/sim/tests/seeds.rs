//! The simulation as CI runs it: seeds without a violation, the same run for the same seed, and
//! every broken rule noticed.

#![allow(missing_docs)]

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::Fault;
use oq_sim::linear::checked::Checked;
use oq_sim::points;
use oq_sim::report;
use oq_sim::story;
use oq_sim::sweep::{Plan, Summary, cores, sweep};

/// How many seeds CI plays in all.
const SEEDS: u64 = 2000;

fn plan(from: u64, count: u64, mutant: Option<Mutant>) -> Plan {
    Plan {
        from,
        count,
        mutant,
        threads: cores(),
        first_only: mutant.is_some(),
        twice_every: if mutant.is_some() { 0 } else { 10 },
    }
}

fn run(plan: Plan) -> Summary {
    sweep(plan, |judged| {
        if plan.mutant.is_none() {
            println!("{}", story::tell(&judged.played, &judged.violations));
        }
    })
}

/// Every tenth seed is played twice and must run the same way (I22).
#[test]
fn nothing_breaks_on_two_thousand_seeds_and_every_fault_happens() {
    let summary = run(plan(0, SEEDS, None));
    assert_eq!((summary.seeds, summary.played_twice), (SEEDS, SEEDS / 10));
    assert!(
        summary.failed.is_empty(),
        "seeds failed: {:?}",
        summary.failed
    );
    let never = summary.never_fired();
    assert!(never.is_empty(), "planned and never happened: {never:?}");
    let never = summary.never_met();
    assert!(never.len() <= 3, "never happened in one run: {never:?}");
    let often = |f: &&Fault| summary.fired.of(**f) >= 100;
    assert!(Fault::ALL.iter().filter(often).count() >= 15);
    assert!(
        summary.median_faults() >= 100,
        "{} faults a seed",
        summary.median_faults()
    );
}

/// Caught within the seeds of one CI run, each by an invariant that it has to do with; the command
/// `cargo run --profile sim -p oq-sim -- --mutants` prints which.
#[test]
fn every_mutant_is_noticed() {
    assert!(Mutant::ALL.len() >= 20);
    let missed: Vec<&str> = report::mutants(|mutant| plan(0, SEEDS, Some(mutant)))
        .into_iter()
        .filter(|row| row.caught.is_none())
        .map(|row| row.mutant.name())
        .collect();
    assert!(
        missed.is_empty(),
        "not noticed in {SEEDS} seeds: {missed:?}"
    );
}

/// What the document says was printed by the command, of what is there now.
#[test]
fn the_document_lists_every_mutant_and_every_fault() {
    let text = std::fs::read_to_string("../../docs/assurance.md").expect("the document is there");
    println!("if it does not, print it again: {}", report::COMMAND);
    let mutants: Vec<&str> = Mutant::ALL.iter().map(|m| m.name()).collect();
    oq_printed::check(&text, "mutants", &report::mutant_table(&[]), &mutants);
    let faults: Vec<&str> = Fault::ALL.iter().map(|f| f.name()).collect();
    let table = report::fault_table(&Summary::default());
    oq_printed::check(&text, "faults", &table, &faults);
    let figures = report::figures(&Summary::default(), 0.0, 0, &Checked::default());
    oq_printed::check(&text, "figures", &figures, &oq_printed::names(&figures));
    let mut operations: Vec<&str> = points::operations().iter().map(|o| o.name).collect();
    operations.push("all");
    oq_printed::check(&text, "points", &report::point_table(&[]), &operations);
    let waits = report::recovery_table(&[]);
    oq_printed::check(&text, "recovery", &waits, &oq_printed::names(&waits));
    for line in oq_printed::section(&text, "mutants")
        .unwrap_or_default()
        .lines()
        .skip(2)
    {
        assert!(!line.contains("| - |"), "not caught: {line}");
    }
}
