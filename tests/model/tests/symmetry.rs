//! Worlds that are taken for one are one: whatever happens in one of them happens in the other under
//! other numbers, and comes to worlds that are taken for one again.

#![allow(missing_docs)]

use std::hash::{DefaultHasher, Hash, Hasher};

use oq_core::testing::mutant;
use oq_core::testing::sim_entropy::Dice;
use oq_model::explore::{all, broken};
use oq_model::rules::{Action, Rules};
use oq_model::world::World;
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
