//! Many seeds, on all cores: one thread and one runtime for each.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::{Fault, Fired};

use crate::check::{Violation, check};
use crate::observe::What;
use crate::play::{How, Played, play};
use crate::scenario::Scenario;

/// What one seed came to.
#[derive(Debug)]
pub struct Judged {
    pub seed: u64,
    pub violations: Vec<Violation>,
    pub played: Played,
}

/// Plays and judges one seed.
pub fn judge(seed: u64, how: How) -> Judged {
    let played = play(Scenario::of(seed), how);
    let violations = check(&played);
    Judged {
        seed,
        violations,
        played,
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
    pub troubles: BTreeMap<&'static str, u64>,
    pub starts: u64,
    pub writes: u64,
    pub requests: u64,
    pub virtual_time: Duration,
    pub slowest_recovery: Duration,
}

impl Summary {
    fn add(&mut self, one: &Judged) {
        let run = &one.played;
        self.seeds += 1;
        self.fired.add(&run.fired);
        self.faults.push(run.fired.total());
        self.starts += run.observed.starts.len() as u64;
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
        let planned = |f: &&Fault| !matches!(f, Fault::Stale | Fault::HiddenRetry);
        let mut never: Vec<_> = Fault::ALL
            .iter()
            .filter(planned)
            .filter(|f| self.fired.of(**f) == 0)
            .map(|f| f.name())
            .collect();
        never.extend(
            What::NAMES
                .iter()
                .filter(|n| !self.troubles.contains_key(*n)),
        );
        never
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
    /// Stop at the first seed that fails.
    pub first_only: bool,
}

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
                    let judged = catch_unwind(AssertUnwindSafe(|| judge(seed, how)));
                    let mut summary = summary.lock().expect("no thread panics with the lock");
                    let Ok(judged) = judged else {
                        summary
                            .failed
                            .insert(seed, vec!["I23: the simulation itself panicked".into()]);
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
