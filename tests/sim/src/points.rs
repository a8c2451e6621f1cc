//! Crash points: a small fixed scenario with everything in it that the protocol does, played once for
//! every moment at which a process could die in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oq_core::testing::sim_store::{Modes, Plan};

use crate::play::{How, play};
use crate::scenario::{Event, Kind, MS, Machine, S, Scenario, Script, Submission, Theme, Who};
use crate::sweep::{Judged, judge_scenario};

/// The process whose death is tried: the worker, or the producer.
pub const WHO: [Who; 2] = [Who::Worker(0), Who::Producer(0)];

/// A worker and a producer; tasks that complete at once, run for longer than it takes to renew a
/// lease, fail for a while and for good, answer "later", come in a pack, expire, are cancelled before
/// and while they run, and stand under a key that is used twice.
pub fn scenario(kind: Kind) -> Scenario {
    let mut s = Scenario {
        seed: 1,
        kind,
        theme: Theme::Mixed,
        modes: Modes::default(),
        plan: Plan::calm(),
        queues: 1,
        workers: vec![machine()],
        producers: vec![machine()],
        foreign: false,
        submissions: Vec::new(),
        scripts: Vec::new(),
        crash: None,
        events: vec![(Duration::ZERO, Event::Start(0))],
        quiet_at: 60 * S,
        idle: 10 * S,
    };
    let quick = Script {
        run: 50 * MS,
        ..Script::default()
    };
    let fails = |fail| Script { fail, ..quick };
    s.add(500 * MS, &[quick], |_| {});
    s.add(
        600 * MS,
        &[Script {
            run: 12 * S,
            ..quick
        }],
        |_| {},
    );
    s.add(700 * MS, &[fails(1)], |_| {});
    s.add(800 * MS, &[fails(9)], |_| {});
    s.add(900 * MS, &[Script { later: 1, ..quick }], |_| {});
    s.add(
        1000 * MS,
        &[
            quick,
            fails(1),
            fails(9),
            Script {
                run: 6 * S,
                ..quick
            },
        ],
        |_| {},
    );
    s.add(1100 * MS, &[quick], |it| {
        (it.delay, it.expires_in) = (Some(20 * S), Some(5 * S))
    });
    let waits = s.add(1200 * MS, &[quick], |it| it.delay = Some(30 * S));
    s.events.push((3 * S, Event::Cancel(waits, 0)));
    let runs = Script {
        run: 20 * S,
        heeds_cancel: true,
        ..quick
    };
    let long = s.add(1300 * MS, &[runs], |_| {});
    s.events.push((5 * S, Event::Cancel(long, 0)));
    let keyed = s.add(1400 * MS, &[quick], |it| it.key = Some(1));
    s.events.push((1500 * MS, Event::Again(keyed)));
    s.events.push((20 * S, Event::Again(keyed)));
    let failed = s.add(1600 * MS, &[fails(9)], |it| it.key = Some(2));
    s.events.push((25 * S, Event::Retry(failed, 0)));
    s.events.sort_by_key(|(at, _)| *at);
    s
}

impl Scenario {
    fn add(&mut self, at: Duration, scripts: &[Script], change: impl Fn(&mut Submission)) -> usize {
        let first = self.scripts.len();
        self.scripts.extend(scripts);
        let mut submission = Submission {
            producer: 0,
            queue: 0,
            tasks: first..self.scripts.len(),
            delay: None,
            priority: 16,
            attempts: 3,
            retry_base: 200 * MS,
            lease: 15 * S,
            timeout: 300 * S,
            expires_in: None,
            key: None,
            retention: 24 * 3600 * S,
        };
        change(&mut submission);
        self.submissions.push(submission);
        let n = self.submissions.len() - 1;
        self.events.push((at, Event::Submit(n)));
        n
    }
}

fn machine() -> Machine {
    Machine {
        newer: false,
        twin: None,
        concurrency: 8,
        drift_ppm: 0,
        poll: 2 * S,
        grace: 5 * S,
    }
}

/// How often the first process of this machine goes on when nothing happens to it. Each time is a
/// point at which it can die: before a request is sent, when its answer arrives, when a sleep ends.
pub fn count(kind: Kind, who: Who) -> u64 {
    let run = play(scenario(kind), How::default());
    // The producer was there first.
    let id = match who {
        Who::Producer(n) => n as u16 + 1,
        Who::Worker(n) => (run.scenario.producers.len() + n) as u16 + 1,
    };
    run.steps.get(&id).copied().unwrap_or(0)
}

/// The run in which the process dies at this point.
pub fn crash(kind: Kind, who: Who, point: u64) -> Judged {
    let mut scenario = scenario(kind);
    scenario.crash = Some((who, point));
    judge_scenario(scenario, How::default())
}

/// The runs in which the process dies at the first point and each `apart` behind it; those that failed
/// with their points.
pub fn all(kind: Kind, who: Who, apart: u64, threads: usize) -> (u64, Vec<(u64, Judged)>) {
    let points = count(kind, who);
    let (next, failed) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let point = next.fetch_add(apart, Ordering::Relaxed);
                    if point > points {
                        return;
                    }
                    let judged = crash(kind, who, point);
                    if !judged.violations.is_empty() || !died(&judged) {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.push((point, judged));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    (points, failed)
}

/// Whether a process died in this run, once.
pub fn died(judged: &Judged) -> bool {
    let troubles = judged.played.observed.troubles.iter();
    let crashed = troubles.filter(|t| t.what.name().ends_with("crashed"));
    crashed.count() == 1
}
