//! The clock of the stores that live on this machine, where the machine's clock *is* the store's.
//!
//! A wall clock may be set back, and a store's clock must not: leases are judged by how far it
//! went on. Nor may it stand still until the wall has caught up, or nothing would expire
//! meanwhile. So a wall that falls behind is ignored, and the clock goes on at the pace of
//! elapsed time from where it was.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::env::{Clock, Mono, SystemClock};
use crate::time::StoreTime;

/// The machine's wall clock, made to go forward only.
#[derive(Debug, Default)]
pub(super) struct WallClock {
    elapsed: SystemClock,
    last: Mutex<Last>,
}

/// The latest moment that was shown, and when that was.
#[derive(Debug, Default)]
struct Last {
    shown: Duration,
    at: Mono,
}

impl Last {
    fn advance(&mut self, wall: Duration, at: Mono) -> StoreTime {
        self.shown = wall.max(self.shown + at.since(self.at));
        self.at = at;
        StoreTime::from_millis(u64::try_from(self.shown.as_millis()).unwrap_or(u64::MAX))
    }
}

impl WallClock {
    /// The store's time now; never less than what it was before.
    pub(super) fn now(&self) -> StoreTime {
        self.not_before(StoreTime::default())
    }

    /// The same, and not before `mark`, which another process has seen on its clock.
    pub(super) fn not_before(&self, mark: StoreTime) -> StoreTime {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = wall().max(Duration::from_millis(mark.as_millis()));
        let at = self.elapsed.now();
        last.advance(wall, at)
    }
}

/// The time of day on this machine, for people who ask how far it is off. Nothing goes by it.
pub fn machine_time() -> StoreTime {
    StoreTime::from_millis(u64::try_from(wall().as_millis()).unwrap_or(u64::MAX))
}

#[allow(clippy::disallowed_methods)] // here this machine is the server, so its wall clock is store time
fn wall() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    #[test]
    fn a_wall_clock_set_back_neither_turns_nor_stops_it() {
        let mut last = Last::default();
        let day = Duration::from_secs(86_400);
        assert_eq!(last.advance(day, at(0)).as_millis(), 86_400_000);
        let after_step_back = last.advance(day / 2, at(1));
        assert_eq!(after_step_back.as_millis(), 86_401_000);
        assert_eq!(last.advance(day * 2, at(2)).as_millis(), 2 * 86_400_000);
    }

    #[test]
    fn follows_a_mark_that_another_process_left() {
        let clock = WallClock::default();
        let ahead = clock.now().plus(Duration::from_secs(3600));
        assert!(clock.not_before(ahead) >= ahead);
        assert!(clock.now() >= ahead);
    }
}
