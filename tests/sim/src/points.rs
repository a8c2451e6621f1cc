//! Crash points: for each operation of the protocol a scenario of a few seconds, played once for every
//! moment at which a process could die in it: before a request is sent, when its answer arrives, when
//! a sleep ends. Between two of these a process waits for nothing outside of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oq_core::testing::sim_store::{Modes, Plan};

use crate::play::{How, Played, play};
use crate::scenario::{
    Draining, Event, Kind, MS, Machine, S, Scenario, Script, Submission, Theme, Who,
};
use crate::sweep::{Judged, judge_scenario};

const WORKER: Who = Who::Worker(0);
const PRODUCER: Who = Who::Producer(0);

/// One operation, and who dies over it.
#[derive(Debug, Clone)]
pub struct Operation {
    pub name: &'static str,
    pub who: Who,
    pub scenario: Scenario,
    /// It begins with this event of the scenario.
    begins: usize,
}

/// Every operation, for oq's own worker and for the small one where that has it.
pub fn operations() -> Vec<Operation> {
    let quick = Script {
        run: 50 * MS,
        ..Script::default()
    };
    let fails = |fail| Script { fail, ..quick };
    let runs = |run| Script {
        run,
        heeds_cancel: true,
        ..quick
    };
    let loaded = Script {
        load: 100,
        result: 100,
        ..quick
    };
    let mut all = vec![
        of("submit", PRODUCER, 2 * S, |s| s.task(S, quick, |_| {})),
        of("submit a pack", PRODUCER, 2 * S, |s| {
            s.add(S, &[quick, quick, quick], |_| {});
            1
        }),
        of("submit under a key, twice", PRODUCER, 3 * S, |s| {
            let keyed = s.add(S, &[quick], |it| it.key = Some(1));
            s.then(1050 * MS, Event::Again(keyed));
            1
        }),
        of(
            "submit under a key whose task failed",
            PRODUCER,
            6 * S,
            |s| {
                let failed = s.add(S, &[fails(9)], |it| (it.key, it.attempts) = (Some(1), 1));
                s.then(4 * S, Event::Again(failed));
                2
            },
        ),
        of("cancel what waits", PRODUCER, 3 * S, |s| {
            let waits = s.add(S, &[quick], |it| it.delay = Some(30 * S));
            s.then(2 * S, Event::Cancel(waits, 0));
            2
        }),
        of("cancel what runs", PRODUCER, 4 * S, |s| {
            let runs = s.add(S, &[runs(8 * S)], |_| {});
            s.then(3 * S, Event::Cancel(runs, 0));
            2
        }),
        of("try a failed task again", PRODUCER, 6 * S, |s| {
            let failed = s.add(S, &[fails(1)], |it| it.attempts = 1);
            s.then(4 * S, Event::Retry(failed, 0));
            2
        }),
        of("purge", PRODUCER, 5 * S, |s| {
            for n in 0..3 {
                s.task(S + n * 10 * MS, quick, |it| it.delay = Some(60 * S));
            }
            s.then(2 * S, Event::Purge(0));
            4
        }),
        of("begin", WORKER, S, |_| 0),
        of("drain", WORKER, 4 * S, |s| {
            s.workers[0].drain = Some(drains(true));
            s.add(S, &[quick, fails(1)], |it| it.attempts = 2);
            1
        }),
        of("drain what it is told of", WORKER, 5 * S, |s| {
            s.workers[0].drain = Some(drains(false));
            for n in 0..3 {
                s.task(S + n * 10 * MS, quick, |_| {});
            }
            3
        }),
        of("give back at the end of a drain", WORKER, 20 * S, |s| {
            s.workers[0].drain = Some(drains(true));
            s.task(S, runs(30 * S), |_| {})
        }),
        of("submit what is too long", PRODUCER, 2 * S, |s| {
            s.inline = Some(8);
            s.add(S, &[loaded, loaded], |_| {});
            1
        }),
        of("run what is too long", WORKER, 3 * S, |s| {
            s.inline = Some(8);
            s.task(S, loaded, |_| {})
        }),
        of("save and go on", WORKER, 14 * S, |s| {
            let script = Script {
                run: 3 * S,
                fail: 1,
                steps: 4,
                flushes: true,
                ..quick
            };
            s.task(S, script, |_| {})
        }),
    ];
    for kind in [Kind::Real, Kind::Small] {
        let of = |name, until, set: &dyn Fn(&mut Scenario) -> usize| {
            let mut it = of(name, WORKER, until, set);
            it.scenario.kind = kind;
            it
        };
        all.extend([
            of("claim, run, finish", 3 * S, &|s| s.task(S, quick, |_| {})),
            of("claim, run, finish a pack", 3 * S, &|s| {
                s.add(S, &[quick, fails(1), fails(9)], |it| it.attempts = 2);
                1
            }),
            of("renew", 13 * S, &|s| s.task(S, runs(11 * S), |_| {})),
            of("try again", 4 * S, &|s| s.task(S, fails(1), |_| {})),
            of("come again later", 4 * S, &|s| {
                s.task(S, Script { later: 1, ..quick }, |_| {})
            }),
            of("fail for good", 3 * S, &|s| {
                s.task(S, fails(9), |it| it.attempts = 1)
            }),
            of("expire", 8 * S, &|s| {
                s.task(S, quick, |it| {
                    (it.delay, it.expires_in) = (Some(4 * S), Some(2 * S))
                })
            }),
            of("learn of a cancellation", 8 * S, &|s| {
                let long = s.add(S, &[runs(20 * S)], |_| {});
                s.then(2 * S, Event::Cancel(long, 0));
                2
            }),
            of("give back", 12 * S, &|s| {
                s.task(S, runs(20 * S), |_| {});
                s.then(3 * S, Event::Stop(0));
                2
            }),
        ]);
        // The first worker dies with a task; who dies over the take-over is the second.
        let mut it = of("take over", 27 * S, &|s| {
            s.workers.push(machine());
            s.task(S, runs(2 * S), |_| {});
            s.then(2 * S, Event::Crash(0));
            s.then(18 * S, Event::Start(1));
            3
        });
        it.who = Who::Worker(1);
        all.push(it);
    }
    all
}

/// An operation that is over at `until`; `set` sets the scene and says with which event it begins.
fn of(
    name: &'static str,
    who: Who,
    until: Duration,
    set: impl Fn(&mut Scenario) -> usize,
) -> Operation {
    let mut scenario = Scenario {
        seed: 1,
        kind: Kind::Real,
        theme: Theme::Mixed,
        modes: Modes::default(),
        plan: Plan::calm(),
        queues: 1,
        workers: vec![machine()],
        producers: vec![machine()],
        foreign: false,
        submissions: Vec::new(),
        scripts: Vec::new(),
        inline: None,
        crash: None,
        events: vec![(Duration::ZERO, Event::Start(0))],
        quiet_at: until,
        idle: 10 * S,
    };
    let begins = set(&mut scenario);
    Operation {
        name,
        who,
        scenario,
        begins,
    }
}

impl Scenario {
    /// A lone task; says that the operation begins with its submission.
    fn task(&mut self, at: Duration, script: Script, change: impl Fn(&mut Submission)) -> usize {
        self.add(at, &[script], change);
        1
    }

    fn then(&mut self, at: Duration, event: Event) {
        self.events.push((at, event));
    }

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

fn drains(looks: bool) -> Draining {
    Draining {
        looks,
        within: Some(20 * S),
        linger: S,
        max_tasks: None,
        sweeps: true,
        pause: 500 * MS,
        frozen: false,
    }
}

fn machine() -> Machine {
    Machine {
        newer: false,
        twin: None,
        drain: None,
        concurrency: 8,
        drift_ppm: 0,
        poll: 2 * S,
        grace: 5 * S,
    }
}

impl Operation {
    /// The process that dies: producers were there first.
    fn process(&self) -> u16 {
        match self.who {
            Who::Producer(n) => n as u16 + 1,
            Who::Worker(n) => (self.scenario.producers.len() + n) as u16 + 1,
        }
    }

    /// The points of the operation: how often the process had gone on when it began, and when it was
    /// over.
    fn points(&self) -> (u64, u64) {
        let run = play(self.scenario.clone(), How::default());
        let at = |steps: Option<&std::collections::BTreeMap<u16, u64>>| {
            steps
                .and_then(|s| s.get(&self.process()))
                .copied()
                .unwrap_or(0)
        };
        (at(run.steps.get(self.begins)) + 1, at(run.steps.last()))
    }

    /// The run in which the process dies at this point.
    pub fn crash(&self, point: u64) -> Judged {
        let mut scenario = self.scenario.clone();
        scenario.crash = Some((self.who, point));
        judge_scenario(scenario, How::default())
    }
}

/// What came of the deaths in one operation.
#[derive(Debug)]
pub struct Tried {
    pub operation: Operation,
    pub points: u64,
    /// Runs that failed, with their points.
    pub failed: Vec<(u64, Judged)>,
}

/// Tries every point of every operation, on so many threads.
pub fn all(threads: usize) -> Vec<Tried> {
    operations()
        .into_iter()
        .map(|operation| tried(operation, threads))
        .collect()
}

fn tried(operation: Operation, threads: usize) -> Tried {
    let (first, last) = operation.points();
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let point = next.fetch_add(1, Ordering::Relaxed);
                    if point > last {
                        return;
                    }
                    let judged = operation.crash(point);
                    if !judged.violations.is_empty() || !died(&judged.played, &operation) {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.push((point, judged));
                    }
                }
            });
        }
    });
    Tried {
        points: (last + 1).saturating_sub(first),
        failed: failed.into_inner().unwrap_or_else(PoisonError::into_inner),
        operation,
    }
}

/// Whether the process died in this run, once.
fn died(run: &Played, operation: &Operation) -> bool {
    let mut troubles = run.observed.troubles.iter();
    let crashed = |t: &&crate::observe::Trouble| t.what.name().ends_with("crashed");
    let process = operation.process();
    let mine = |t: &&crate::observe::Trouble| crashed(t) && t.client == process;
    troubles.by_ref().filter(mine).count() == 1
}
