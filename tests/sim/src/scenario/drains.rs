//! Machines that drain instead of staying, handlers that starve their process, and deletions that
//! somebody undoes. Drawn with dice of its own.

use std::time::Duration;

use oq_core::testing::sim_entropy::Dice;

use super::{Event, Kind, MS, S, Scenario};

/// How a machine drains.
#[derive(Debug, Clone, Copy)]
pub struct Draining {
    /// Everything that is due, not only what it is told of.
    pub looks: bool,
    pub within: Option<Duration>,
    pub linger: Duration,
    pub max_tasks: Option<u64>,
    pub sweeps: bool,
    /// From one drain to the next.
    pub pause: Duration,
    /// The machine is frozen in between.
    pub frozen: bool,
}

impl Scenario {
    pub(super) fn draw_drains(&mut self, d: &mut Dice) {
        let (drains, starves) = (d.chance(0.35), d.chance(0.3));
        for machine in &mut self.workers {
            let how = draining(d);
            let drained = drains && d.chance(0.6) && self.kind == Kind::Real;
            machine.drain = drained.then_some(how);
        }
        for _ in 0..if starves { d.range(1, 4) } else { 0 } {
            let n = d.below(self.workers.len() as u64) as usize;
            let (at, length) = (d.between(S, self.quiet_at), d.log_between(3 * S, 120 * S));
            self.events.push((at, Event::Starve(n, length)));
        }
        for _ in 0..if d.chance(0.12) { d.range(1, 3) } else { 0 } {
            let at = d.between(20 * S, self.quiet_at);
            self.events.push((at, Event::Undelete));
        }
    }
}

fn draining(d: &mut Dice) -> Draining {
    Draining {
        looks: d.chance(0.6),
        within: d.chance(0.7).then(|| d.between(20 * S, 60 * S)),
        linger: if d.chance(0.4) {
            d.between(100 * MS, 8 * S)
        } else {
            Duration::ZERO
        },
        max_tasks: d.chance(0.25).then(|| d.range(1, 6)),
        sweeps: d.chance(0.3),
        pause: d.log_between(500 * MS, 15 * S),
        frozen: d.chance(0.5),
    }
}
