//! What one seed says: which store, which machines, which tasks, and what happens when.

use std::time::Duration;

use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Fault, Modes, Plan};

/// One run, before it is played.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub kind: Kind,
    pub theme: Theme,
    pub modes: Modes,
    pub plan: Plan,
    pub queues: usize,
    pub workers: Vec<Machine>,
    pub producers: Vec<Machine>,
    pub submissions: Vec<Submission>,
    pub scripts: Vec<Script>,
    /// In the order of time.
    pub events: Vec<(Duration, Event)>,
    /// From here on nothing new goes wrong.
    pub quiet_at: Duration,
}

/// Which worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// oq's own.
    Real,
    /// One that stands on the protocol alone, see [`crate::small`].
    Small,
}

/// What a run has more of than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// A bit of everything.
    Mixed,
    /// Copies of writes that land late, and reads that take long.
    Late,
    /// Cancellations.
    Cancels,
    /// Workers that are cut off while they run long tasks.
    CutOff,
    /// A store that refuses a lot, and tasks that fail.
    Storm,
}

/// A machine and the program on it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub concurrency: usize,
    pub drift_ppm: i64,
    pub poll: Duration,
    pub grace: Duration,
}

/// One object that a producer submits.
#[derive(Debug, Clone)]
pub struct Submission {
    pub producer: usize,
    pub queue: usize,
    /// Indices into [`Scenario::scripts`].
    pub tasks: std::ops::Range<usize>,
    pub delay: Option<Duration>,
    pub priority: u8,
    pub attempts: u32,
    pub retry_base: Duration,
    pub lease: Duration,
    pub timeout: Duration,
    pub expires_in: Option<Duration>,
    /// The idempotency key.
    pub key: Option<u8>,
}

/// How the handler of one task behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Script {
    pub run: Duration,
    /// The first attempts that fail.
    pub fail: u32,
    /// How often it answers "later" first.
    pub later: u32,
    /// Its handler kills the worker, until the faults stop.
    pub poison: bool,
    /// It stops by itself when it is cancelled.
    pub heeds_cancel: bool,
}

/// Which machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Worker(usize),
    Producer(usize),
}

/// What happens at one moment.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A worker starts on this machine, unless one runs there.
    Start(usize),
    /// Its process dies.
    Crash(usize),
    /// It is asked to stop.
    Stop(usize),
    Stall(Who, Duration),
    CutOut(Who, Duration),
    CutBack(Who, Duration),
    Submit(usize),
    /// Somebody cancels a task of a submission.
    Cancel(usize, usize),
    /// Somebody looks a task of a submission up.
    Look(usize, usize),
}

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

impl Scenario {
    /// What this seed says.
    pub fn of(seed: u64) -> Scenario {
        let mut d = Dice::new(seed, 2);
        let calm = d.chance(0.15);
        let plan = Plan::draw(&mut d);
        let theme = match d.below(20) {
            0..=9 => Theme::Mixed,
            10..=12 => Theme::Late,
            13..=14 => Theme::Cancels,
            15..=17 => Theme::CutOff,
            _ => Theme::Storm,
        };
        let mut s = Scenario {
            seed,
            theme,
            kind: if d.chance(0.3) {
                Kind::Small
            } else {
                Kind::Real
            },
            modes: Modes::draw(&mut d),
            plan: if calm { Plan::calm() } else { plan },
            queues: if d.chance(0.3) { 2 } else { 1 },
            workers: Vec::new(),
            producers: Vec::new(),
            submissions: Vec::new(),
            scripts: Vec::new(),
            events: Vec::new(),
            quiet_at: d.between(60 * S, 360 * S),
        };
        for _ in 0..d.range(1, 6) {
            s.workers.push(machine(&mut d));
        }
        for _ in 0..d.range(1, 3) {
            s.producers.push(machine(&mut d));
        }
        s.draw_work(&mut d);
        s.draw_trouble(&mut d);
        s.apply_theme(&mut d);
        s.events.sort_by_key(|(at, _)| *at);
        s
    }

    /// How long it may take, once the faults have stopped, until everything is finished: three
    /// leases with their margins, the work that is left in the worst case, and some polls.
    pub fn time_to_recover(&self) -> Duration {
        let lease = self
            .submissions
            .iter()
            .map(|s| s.lease)
            .max()
            .unwrap_or_default();
        let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
        for submission in &self.submissions {
            for script in &self.scripts[submission.tasks.clone()] {
                let fails = script.fail.min(submission.attempts);
                let runs = script.run.min(submission.timeout) * (fails + 1)
                    + (script.run * 2 + S) * script.later;
                let waits = submission.retry_base * ((1 << fails) - 1);
                let expired = submission.delay.unwrap_or_default();
                sum += runs;
                longest = longest.max(runs * 4 + waits + expired);
            }
        }
        (lease + 5 * S) * 3 + sum / 4 + longest + 60 * S
    }

    fn draw_work(&mut self, d: &mut Dice) {
        let poisonous = d.chance(0.3);
        let keyed = d.chance(0.4);
        let objects = d.range(1, 24);
        let busy = self.quiet_at.mul_f64(0.7);
        for n in 0..objects as usize {
            let first = self.scripts.len();
            let count = if d.chance(0.3) { d.range(2, 10) } else { 1 };
            if first + count as usize > 60 {
                break;
            }
            for _ in 0..count {
                let mut script = script(d);
                script.poison = poisonous && d.chance(0.1);
                self.scripts.push(script);
            }
            let key = (keyed && count == 1 && d.chance(0.6)).then(|| d.below(3) as u8);
            let at = d.between(Duration::ZERO, busy);
            self.submissions.push(Submission {
                producer: d.below(self.producers.len() as u64) as usize,
                queue: d.below(self.queues as u64) as usize,
                tasks: first..self.scripts.len(),
                delay: d.chance(0.3).then(|| d.between(100 * MS, 60 * S)),
                priority: if d.chance(0.3) { d.below(32) as u8 } else { 16 },
                attempts: d.range(1, 5) as u32,
                retry_base: d.between(200 * MS, 5 * S),
                lease: d.between(15 * S, 40 * S),
                timeout: if d.chance(0.1) { 2 * S } else { 300 * S },
                expires_in: d.chance(0.1).then(|| d.between(5 * S, 90 * S)),
                key,
            });
            self.events.push((at, Event::Submit(n)));
            for index in 0..count as usize {
                if d.chance(0.12) {
                    let later = d.log_between(50 * MS, 60 * S);
                    self.events.push((at + later, Event::Cancel(n, index)));
                }
                for _ in 0..d.below(3) {
                    let later = d.log_between(50 * MS, 120 * S);
                    self.events.push((at + later, Event::Look(n, index)));
                }
            }
        }
    }

    fn draw_trouble(&mut self, d: &mut Dice) {
        for n in 0..self.workers.len() {
            let at = if d.chance(0.7) {
                Duration::ZERO
            } else {
                d.between(S, 60 * S)
            };
            self.events.push((at, Event::Start(n)));
        }
        let moment = |d: &mut Dice, quiet: Duration| d.between(S, quiet);
        let worker = |d: &mut Dice, n: usize| d.below(n as u64) as usize;
        let (w, p, quiet) = (self.workers.len(), self.producers.len(), self.quiet_at);
        for _ in 0..if d.chance(0.6) { d.range(1, 5) } else { 0 } {
            let (n, at) = (worker(d, w), moment(d, quiet));
            self.events.push((at, Event::Crash(n)));
            if d.chance(0.8) {
                self.events
                    .push((at + d.between(100 * MS, 20 * S), Event::Start(n)));
            }
        }
        for _ in 0..if d.chance(0.4) { d.range(1, 2) } else { 0 } {
            let (n, at) = (worker(d, w), moment(d, quiet));
            self.events.push((at, Event::Stop(n)));
            self.events
                .push((at + d.between(S, 40 * S), Event::Start(n)));
        }
        for _ in 0..if d.chance(0.5) { d.range(1, 3) } else { 0 } {
            let who = if d.chance(0.85) {
                Who::Worker(worker(d, w))
            } else {
                Who::Producer(worker(d, p))
            };
            let length = d.log_between(2 * S, 300 * S);
            self.events
                .push((moment(d, quiet), Event::Stall(who, length)));
        }
        for _ in 0..if d.chance(0.4) { d.range(1, 3) } else { 0 } {
            let who = if d.chance(0.8) {
                Who::Worker(worker(d, w))
            } else {
                Who::Producer(worker(d, p))
            };
            let (at, length) = (moment(d, quiet), d.log_between(S, 60 * S));
            let event = if d.chance(0.5) {
                Event::CutOut(who, length)
            } else {
                Event::CutBack(who, length)
            };
            self.events.push((at, event));
        }
    }

    fn apply_theme(&mut self, d: &mut Dice) {
        let quiet = self.quiet_at;
        match self.theme {
            Theme::Mixed => {}
            Theme::Late => {
                self.plan.set(Fault::Zombie, 0.15);
                self.plan.set(Fault::Duplicate, 0.3);
                self.plan.set(Fault::SlowRead, 0.1);
                for script in self.scripts.iter_mut().step_by(2) {
                    script.run = d.log_between(MS, S);
                }
                for machine in &mut self.workers {
                    machine.poll = d.between(50 * MS, 500 * MS);
                }
            }
            Theme::Cancels => {
                for n in 0..self.submissions.len() {
                    let at = |(_, e): &&(Duration, Event)| matches!(e, Event::Submit(m) if *m == n);
                    let Some((at, _)) = self.events.iter().find(at).copied() else {
                        continue;
                    };
                    for index in 0..self.submissions[n].tasks.len() {
                        if d.chance(0.5) {
                            let later = d.log_between(50 * MS, 30 * S);
                            self.events.push((at + later, Event::Cancel(n, index)));
                        }
                    }
                }
            }
            Theme::CutOff => {
                for script in self.scripts.iter_mut().step_by(2) {
                    script.run = d.between(10 * S, 60 * S);
                }
                for n in 0..self.workers.len() * 3 {
                    let who = Who::Worker(n % self.workers.len());
                    let (at, length) = (d.between(S, quiet), d.between(5 * S, 60 * S));
                    let out = d.chance(0.5);
                    let event = if out {
                        Event::CutOut(who, length)
                    } else {
                        Event::CutBack(who, length)
                    };
                    self.events.push((at, event));
                }
            }
            Theme::Storm => {
                self.plan.set(Fault::ThrottleStorm, 0.01);
                self.plan.set(Fault::Refused, 0.4);
                self.plan.set(Fault::LostRequest, 0.1);
                for script in self.scripts.iter_mut().step_by(2) {
                    script.fail = 5;
                }
            }
        }
    }
}

fn machine(d: &mut Dice) -> Machine {
    let drifts = d.chance(0.5);
    let ppm = d.range(0, 20_000) as i64 - 10_000;
    Machine {
        concurrency: d.range(1, 6) as usize,
        drift_ppm: if drifts { ppm } else { 0 },
        poll: d.between(500 * MS, 2 * S),
        grace: d.between(S, 30 * S),
    }
}

fn script(d: &mut Dice) -> Script {
    let run = match d.below(10) {
        0..=5 => d.log_between(10 * MS, 3 * S),
        6..=7 => d.between(3 * S, 15 * S),
        _ => d.between(15 * S, 60 * S),
    };
    Script {
        run,
        fail: if d.chance(0.25) {
            d.range(1, 4) as u32
        } else {
            0
        },
        later: if d.chance(0.1) {
            d.range(1, 2) as u32
        } else {
            0
        },
        poison: false,
        heeds_cancel: d.chance(0.5),
    }
}
