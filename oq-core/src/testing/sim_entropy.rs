//! Randomness from one seed: the entropy of simulated clients, and the dice of the simulation.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::env::Entropy;

/// The entropy of one simulated client.
pub struct SimEntropy(Mutex<ChaCha8Rng>);

impl SimEntropy {
    /// The generator number `stream` of a seed; each client has a stream of its own, so that one
    /// client's draws do not depend on how many another made.
    pub fn new(seed: u64, stream: u64) -> SimEntropy {
        SimEntropy(Mutex::new(generator(seed, stream)))
    }
}

impl Entropy for SimEntropy {
    fn next_u64(&self) -> u64 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rng.next_u64()
    }
}

impl fmt::Debug for SimEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimEntropy")
    }
}

/// The dice of the simulation itself: what happens when, and which request fails.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice number `stream` of a seed.
    pub fn new(seed: u64, stream: u64) -> Dice {
        Dice(generator(seed, stream))
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0.0 … 1.0, the latter excluded.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability. Draws even when the answer is certain, so that switching one
    /// fault off leaves the others where they were.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform below `bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// Uniform from `low` to `high`, both included.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// One of these; `None` of nothing.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }

    /// Uniform between two durations, in microseconds.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_micros(self.range(low.as_micros() as u64, high.as_micros() as u64))
    }

    /// Between two durations so that every order of magnitude is as likely as the next.
    pub fn log_between(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (low.as_secs_f64().ln(), high.as_secs_f64().ln());
        Duration::from_secs_f64((low + (high - low) * self.unit()).exp())
    }

    /// A rate so that every order of magnitude is as likely as the next.
    pub fn log_rate(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + (high.ln() - low.ln()) * self.unit()).exp()
    }

    /// Log-normal with this median and sigma, as latencies are.
    pub fn log_normal(&mut self, median: Duration, sigma: f64) -> Duration {
        let (a, b) = (1.0 - self.unit(), self.unit());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        median.mul_f64((sigma * normal).exp())
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}

fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_stream_say_everything() {
        let draw = |seed, stream| {
            let e = SimEntropy::new(seed, stream);
            (0..4).map(|_| e.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn dice_stay_within_their_bounds() {
        let mut dice = Dice::new(1, 1);
        let (low, high) = (Duration::from_secs(2), Duration::from_secs(900));
        let mut medians = Vec::new();
        for _ in 0..2000 {
            let d = dice.log_between(low, high);
            assert!(d >= low - Duration::from_micros(1) && d <= high, "{d:?}");
            assert!((3..=5).contains(&dice.range(3, 5)));
            medians.push(dice.log_normal(Duration::from_millis(40), 0.45));
        }
        medians.sort();
        let median = medians[1000];
        assert!(
            (38..=42).contains(&median.as_millis()),
            "the median of latencies is {median:?}"
        );
        assert!(!dice.chance(0.0) && dice.chance(1.0));
        assert_eq!(dice.below(0), 0);
    }
}
