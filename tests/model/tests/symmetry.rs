//! Worlds that are taken for one are one: whatever happens in one of them happens in the other under
//! other numbers, and comes to worlds that are taken for one again. And no others are taken for one.

#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use oq_core::testing::mutant;
use oq_core::testing::sim_entropy::Dice;
use oq_model::explore::{all, broken, explore};
use oq_model::rules::{Action, Rules};
use oq_model::world::{Left, World};
use stateright::Model;

/// Steps of each walk; most end before.
const LONGEST: usize = 60;
const WALKS: u64 = 300;

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// The same action where workers, or objects, have changed places.
fn mirrored(action: Action, workers: bool, objects: bool) -> Action {
    let worker = |w: usize| w ^ usize::from(workers);
    let object = |of: usize| of ^ usize::from(objects);
    match action {
        Action::Look(w, of) => Action::Look(worker(w), object(of)),
        Action::Decide(w) => Action::Decide(worker(w)),
        Action::Meet(w, fate) => Action::Meet(worker(w), fate),
        Action::ReadBack(w) => Action::ReadBack(worker(w)),
        Action::Go(w) => Action::Go(worker(w)),
        Action::End(w, task, well) => Action::End(worker(w), task, well),
        Action::Stop(w) => Action::Stop(worker(w)),
        Action::Die(w) => Action::Die(worker(w)),
        Action::Land(of, n) => Action::Land(object(of), n),
        Action::Cancel(of, task) => Action::Cancel(object(of), task),
        Action::TimePasses => Action::TimePasses,
    }
}

/// Walks at random in both, and asks in each step whether they are still one.
fn walk(rules: &Rules, dice: &mut Dice, workers: bool, objects: bool) -> usize {
    mutant::set(rules.mutant);
    let mut here = rules.init_states().remove(0);
    let mut there = here.clone();
    for step in 0..LONGEST {
        assert_eq!(hash(&here), hash(&there), "{here:?}\n{there:?}");
        let (mut actions, mut others) = (Vec::new(), Vec::new());
        rules.actions(&here, &mut actions);
        rules.actions(&there, &mut others);
        assert_eq!(actions.len(), others.len());
        let same = |a: &Action| others.contains(&mirrored(*a, workers, objects));
        assert!(actions.iter().all(same), "{actions:?}\n{others:?}");
        for property in rules.properties() {
            let holds = |world| (property.condition)(rules, world);
            assert_eq!(holds(&here), holds(&there), "{}", property.name);
        }
        let Some(action) = dice.pick(&actions).copied() else {
            return step;
        };
        here.happen(action);
        there.happen(mirrored(action, workers, objects));
    }
    LONGEST
}

#[test]
fn what_is_taken_for_one_goes_on_as_one() {
    let broken = broken().into_iter().map(|(_, rules)| rules);
    let mut dice = Dice::new(1, 7);
    let mut steps = 0;
    for rules in all().into_iter().chain(broken) {
        for _ in 0..WALKS {
            steps += walk(&rules, &mut dice, true, false);
            if rules.objects.len() == 2 {
                steps += walk(&rules, &mut dice, false, true);
                steps += walk(&rules, &mut dice, true, true);
            }
        }
    }
    mutant::set(None);
    assert!(steps > 10_000, "{steps} steps");
}

/// Every world that can come about, told apart by all that is in it.
fn worlds(rules: &Rules) -> Vec<World> {
    let mut known: BTreeMap<String, Vec<World>> = BTreeMap::new();
    let (mut open, mut all) = (rules.init_states(), Vec::new());
    while let Some(world) = open.pop() {
        let alike = known.entry(format!("{world:?}")).or_default();
        if !alike.contains(&world) {
            alike.push(world.clone());
            open.extend(rules.next_states(&world));
            all.push(world);
        }
    }
    all
}

/// There are two ways to number the workers, and two to number the objects if there are two.
#[test]
fn no_more_are_taken_for_one_than_there_are_ways_to_number_them() {
    let calm = Left::CALM;
    let faulty = Left { faults: 1, ..calm };
    let dying = Left {
        crashes: 1,
        failures: 1,
        ticks: 1,
        ..calm
    };
    let cancelled = Left {
        cancels: 1,
        failures: 1,
        ..calm
    };
    let slow = Left { ticks: 1, ..calm };
    for (objects, left, ways) in [
        (&[1][..], faulty, 2),
        (&[1], dying, 2),
        (&[2], cancelled, 2),
        (&[1, 1], slow, 4),
    ] {
        let rules = Rules {
            name: "a small one",
            objects: objects.to_vec(),
            copies: false,
            left,
            tick: Duration::from_secs(35),
            mutant: None,
        };
        let worlds = worlds(&rules);
        let mut kinds: BTreeMap<u64, usize> = BTreeMap::new();
        for world in &worlds {
            *kinds.entry(hash(world)).or_default() += 1;
        }
        let sizes: BTreeSet<usize> = kinds.values().copied().collect();
        assert_eq!(sizes.last(), Some(&ways), "{objects:?} {left:?}");
        assert_eq!(explore(rules, 1).states, kinds.len(), "each is explored");
    }
}
