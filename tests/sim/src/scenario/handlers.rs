//! What handlers do besides running for a while, and what they are given and return. Drawn with dice
//! of its own: all the rest of a seed is as it is without.

use oq_core::testing::sim_entropy::Dice;

use super::{Event, S, Scenario, Script, Way};

impl Scenario {
    /// Draws what handlers do, and how much their tasks carry.
    pub(super) fn draw_handlers(&mut self, d: &mut Dice) {
        let (ways, saves) = (d.chance(0.5), d.chance(0.5));
        for script in &mut self.scripts {
            if ways && script.fail > 0 {
                script.way = match d.below(4) {
                    0 => Way::Fatal,
                    1 | 2 => Way::Panic,
                    _ => Way::Error,
                };
            }
            if saves && d.chance(0.5) {
                script.steps = d.range(2, 6) as u32;
                script.flushes = d.chance(0.3);
            }
        }
        self.draw_extensions(d);
        self.draw_loads(d);
    }

    /// Some tasks have little time and ask for more.
    fn draw_extensions(&mut self, d: &mut Dice) {
        if !d.chance(0.3) {
            return;
        }
        for submission in &mut self.submissions {
            if d.chance(0.3) {
                submission.timeout = 2 * S;
                for script in &mut self.scripts[submission.tasks.clone()] {
                    script.extends = d.chance(0.7);
                }
            }
        }
    }

    /// In a third of the seeds inputs and results are longer than what may be kept in a record.
    fn draw_loads(&mut self, d: &mut Dice) {
        let inline = d.pick(&[0, 8, 64]).copied();
        if !d.chance(0.35) {
            return;
        }
        self.inline = inline;
        for Script { load, result, .. } in &mut self.scripts {
            (*load, *result) = (bytes(d), bytes(d));
        }
        for submission in &mut self.submissions {
            let hours = d.pick(&[1, 24, 72]).copied().unwrap_or(24);
            submission.retention = hours * 3600 * S;
        }
        for _ in 0..d.below(4) {
            let queue = d.below(self.queues as u64) as usize;
            let at = d.between(S, self.quiet_at);
            self.events.push((at, Event::Sweep(queue, true)));
        }
    }
}

fn bytes(d: &mut Dice) -> usize {
    match d.below(10) {
        0..=2 => 0,
        3..=8 => d.range(1, 300) as usize,
        // From 4 KiB on they are compressed.
        _ => d.range(4_000, 12_000) as usize,
    }
}
