//! What an exploration came to, as tables of the document.

use std::fmt::Write as _;

use oq_core::testing::mutant::{self, Mutant};
use stateright::Model;

use crate::explore::{Explored, possible};
use crate::rules::{Action, Rules};

pub fn explorations(runs: &[Explored]) -> String {
    let mut table =
        String::from("| what is tried | states | seconds | broken |\n|---|---:|---:|---:|\n");
    for run in runs {
        let (name, took) = (run.rules.name, run.took.as_secs_f64());
        let _ = writeln!(
            table,
            "| {name} | {} | {took:.0} | {} |",
            run.states,
            run.broken.len()
        );
    }
    table
}

pub fn broken(rows: &[(Mutant, Explored)]) -> String {
    let mut table =
        String::from("| broken rule | steps to see it | what it breaks |\n|---|---:|---|\n");
    for (mutant, run) in rows {
        let first = run.broken.iter().min_by_key(|b| b.1.len());
        let row = first.map_or("| - | - |".into(), |(name, way)| {
            format!("| {} | {name} |", way.len())
        });
        let _ = writeln!(table, "| {} {row}", mutant.name());
    }
    table
}

/// What must be possible, and was not in any exploration.
pub fn missed(runs: &[Explored]) -> Vec<&'static str> {
    let everywhere = |name: &&str| runs.iter().all(|run| run.missed.contains(name));
    possible().into_iter().filter(everywhere).collect()
}

/// The way to what must not be, a line for each step.
pub fn told(rules: &Rules, way: &[Action]) -> Vec<String> {
    mutant::set(rules.mutant);
    let mut world = rules.init_states().remove(0);
    let told = way.iter().map(|action| {
        world.happen(*action);
        let things = world
            .things
            .iter()
            .map(|t| format!("{:?} / {:?}", t.live, t.done));
        format!(
            "{:<28} {}",
            format!("{action:?}"),
            things.collect::<Vec<_>>().join("; ")
        )
    });
    let told = told.collect();
    mutant::set(None);
    told
}
