//! Drains: each is over in time and leaves nothing running (I23), and asks for no lease that lasts
//! longer than it does (I4).

use std::time::Duration;

use oq_core::record::{Live, LiveState, MIN_LEASE};

use super::{Change, Histories, Violation};
use crate::observe::Drained;
use crate::play::Played;

/// What is deleted at the very end may take a second more.
const LATE: Duration = Duration::from_millis(1500);

/// A write that gets no answer is sent again for so long, with the lease that it first asked for.
const AGAIN: Duration = Duration::from_secs(25);

/// Checks every drain of a run.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    for drain in &run.observed.drains {
        let mut fault = |invariant, what: String| {
            let what = format!("a drain of client {}: {what}", drain.client);
            bad.push(Violation::new(invariant, None, drain.ended, what));
        };
        if !drain.running.is_empty() {
            fault("I23", format!("it left runs {:?}", drain.running));
        }
        if let Some(within) = drain.within {
            let truly = run.truly(drain.client, within);
            let took = drain.ended - drain.began;
            let still = run.observed.still(drain.client, drain.began, drain.ended);
            if took > truly + still + LATE {
                let what =
                    format!("it took {took:?}, it had {within:?} and was still for {still:?}");
                fault("I23", what);
            }
            for (sent, lease) in leases(all, drain) {
                let left = (drain.began + truly).saturating_sub(sent);
                if lease > MIN_LEASE.max(within.min(left + still + AGAIN)) {
                    let what =
                        format!("it had {within:?}, and with {left:?} left it asked for {lease:?}");
                    fault("I4", what);
                }
            }
        }
    }
}

/// The leases that it asked for, and when.
fn leases(all: &Histories, drain: &Drained) -> Vec<(Duration, Duration)> {
    let changes = all.objects.values().flat_map(|history| &history.live);
    let mine = changes.filter(|c| {
        let during = c.sent >= drain.began && c.sent <= drain.ended;
        c.client == drain.client && during
    });
    // What ends a task keeps the lease that it was held with.
    let lease = |c: &Change<Live>| {
        let asks = c
            .new
            .as_ref()
            .filter(|live| live.state == LiveState::Running)?;
        Some((c.sent, asks.lease.as_ref()?.length))
    };
    mine.filter_map(lease).collect()
}
