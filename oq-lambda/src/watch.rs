//! How much time an invocation has: Lambda says until when, as a time of day.

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use crate::function::{LEAST, Time};

/// The machine's clock, which is read for one thing only: deadlines are times of day. Right after a
/// freeze it may be behind; no invocation has more time than the first one had whose time could be
/// true. A clock that is wrong at the start must not bound all that come after.
#[derive(Debug, Default)]
pub struct Watch(OnceLock<Duration>);

/// What Lambda grants at most.
const MOST: Duration = Duration::from_secs(15 * 60);

impl Watch {
    /// The time until a deadline, which is said since 1970.
    pub fn read(&self, deadline: Duration) -> Time {
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let left = deadline.saturating_sub(now);
        if (LEAST..=MOST).contains(&left) {
            self.0.get_or_init(|| left);
        }
        Time {
            left: left.min(*self.0.get().unwrap_or(&MOST)),
            deadline: Some(deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stood_still_gives_an_invocation_no_more_time_than_the_first_one_had() {
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now();
        let now = now.duration_since(UNIX_EPOCH).unwrap();
        let (watch, minute) = (Watch::default(), Duration::from_secs(60));
        let first = watch.read(now + minute);
        assert!(first.left <= minute && first.left > minute / 2);
        let thawed = watch.read(now + 10 * minute);
        assert_eq!(thawed.left, first.left);
        assert_eq!(thawed.deadline, Some(now + 10 * minute));
        assert_eq!(watch.read(now - minute).left, Duration::ZERO);
    }

    #[test]
    fn a_first_reading_that_cannot_be_true_bounds_no_other() {
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now();
        let now = now.duration_since(UNIX_EPOCH).unwrap();
        let minute = Duration::from_secs(60);
        for first in [now - minute, now + minute / 30, now + 60 * minute] {
            let watch = Watch::default();
            assert!(watch.read(first).left <= 15 * minute);
            let second = watch.read(now + minute).left;
            assert!(second <= minute && second > minute / 2, "{second:?}");
        }
    }
}
