//! Draws machines, work and trouble from a seed.

use std::time::Duration;

use oq_core::testing::sim_entropy::Dice;

use super::{Event, Kind, MS, Machine, S, Scenario, Script, Submission, Who};

impl Scenario {
    /// Draws everything but what the theme adds.
    pub(super) fn draw(&mut self, d: &mut Dice) {
        for _ in 0..d.range(1, 6) {
            self.workers.push(machine(d));
        }
        for _ in 0..d.range(1, 3) {
            self.producers.push(machine(d));
        }
        self.draw_work(d);
        self.draw_trouble(d);
        self.draw_operators(d);
        self.draw_machines(d);
    }

    /// Machines that are not like the others.
    fn draw_machines(&mut self, d: &mut Dice) {
        let (versions, clones) = (d.chance(0.25), d.chance(0.1));
        for machine in self.workers.iter_mut().chain(&mut self.producers) {
            machine.newer = versions && d.chance(0.5);
        }
        for n in 1..self.workers.len() {
            let twin = d.below(n as u64) as usize;
            self.workers[n].twin = (clones && d.chance(0.7)).then_some(twin);
        }
    }

    fn draw_operators(&mut self, d: &mut Dice) {
        if self.kind == Kind::Real && d.chance(0.1) {
            let queue = d.below(self.queues as u64) as usize;
            let at = d.between(20 * S, self.quiet_at);
            self.events.push((at, Event::Purge(queue)));
        }
        for _ in 0..if d.chance(0.3) { d.range(1, 4) } else { 0 } {
            let queue = d.below(self.queues as u64) as usize;
            let at = d.between(S, self.quiet_at);
            self.events.push((at, Event::List(queue, d.chance(0.5))));
        }
        if d.chance(0.15) {
            let queue = d.below(self.queues as u64) as usize;
            let at = d.between(S, self.quiet_at);
            let priority = if d.chance(0.5) { 16 } else { d.below(32) as u8 };
            self.events.push((at, Event::CancelMany(queue, priority)));
        }
        for _ in 0..if d.chance(0.2) { d.range(1, 3) } else { 0 } {
            self.events
                .push((d.between(S, self.quiet_at), Event::Vanish));
        }
        for queue in 0..self.queues {
            if d.chance(0.15) {
                let at = d.between(Duration::ZERO, self.quiet_at);
                self.events
                    .push((at, Event::Shards(queue, d.range(1, 40) as u16)));
            }
            if d.chance(0.12) {
                let at = d.between(Duration::ZERO, self.quiet_at.mul_f64(0.7));
                let length = d.between(S, self.quiet_at - at);
                self.events.push((at, Event::Pause(queue, length)));
            }
        }
    }

    fn draw_work(&mut self, d: &mut Dice) {
        let poisonous = d.chance(0.3);
        let keyed = d.chance(0.4);
        let objects = d.range(1, 24);
        let burst = d.chance(0.25);
        let busy = if burst { S } else { self.quiet_at.mul_f64(0.7) };
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
                retention: 24 * 3600 * S,
            });
            self.events.push((at, Event::Submit(n)));
            if key.is_some() && d.chance(0.5) {
                let later = d.log_between(MS, 60 * S);
                self.events.push((at + later, Event::Again(n)));
            }
            for index in 0..count as usize {
                if d.chance(0.12) {
                    let later = d.log_between(50 * MS, 60 * S);
                    self.events.push((at + later, Event::Cancel(n, index)));
                }
                if d.chance(0.1) {
                    self.events
                        .push((at + d.between(S, 9 * S), Event::Wait(n, index)));
                }
                if d.chance(0.08) {
                    let later = d.between(S, 120 * S);
                    self.events.push((at + later, Event::Retry(n, index)));
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
            if d.chance(0.3) {
                let later = d.log_between(MS, 10 * S);
                self.events.push((at + later, Event::Kill(n)));
            }
            self.events
                .push((at + d.between(S, 40 * S), Event::Start(n)));
        }
        for _ in 0..if d.chance(0.4) { d.range(1, 3) } else { 0 } {
            if p > 1 {
                let n = 1 + worker(d, p - 1);
                self.events.push((moment(d, quiet), Event::Bereave(n)));
            }
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
}

fn machine(d: &mut Dice) -> Machine {
    let drifts = d.chance(0.5);
    let ppm = d.range(0, 20_000) as i64 - 10_000;
    Machine {
        newer: false,
        twin: None,
        drain: None,
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
        ..Script::default()
    }
}
