//! What one line of a listing says: whether an object is worth an attempt now, or when it will be.
//!
//! The length of a body hints at its state and a coarse duration ([`Hint`]), the id says when it
//! was first due, and `LastModified` since when it is as it is. That is enough to leave what runs
//! and what waits alone without reading it.

use std::time::Duration;

use super::Why;
use crate::record::{Hint, ObjectId};
use crate::time::StoreTime;

/// A lease may be taken over this long after its end, and a terminal record repaired at that age.
pub(super) const MARGIN: Duration = Duration::from_secs(5);

/// Dates have the precision of a second in some stores.
const PRECISION: Duration = Duration::from_secs(1);

/// The longest duration class of a hint has no upper bound.
const LONGEST: Duration = Duration::from_secs(16384);

/// What to do about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Verdict {
    /// Try it.
    Now {
        why: Why,
        /// It may well turn out to run or wait still.
        probe: bool,
    },
    /// Its id says that it is not due, and so is nothing behind it in its priority.
    NotDue(StoreTime),
    /// Leave it alone until then.
    Later {
        at: StoreTime,
        why: Why,
        /// Somebody holds it and will have renewed its lease by then, unless he is dead.
        held: bool,
    },
}

/// Judges one line.
pub(in crate::worker) fn judge(
    id: ObjectId,
    hint: Hint,
    last_modified: StoreTime,
    now: StoreTime,
) -> Verdict {
    let due = id.due();
    if due > now {
        return Verdict::NotDue(due);
    }
    let from = |at: StoreTime, why, held| {
        if at <= now {
            Verdict::Now { why, probe: true }
        } else {
            Verdict::Later { at, why, held }
        }
    };
    match hint {
        Hint::Runnable => Verdict::Now {
            why: Why::Runnable,
            probe: false,
        },
        Hint::Running(lease) => from(
            last_modified.plus(lease).plus(MARGIN),
            Why::MaybeExpired,
            true,
        ),
        Hint::Terminal(_) => from(last_modified.plus(MARGIN), Why::Terminal, false),
        // Nobody held it before it was due, so the wait is the one that its id tells.
        Hint::Waiting(_) if last_modified.plus(PRECISION) <= due => Verdict::Now {
            why: Why::Due,
            probe: false,
        },
        Hint::Waiting(least) => {
            let most = least.saturating_mul(2).max(Duration::from_secs(1)) + PRECISION;
            if least < LONGEST && last_modified.plus(most) <= now {
                return Verdict::Now {
                    why: Why::Due,
                    probe: false,
                };
            }
            from(last_modified.plus(least), Why::Due, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Priority, Shard};

    const DUE: StoreTime = StoreTime(1_000_000);

    fn at(secs: u64) -> StoreTime {
        DUE.plus(Duration::from_secs(secs))
    }

    fn verdict(hint: Hint, last_modified: StoreTime, now: StoreTime) -> Verdict {
        let id = ObjectId::from_parts(DUE, 1, Priority::NORMAL, 1, Shard::new(0).unwrap());
        judge(id, hint, last_modified, now)
    }

    #[test]
    fn a_lease_is_left_alone_until_it_may_have_ended() {
        let hint = Hint::Running(Duration::from_secs(16));
        let later = Verdict::Later {
            at: at(21),
            why: Why::MaybeExpired,
            held: true,
        };
        assert_eq!(verdict(hint, DUE, at(20)), later);
        let now = Verdict::Now {
            why: Why::MaybeExpired,
            probe: true,
        };
        assert_eq!(verdict(hint, DUE, at(21)), now);
    }

    #[test]
    fn a_wait_is_a_guess_within_its_bounds_and_certain_behind_them() {
        let hint = Hint::Waiting(Duration::from_secs(32));
        assert!(matches!(verdict(hint, DUE, at(31)), Verdict::Later { .. }));
        let guess = |secs| {
            matches!(
                verdict(hint, DUE, at(secs)),
                Verdict::Now { probe: true, .. }
            )
        };
        assert!(guess(32) && guess(64) && !guess(65));
        assert!(matches!(
            verdict(hint, DUE, at(65)),
            Verdict::Now { probe: false, .. }
        ));
        let longest = Hint::Waiting(LONGEST);
        assert!(matches!(
            verdict(longest, DUE, at(1_000_000)),
            Verdict::Now { probe: true, .. }
        ));
    }

    #[test]
    fn a_delayed_object_is_due_when_its_id_says_so() {
        let hint = Hint::Waiting(Duration::from_secs(64));
        let written = DUE.minus(Duration::from_secs(64));
        assert_eq!(
            verdict(hint, written, DUE.minus(Duration::from_millis(1))),
            Verdict::NotDue(DUE)
        );
        assert_eq!(
            verdict(hint, written, DUE),
            Verdict::Now {
                why: Why::Due,
                probe: false
            }
        );
    }
}
