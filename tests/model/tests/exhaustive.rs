//! The model as CI explores it: every state, and every broken rule noticed.

#![allow(missing_docs)]

use oq_model::explore::{all, broken, explore};
use oq_model::report;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn nothing_breaks_whatever_happens() {
    let runs = all().into_iter().map(|rules| explore(rules, threads()));
    let runs: Vec<_> = runs.collect();
    print!("{}", report::explorations(&runs));
    for run in &runs {
        if let Some((name, way)) = run.broken.first() {
            let told = report::told(&run.rules, way).join("\n");
            panic!("{}: {name}\n{told}", run.rules.name);
        }
    }
    let missed = report::missed(&runs);
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn every_broken_rule_is_noticed() {
    let runs = broken().into_iter();
    let runs = runs.map(|(mutant, rules)| (mutant, explore(rules, threads())));
    let missed = runs.filter(|(_, run)| run.broken.is_empty());
    let missed: Vec<_> = missed.map(|(mutant, _)| mutant.name()).collect();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}

/// What the document says was printed by the command, of what is there now.
#[test]
fn the_document_lists_what_is_tried_and_what_is_broken() {
    let text = std::fs::read_to_string("../../docs/assurance.md").expect("the document is there");
    let names: Vec<_> = all().iter().map(|rules| rules.name).collect();
    assert_eq!(oq_printed::first_column(&text, "model"), names);
    let names: Vec<_> = broken().iter().map(|(mutant, _)| mutant.name()).collect();
    assert_eq!(oq_printed::first_column(&text, "broken"), names);
}
