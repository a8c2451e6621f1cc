//! What is explored: the rules as they are, and with each of some rules broken.

use std::collections::BTreeSet;
use std::time::Duration;

use oq_core::testing::mutant::Mutant;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::rules::{Action, Rules};
use crate::world::Left;

const S: Duration = Duration::from_secs(1);

/// What came of one exploration.
#[derive(Debug)]
pub struct Explored {
    pub rules: Rules,
    pub states: usize,
    /// What must not be and was found, with the way there.
    pub broken: Vec<(&'static str, Vec<Action>)>,
    /// What must be possible and was not found.
    pub missed: Vec<&'static str>,
    pub took: Duration,
}

fn rules(name: &'static str, objects: &[usize], tick: Duration, left: Left) -> Rules {
    Rules {
        name,
        objects: objects.to_vec(),
        copies: false,
        left,
        tick,
        mutant: None,
    }
}

/// Nothing goes wrong.
const CALM: Left = Left::CALM;

/// A lease and its margin.
const LONG: Duration = Duration::from_secs(35);

/// The explorations of the rules as they are, each to its end. Two workers in all of them.
pub fn all() -> Vec<Rules> {
    let twice = |rules: Rules| Rules {
        copies: true,
        ..rules
    };
    vec![
        rules(
            "two lone tasks; a write goes astray, a lease runs out",
            &[1, 1],
            LONG,
            Left {
                faults: 1,
                ticks: 1,
                ..CALM
            },
        ),
        rules(
            "a pack of two; two writes go astray, a lease runs out",
            &[2],
            LONG,
            Left {
                faults: 2,
                ticks: 1,
                ..CALM
            },
        ),
        rules(
            "a pack of two; a write goes astray, a worker dies, a lease runs out",
            &[2],
            LONG,
            Left {
                faults: 1,
                crashes: 1,
                ticks: 1,
                ..CALM
            },
        ),
        rules(
            "a pack of two; an attempt fails, a write goes astray, a lease runs out",
            &[2],
            LONG,
            Left {
                faults: 1,
                failures: 1,
                ticks: 1,
                ..CALM
            },
        ),
        twice(rules(
            "a task that the network submits twice; a worker dies, a write goes astray, a lease runs out",
            &[1],
            LONG,
            Left {
                faults: 1,
                crashes: 1,
                ticks: 1,
                ..CALM
            },
        )),
        rules(
            "a pack of two; it is cancelled, a worker is told to stop, a write goes astray",
            &[2],
            LONG,
            Left {
                faults: 1,
                stops: 1,
                cancels: 1,
                ..CALM
            },
        ),
        rules(
            "a task, in steps of a third of its lease; a write goes astray",
            &[1],
            12 * S,
            Left {
                faults: 1,
                ticks: 4,
                ..CALM
            },
        ),
        rules(
            "a task; its attempts fail, a lease runs out, it is cancelled",
            &[1],
            LONG,
            Left {
                failures: 2,
                cancels: 1,
                ticks: 1,
                ..CALM
            },
        ),
        rules(
            "a pack of two; its attempts fail, it is cancelled, a lease runs out",
            &[2],
            LONG,
            Left {
                failures: 1,
                cancels: 1,
                ticks: 1,
                ..CALM
            },
        ),
    ]
}

/// Broken rules that the model must notice, each with no more going wrong than that takes.
pub fn broken() -> Vec<(Mutant, Rules)> {
    let all = [
        (
            Mutant::UnknownMeansWon,
            1,
            LONG,
            Left {
                faults: 1,
                ticks: 1,
                ..CALM
            },
        ),
        (Mutant::ClaimWithoutDoneCheck, 1, LONG, CALM),
        (Mutant::StaleDoneCheck, 1, LONG, CALM),
        (
            Mutant::FinishWithoutLeaseCheck,
            1,
            LONG,
            Left { ticks: 1, ..CALM },
        ),
        (
            Mutant::TakeOverWithoutSeal,
            1,
            LONG,
            Left {
                faults: 1,
                ticks: 1,
                ..CALM
            },
        ),
        (
            Mutant::TakeOverTooEarly,
            1,
            12 * S,
            Left { ticks: 1, ..CALM },
        ),
        (
            Mutant::RenewIgnoresDoubt,
            1,
            12 * S,
            Left {
                faults: 2,
                ticks: 3,
                ..CALM
            },
        ),
        (
            Mutant::DeadFromLive,
            1,
            LONG,
            Left {
                failures: 2,
                ..CALM
            },
        ),
        (
            Mutant::DeleteBeforeDead,
            1,
            LONG,
            Left {
                failures: 2,
                faults: 1,
                ..CALM
            },
        ),
        (
            Mutant::DeleteWithoutDone,
            1,
            LONG,
            Left { cancels: 1, ..CALM },
        ),
        (
            Mutant::HolderOverwritesFlags,
            1,
            LONG,
            Left {
                cancels: 1,
                failures: 1,
                ..CALM
            },
        ),
        (
            Mutant::NoAttemptCap,
            1,
            LONG,
            Left {
                failures: 2,
                ..CALM
            },
        ),
    ];
    let broken = |(mutant, tasks, tick, left)| {
        let rules = Rules {
            copies: true,
            mutant: Some(mutant),
            ..rules("a rule is broken", &[tasks], tick, left)
        };
        (mutant, rules)
    };
    all.into_iter().map(broken).collect()
}

/// What must be possible, in one exploration or another.
pub fn possible() -> BTreeSet<&'static str> {
    let properties = all().remove(0).properties().into_iter();
    let sometimes = properties.filter(|p| p.expectation == Expectation::Sometimes);
    sometimes.map(|p| p.name).collect()
}

/// Explores everything that the rules allow, or up to the first thing that must not be.
pub fn explore(rules: Rules, threads: usize) -> Explored {
    let until = if rules.mutant.is_some() {
        HasDiscoveries::AnyFailures
    } else {
        HasDiscoveries::All
    };
    explore_until(until, rules, threads)
}

/// Explores until all of this was found, or everything that the rules allow.
pub fn look_for(wanted: BTreeSet<&'static str>, rules: Rules, threads: usize) -> Explored {
    explore_until(HasDiscoveries::AllOf(wanted), rules, threads)
}

#[allow(clippy::disallowed_methods)] // how long it takes is a matter of this machine's clock
fn explore_until(until: HasDiscoveries, rules: Rules, threads: usize) -> Explored {
    let began = std::time::Instant::now();
    let builder = rules.clone().checker().threads(threads).finish_when(until);
    let checker = builder.spawn_bfs().join();
    let found = checker.discoveries();
    let (mut broken, mut missed) = (Vec::new(), Vec::new());
    for property in rules.properties() {
        let way = found.get(property.name);
        match (property.expectation, way) {
            (Expectation::Always, Some(way)) => {
                broken.push((property.name, way.clone().into_actions()));
            }
            (Expectation::Sometimes, None) => missed.push(property.name),
            _ => {}
        }
    }
    Explored {
        rules,
        states: checker.unique_state_count(),
        broken,
        missed,
        took: began.elapsed(),
    }
}
