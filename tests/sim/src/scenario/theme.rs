//! What each theme changes of what was drawn.

use std::time::Duration;

use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Fault, Plan};

use super::{Event, Kind, MS, S, Scenario, Script, Submission, Theme, Who};

impl Theme {
    /// Half of the seeds are mixed.
    pub(super) fn draw(d: &mut Dice) -> Theme {
        match d.below(40) {
            0..=15 => Theme::Mixed,
            16..=18 => Theme::Relapse,
            19..=24 => Theme::Late,
            25..=27 => Theme::Cancels,
            28..=32 => Theme::CutOff,
            33..=35 => Theme::Storm,
            36..=38 => Theme::Calm,
            _ => Theme::Long,
        }
    }
}

impl Scenario {
    /// Changes what was drawn to fit the theme.
    pub(super) fn apply_theme(&mut self, d: &mut Dice) {
        match self.theme {
            Theme::Mixed => {}
            Theme::Late => self.late(d),
            Theme::Cancels => self.cancels(d),
            Theme::CutOff => self.cut_off(d),
            Theme::Storm => self.storm(),
            Theme::Calm => self.calm(d),
            Theme::Long => self.long(d),
            Theme::Relapse => self.relapse(d),
        }
        if self.kind == Kind::Small {
            // It knows nothing of purges.
            self.events.retain(|(_, e)| !matches!(e, Event::Purge(_)));
        }
    }

    fn late(&mut self, d: &mut Dice) {
        if d.chance(0.7) {
            self.kind = Kind::Small;
        }
        self.plan.set(Fault::Zombie, 0.1);
        self.plan.set(Fault::Duplicate, 0.4);
        self.plan.set(Fault::SlowRead, 0.25);
        self.plan.set(Fault::SlowRequest, 0.15);
        if d.chance(0.5) {
            // Reads are slow, but answered.
            for fault in [
                Fault::ThrottleStorm,
                Fault::Denied,
                Fault::ReadError,
                Fault::LostRequest,
                Fault::SlowAnswer,
            ] {
                self.plan.set(fault, 0.0);
            }
        }
        for script in &mut self.scripts {
            script.run = d.log_between(MS, S);
            script.poison = false;
        }
        for submission in &mut self.submissions {
            submission.delay = None;
        }
        for machine in &mut self.workers {
            machine.concurrency = 6;
            machine.poll = d.between(50 * MS, 3 * S);
        }
    }

    fn cancels(&mut self, d: &mut Dice) {
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

    fn cut_off(&mut self, d: &mut Dice) {
        for script in self.scripts.iter_mut().step_by(2) {
            script.run = d.between(10 * S, 60 * S);
        }
        for n in 0..self.workers.len() * 3 {
            let who = Who::Worker(n % self.workers.len());
            let (at, length) = (d.between(S, self.quiet_at), d.between(5 * S, 60 * S));
            let event = if d.chance(0.5) {
                Event::CutOut(who, length)
            } else {
                Event::CutBack(who, length)
            };
            self.events.push((at, event));
        }
    }

    fn storm(&mut self) {
        self.plan.set(Fault::ThrottleStorm, 0.01);
        self.plan.set(Fault::Refused, 0.4);
        self.plan.set(Fault::LostRequest, 0.1);
        for script in self.scripts.iter_mut().step_by(2) {
            script.fail = 5;
        }
    }

    fn calm(&mut self, d: &mut Dice) {
        self.kind = Kind::Real;
        self.plan = Plan::calm();
        self.modes.write_interval = None;
        self.modes.stale_lists = None;
        self.foreign = false;
        for machine in &mut self.workers {
            (machine.twin, machine.drain) = (None, None);
        }
        self.events.retain(|(_, e)| {
            let trouble = matches!(
                e,
                Event::Crash(_)
                    | Event::Stop(_)
                    | Event::Stall(..)
                    | Event::Starve(..)
                    | Event::Undelete
                    | Event::CutOut(..)
                    | Event::CutBack(..)
                    | Event::Shards(..)
                    | Event::Kill(_)
                    | Event::Bereave(_)
                    | Event::Vanish
                    | Event::Purge(_)
            );
            !trouble
        });
        // Workers that come or go move shards about; when that is over it is known who looks where.
        let settled = 100 * S;
        // Few shards and short pages, so that tasks that wait stand in the way of others. Or many, and
        // few soon after, when producers have not yet heard of it.
        let shrinks = d.chance(0.3);
        for queue in 0..self.queues {
            if shrinks {
                let shards = d.range(12, 32) as u16;
                self.events
                    .push((Duration::ZERO, Event::Shards(queue, shards)));
                let at = settled + d.between(2 * S, 30 * S);
                self.events.push((at, Event::Shrink(queue)));
                continue;
            }
            let shards = if d.chance(0.7) {
                1
            } else {
                d.range(2, 3) as u16
            };
            self.events
                .push((Duration::ZERO, Event::Shards(queue, shards)));
        }
        if d.chance(0.6) {
            self.modes.page_limit = Some(d.range(2, 6) as u16);
        }
        for script in &mut self.scripts {
            script.run = d.between(MS, 500 * MS);
            script.poison = false;
        }
        for machine in &mut self.workers {
            machine.concurrency = 60;
        }
        self.quiet_at = d.between(200 * S, 400 * S);
        for (at, event) in &mut self.events {
            *at = match event {
                Event::Start(_) | Event::Shards(..) => Duration::ZERO,
                Event::Pause(..) | Event::Shrink(_) => *at,
                _ => settled + Duration::from_millis(at.as_millis() as u64 % 60_000),
            };
        }
        self.submit_while_it_shrinks(d);
        for submission in &mut self.submissions {
            // Only for what is due within half a minute the owner is told of it.
            submission.delay = match d.below(4) {
                0 | 1 => None,
                2 => Some(d.between(30 * S, 100 * S)),
                _ => Some(d.between(5 * S, 29 * S)),
            };
            if submission.delay.is_some() {
                submission.priority = d.below(16) as u8;
            }
        }
        if !shrinks && d.chance(0.2) {
            self.submit_more_than_a_ring_names(settled, d);
        }
    }

    /// So many tasks at once, each with an object of its own, that their ring names none: the shard is
    /// listed, over several pages of what is not due yet.
    fn submit_more_than_a_ring_names(&mut self, settled: Duration, d: &mut Dice) {
        let at = settled + d.between(S, 60 * S);
        let priority = d.below(16) as u8;
        for _ in 0..d.range(70, 100) {
            let tasks = self.scripts.len()..self.scripts.len() + 1;
            self.scripts.push(Script {
                run: d.between(MS, 100 * MS),
                ..Script::default()
            });
            self.events
                .push((at, Event::Submit(self.submissions.len())));
            self.submissions.push(Submission {
                tasks,
                delay: Some(d.between(5 * S, 29 * S)),
                priority,
                queue: 0,
                key: None,
                expires_in: None,
                ..self.submissions[0].clone()
            });
        }
    }

    /// Other producers than the operators' submit just after a queue has shrunk, of which they have
    /// not heard.
    fn submit_while_it_shrinks(&mut self, d: &mut Dice) {
        let shrinks: Vec<(Duration, usize)> = self
            .events
            .iter()
            .filter_map(|(at, e)| match e {
                Event::Shrink(queue) => Some((*at, *queue)),
                _ => None,
            })
            .collect();
        if shrinks.is_empty() {
            return;
        }
        if self.producers.len() < 2 {
            let second = self.producers[0].clone();
            self.producers.push(second);
        }
        let last = self.producers.len() - 1;
        for (at, event) in &mut self.events {
            let Event::Submit(n) = *event else { continue };
            let submission = &mut self.submissions[n];
            let shrunk = shrinks.iter().find(|(_, queue)| *queue == submission.queue);
            if let Some((shrunk, _)) = shrunk.filter(|_| d.chance(0.7)) {
                submission.producer = last;
                // It has read the settings just before.
                let before = n.is_multiple_of(4);
                *at = match before {
                    true => *shrunk - d.between(MS, S),
                    false => *shrunk + d.between(S, 12 * S),
                };
            }
        }
    }

    fn long(&mut self, d: &mut Dice) {
        // Everything is submitted and mostly done within seconds; then the workers die, and for an
        // hour and more nobody is there.
        let awake = d.between(5 * S, 12 * S);
        self.events
            .retain(|(_, e)| matches!(e, Event::Submit(_) | Event::Start(_)));
        for (at, event) in &mut self.events {
            *at = match event {
                Event::Submit(_) => d.between(2 * S, 6 * S),
                _ => Duration::ZERO,
            };
        }
        for submission in &mut self.submissions {
            submission.delay = None;
            submission.expires_in = None;
            submission.retention = 3600 * S;
        }
        for script in &mut self.scripts {
            script.run = d.log_between(MS, 3 * S);
            script.poison = false;
        }
        for machine in &mut self.workers {
            machine.poll = d.between(50 * MS, S);
        }
        // Most of what is over is still there when they die.
        self.plan.set(Fault::DeleteError, 0.9);
        for n in 0..self.workers.len() {
            self.events.push((awake, Event::Crash(n)));
        }
        self.quiet_at = awake + d.between(3500 * S, 5400 * S);
        for queue in 0..self.queues {
            for before in [1, 30] {
                let at = self.quiet_at - before * S;
                self.events.push((at, Event::Sweep(queue, false)));
            }
        }
        self.idle = d.between(3600 * S, 3 * 3600 * S);
    }

    /// Leases are short and tasks long, so that there is always something to take over. Whoever
    /// does so dies soon after, and the store fails all the while.
    fn relapse(&mut self, d: &mut Dice) {
        self.kind = if d.chance(0.7) {
            Kind::Real
        } else {
            Kind::Small
        };
        for submission in &mut self.submissions {
            submission.lease = 15 * S;
            submission.delay = None;
        }
        for script in self.scripts.iter_mut().step_by(2) {
            script.run = d.between(5 * S, 30 * S);
        }
        let mut at = d.between(5 * S, 15 * S);
        while at < self.quiet_at {
            for n in 0..self.workers.len() {
                let dies = at + d.between(Duration::ZERO, 2 * S);
                self.events.push((dies, Event::Crash(n)));
                self.events
                    .push((dies + d.between(100 * MS, 3 * S), Event::Start(n)));
            }
            // A lease and its margin later what was left is taken over: then, or just after.
            at += 20 * S + d.log_between(50 * MS, 10 * S);
        }
    }
}
