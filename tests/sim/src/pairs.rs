//! Each two kinds of faults in one run, and no others: seeds in which both are switched on, until both
//! have happened in one of them. Nothing may break in any.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Fault, Plan};

use crate::play::How;
use crate::scenario::{Event, Scenario, Theme, Who};
use crate::sweep::{Judged, judge_scenario};

/// So many seeds are tried for a pair.
pub const SEEDS: u64 = 40;

/// The first seed of the first pair: none that the sweep plays. A seed says which pair it is of.
const FIRST: u64 = 1_000_000;
const EACH: u64 = 1_000;

const S: Duration = Duration::from_secs(1);

/// What came of one pair.
#[derive(Debug)]
pub struct Pair {
    pub faults: (Fault, Fault),
    /// The seed in which both happened.
    pub met: Option<u64>,
    pub tried: u64,
    /// The first run that broke something.
    pub failed: Option<Box<Judged>>,
}

impl Pair {
    pub fn is_fine(&self) -> bool {
        self.met.is_some() && self.failed.is_none()
    }
}

/// Every unordered pair.
pub fn unordered() -> Vec<(Fault, Fault)> {
    let all = Fault::ALL.iter().enumerate();
    all.flat_map(|(n, a)| Fault::ALL[n + 1..].iter().map(move |b| (*a, *b)))
        .collect()
}

/// Tries every pair, on so many threads.
pub fn all(threads: usize) -> Vec<Pair> {
    let pairs = unordered();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(faults) = pairs.get(n) else { return };
                    let pair = meet(*faults, FIRST + n as u64 * EACH);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((n, pair));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, pair)| pair).collect()
}

/// The scenario of a seed that was played for a pair.
pub fn scenario_of(seed: u64) -> Option<Scenario> {
    let n = seed.checked_sub(FIRST)? / EACH;
    let faults = *unordered().get(usize::try_from(n).ok()?)?;
    Some(with_only(Scenario::of(seed), faults))
}

/// Plays seeds with both, from this one on.
fn meet(faults: (Fault, Fault), from: u64) -> Pair {
    let mut pair = Pair {
        faults,
        met: None,
        tried: 0,
        failed: None,
    };
    let fitting = (from..).map(Scenario::of).filter(|s| fits(s, faults));
    for scenario in fitting.take(SEEDS as usize) {
        let seed = scenario.seed;
        pair.tried += 1;
        let judged = judge_scenario(with_only(scenario, faults), How::default());
        if !judged.violations.is_empty() {
            pair.failed = Some(Box::new(judged));
            return pair;
        }
        let fired = &judged.played.fired;
        if fired.of(faults.0) > 0 && fired.of(faults.1) > 0 {
            pair.met = Some(seed);
            return pair;
        }
    }
    pair
}

/// Whether the requests that these faults happen to are sent in a scenario. In calm ones nothing may
/// go wrong.
fn fits(scenario: &Scenario, faults: (Fault, Fault)) -> bool {
    let has = |fault| faults.0 == fault || faults.1 == fault;
    // Batches of keys are deleted by purges and sweeps.
    let deletes = |e: &(Duration, Event)| matches!(e.1, Event::Purge(_) | Event::Sweep(..));
    let batches = scenario.events.iter().any(deletes);
    scenario.theme != Theme::Calm && (batches || !has(Fault::PartialDelete))
}

/// The scenario with these two kinds of faults and no others.
fn with_only(mut scenario: Scenario, faults: (Fault, Fault)) -> Scenario {
    let mut dice = Dice::new(scenario.seed, 8);
    let has = |fault| faults.0 == fault || faults.1 == fault;
    scenario.plan = Plan::calm();
    for fault in [faults.0, faults.1] {
        let rates = (0..20).map(|_| Plan::draw(&mut dice).rate(fault));
        let high = rates.fold(0.0, f64::max);
        scenario.plan.set(fault, high);
    }
    scenario.modes.write_interval = has(Fault::TooSoon).then_some(S);
    scenario.modes.stale_lists = has(Fault::StaleList).then_some(10 * S);
    scenario.modes.hidden_retry = has(Fault::HiddenRetry);
    let cut = |e: &Event| matches!(e, Event::CutOut(..) | Event::CutBack(..));
    scenario.events.retain(|(_, event)| !cut(event));
    // Nor machines that draw the same random numbers.
    scenario.workers.iter_mut().for_each(|w| w.twin = None);
    for n in 0..scenario.workers.len() * 3 {
        let who = Who::Worker(n % scenario.workers.len());
        for (fault, event) in [
            (Fault::CutOut, Event::CutOut as fn(Who, Duration) -> Event),
            (Fault::CutBack, Event::CutBack),
        ] {
            let (at, length) = (dice.between(S, 60 * S), dice.between(5 * S, 30 * S));
            if has(fault) && at < scenario.quiet_at {
                scenario.events.push((at, event(who, length)));
            }
        }
    }
    scenario.events.sort_by_key(|(at, _)| *at);
    scenario
}
