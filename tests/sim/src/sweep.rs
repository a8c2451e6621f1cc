//! Many seeds, on all cores: one thread and one runtime for each.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::{Fault, Fired};

use crate::caught;
use crate::check::rest::share_of_budget;
use crate::check::{Violation, check};
use crate::observe::What;
use crate::play::{How, Played, play};
use crate::scenario::{Cut, Scenario};

/// What one seed came to.
#[derive(Debug)]
pub struct Judged {
    pub seed: u64,
    pub violations: Vec<Violation>,
    pub played: Played,
}

/// Plays and judges one seed.
pub fn judge(seed: u64, cut: &Cut, how: How) -> Judged {
    judge_scenario(Scenario::of(seed).without(cut), how)
}

/// Plays and judges a scenario.
pub fn judge_scenario(scenario: Scenario, how: How) -> Judged {
    let seed = scenario.seed;
    let played = play(scenario, how);
    let mut violations = check(&played);
    violations.extend(unfired(&played));
    Judged {
        seed,
        violations,
        played,
    }
}

/// Faults that this run planned and did not have.
fn unfired(run: &Played) -> Vec<Violation> {
    let never = |f: &&Fault| run.expected.of(**f) > EXPECTED && run.fired.of(**f) == 0;
    let what = |f: &Fault| {
        let (n, name) = (run.expected.of(*f), f.name());
        let what = format!("{n:.0} times {name:?} was to be expected, and it never happened");
        Violation::new("harness", None, run.ended, what)
    };
    Fault::ALL.iter().filter(never).map(what).collect()
}

/// I22: plays a seed once more, and says so if it runs in another way.
fn again(judged: &mut Judged, how: How) {
    let second = play(Scenario::of(judged.seed), how);
    if second.trace != judged.played.trace {
        let what = format!(
            "trace {:016x} the first time, {:016x} the second",
            judged.played.trace, second.trace
        );
        let at = judged.played.ended;
        judged
            .violations
            .push(Violation::new("I22", None, at, what));
    }
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    /// Seeds that failed, with what is wrong with them.
    pub failed: BTreeMap<u64, Vec<String>>,
    pub fired: Fired,
    /// How many faults each seed saw.
    pub faults: Vec<u64>,
    /// How many seeds saw each kind.
    pub hit: BTreeMap<Fault, u64>,
    /// Which kinds of faults happened in one run.
    pub met: BTreeSet<(Fault, Fault)>,
    /// Seeds that were played twice, to see whether they run the same way.
    pub played_twice: u64,
    /// Requests and objects whose history was judged.
    pub calls: u64,
    pub histories: u64,
    pub troubles: BTreeMap<&'static str, u64>,
    pub starts: u64,
    /// Handlers of one task that ran at one time, two and two: it may be, and is counted (I4).
    pub overlaps: u64,
    pub writes: u64,
    pub requests: u64,
    pub virtual_time: Duration,
    pub slowest_recovery: Duration,
    /// The largest part of its budget of requests that a seed needed.
    pub dearest: f64,
}

impl Summary {
    fn add(&mut self, one: &Judged) {
        let run = &one.played;
        self.seeds += 1;
        self.fired.add(&run.fired);
        self.faults.push(run.fired.total());
        self.calls += run
            .calls
            .by_key
            .values()
            .map(|c| c.len() as u64)
            .sum::<u64>();
        self.histories += run.calls.by_key.len() as u64;
        let fired = |f: &&Fault| run.fired.of(**f) > 0;
        let fired: Vec<Fault> = Fault::ALL.iter().filter(fired).copied().collect();
        for (n, a) in fired.iter().enumerate() {
            *self.hit.entry(*a).or_default() += 1;
            self.met.extend(fired[n + 1..].iter().map(|b| (*a, *b)));
        }
        self.starts += run.observed.starts.len() as u64;
        self.overlaps += run.observed.overlaps();
        self.dearest = self.dearest.max(share_of_budget(run));
        self.writes += run.log.len() as u64;
        self.requests += run
            .requests
            .values()
            .map(|r| r.get + r.put + r.list + r.delete)
            .sum::<u64>();
        self.virtual_time += run.ended;
        self.slowest_recovery = self.slowest_recovery.max(run.recovered.unwrap_or_default());
        for trouble in &run.observed.troubles {
            *self.troubles.entry(trouble.what.name()).or_default() += 1;
        }
        if !one.violations.is_empty() {
            let what = one.violations.iter().map(ToString::to_string).collect();
            self.failed.insert(one.seed, what);
        }
    }

    /// Kinds of faults that were planned and never happened: a harness that does not do what it
    /// says.
    pub fn never_fired(&self) -> Vec<&'static str> {
        let faults = Fault::ALL.iter().filter(|f| self.fired.of(**f) == 0);
        let mut never: Vec<_> = faults.map(|f| f.name()).collect();
        never.extend(
            What::NAMES
                .iter()
                .filter(|n| !self.troubles.contains_key(*n)),
        );
        never
    }

    /// Pairs of kinds of faults that never happened in one run.
    pub fn never_met(&self) -> Vec<(&'static str, &'static str)> {
        let all = Fault::ALL.iter().enumerate();
        let pairs = all.flat_map(|(n, a)| Fault::ALL[n + 1..].iter().map(move |b| (*a, *b)));
        pairs
            .filter(|pair| !self.met.contains(pair))
            .map(|(a, b)| (a.name(), b.name()))
            .collect()
    }

    /// How many seeds saw a kind of fault.
    pub fn hit_by(&self, fault: Fault) -> u64 {
        self.hit.get(&fault).copied().unwrap_or(0)
    }

    /// The median of faults a seed.
    pub fn median_faults(&self) -> u64 {
        let mut faults = self.faults.clone();
        faults.sort_unstable();
        faults.get(faults.len() / 2).copied().unwrap_or(0)
    }
}

/// Which seeds to run, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub from: u64,
    pub count: u64,
    pub mutant: Option<Mutant>,
    pub threads: usize,
    /// Stop at the first seed that fails; with a broken rule, at the first that shows it, see
    /// [`caught`].
    pub first_only: bool,
    /// Every so many-th seed is played twice and must run the same way; zero: none.
    pub twice_every: u64,
}

/// With so many of a kind of fault to be expected, a run without any did not do what it was told.
const EXPECTED: f64 = 30.0;

/// Runs many seeds. `failed` is told of each that fails, as it does.
pub fn sweep(plan: Plan, failed: impl Fn(&Judged) + Sync) -> Summary {
    let next = AtomicU64::new(plan.from);
    let enough = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|threads| {
        for _ in 0..plan.threads.max(1) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= plan.from + plan.count || enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let how = How {
                        mutant: plan.mutant,
                        story: false,
                    };
                    let twice = plan.twice_every > 0 && seed.is_multiple_of(plan.twice_every);
                    let judged = catch_unwind(AssertUnwindSafe(|| {
                        let mut judged = judge(seed, &Cut::default(), how);
                        if twice {
                            again(&mut judged, how);
                        }
                        if let Some(mutant) = plan.mutant.filter(|_| plan.first_only) {
                            let broken = std::mem::take(&mut judged.violations);
                            let without =
                                || judge(seed, &Cut::default(), How::default()).violations;
                            judged.violations = caught::showing(mutant, broken, without);
                        }
                        judged
                    }));
                    let mut summary = summary.lock().expect("no thread panics with the lock");
                    summary.played_twice += u64::from(twice);
                    let Ok(judged) = judged else {
                        if !(plan.first_only && plan.mutant.is_some()) {
                            let what = "I23: the simulation itself panicked";
                            summary.failed.insert(seed, vec![what.into()]);
                        }
                        continue;
                    };
                    summary.add(&judged);
                    drop(summary);
                    if !judged.violations.is_empty() {
                        failed(&judged);
                        enough.fetch_or(plan.first_only, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    summary
        .into_inner()
        .expect("no thread panics with the lock")
}

/// How many threads this machine runs at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
