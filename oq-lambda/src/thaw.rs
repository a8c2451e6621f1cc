//! Time across a freeze. Between invocations a function's sandbox is frozen, and its clocks may stand
//! still meanwhile; Lambda's own clock, by which deadlines are set, does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oq_core::env::Mono;
use oq_core::protocol::Root;

/// A clock that is behind by less was not stopped.
const PRECISION: Duration = Duration::from_secs(1);

/// After so long without a word the store's side has closed its connections.
const DEAD: Duration = Duration::from_secs(10);

/// What the last invocation knew of the time.
#[derive(Debug, Default)]
pub struct Thaw(Mutex<Option<Last>>);

#[derive(Debug, Clone, Copy)]
struct Last {
    deadline: Duration,
    clock: Mono,
}

impl Thaw {
    /// An invocation begins whose deadline is so long after 1970, by Lambda's clock. The deadlines of
    /// two invocations are as far apart as their beginnings: if our clock says less, it stood still.
    pub fn invoked(&self, root: &Root, deadline: Duration) {
        let now = root.env().now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = last.map(|last| {
            let truly = deadline.saturating_sub(last.deadline);
            (truly, truly.saturating_sub(now.since(last.clock)))
        });
        let mut clock = now;
        if let Some((truly, missed)) = passed
            && missed > PRECISION
        {
            tracing::debug!(?missed, "the clock stood still");
            root.env().clock.set_forward(missed);
            clock = root.env().now();
            if truly > DEAD {
                root.store().reconnect();
            }
        }
        *last = Some(Last { deadline, clock });
    }
}
