//! The model as CI explores it: every state, and every broken rule noticed.

#![allow(missing_docs)]

use oq_model::explore::{all, broken, explore, look_for, possible};
use oq_model::report;
use oq_model::rules::Rules;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Each of them is a test of its own: they run side by side, and the name tells which one broke.
macro_rules! nothing_breaks {
    ($($test:ident),* $(,)?) => {
        const TESTS: &[&str] = &[$(stringify!($test)),*];

        $(#[test]
        fn $test() {
            let n = TESTS.iter().position(|test| *test == stringify!($test));
            nothing_breaks_in(all().swap_remove(n.expect("it is listed")));
        })*
    };
}

// In the order of `all`.
nothing_breaks!(
    nothing_breaks_with_two_lone_tasks,
    nothing_breaks_in_a_pack_when_two_writes_go_astray,
    nothing_breaks_in_a_pack_when_a_worker_dies,
    nothing_breaks_in_a_pack_when_an_attempt_fails,
    nothing_breaks_when_a_task_is_submitted_twice,
    nothing_breaks_in_a_pack_that_is_cancelled_and_given_back,
    nothing_breaks_in_steps_of_a_third_of_a_lease,
    nothing_breaks_when_a_task_fails_and_is_cancelled,
    nothing_breaks_in_a_pack_that_fails_and_is_cancelled,
);

fn nothing_breaks_in(rules: Rules) {
    let run = explore(rules, threads());
    print!("{}", report::explorations(std::slice::from_ref(&run)));
    if let Some((name, way)) = run.broken.first() {
        let told = report::told(&run.rules, way).join("\n");
        panic!("{}: {name}\n{told}", run.rules.name);
    }
}

#[test]
fn every_exploration_has_a_test() {
    assert_eq!(TESTS.len(), all().len());
}

#[test]
fn what_must_be_possible_happens() {
    let mut missed = possible();
    // The last ones are the smallest.
    for rules in all().into_iter().rev() {
        if missed.is_empty() {
            break;
        }
        let run = look_for(missed.clone(), rules, threads());
        missed.retain(|name| run.missed.contains(name));
    }
    assert!(missed.is_empty(), "never, in none of them: {missed:?}");
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
    oq_printed::check(&text, "model", &report::explorations(&[]), &names);
    let names: Vec<_> = broken().iter().map(|(mutant, _)| mutant.name()).collect();
    oq_printed::check(&text, "broken", &report::broken(&[]), &names);
}
