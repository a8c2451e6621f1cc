//! Drains: each is over in time and leaves nothing running (I23), and asks for no lease that lasts
//! longer than it does (I4).

use std::time::Duration;

use oq_core::record::{Live, MIN_LEASE};

use super::{Change, Histories, Violation};
use crate::observe::{Drained, What};
use crate::play::Played;

/// What is deleted at the very end may take a second more.
const LATE: Duration = Duration::from_millis(1500);

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
            let rate = (1_000_000 + run.drift_of(drain.client)) as f64 / 1e6;
            let truly = within.div_f64(rate);
            let took = drain.ended - drain.began;
            if took > truly + LATE && !stalled(run, drain) {
                fault("I23", format!("it took {took:?}, it had {within:?}"));
            }
            for lease in leases(all, drain) {
                if lease > MIN_LEASE.max(within) {
                    fault("I4", format!("it had {within:?}, and asked for {lease:?}"));
                }
            }
        }
    }
}

fn stalled(run: &Played, drain: &Drained) -> bool {
    let mut troubles = run.observed.troubles.iter();
    troubles.any(|t| {
        let (What::Stalled(length) | What::Starved(length)) = t.what else {
            return false;
        };
        t.client == drain.client && t.at <= drain.ended && t.at + length >= drain.began
    })
}

/// The leases that it asked for.
fn leases(all: &Histories, drain: &Drained) -> Vec<Duration> {
    let changes = all.objects.values().flat_map(|history| &history.live);
    let mine = changes.filter(|c| {
        let during = c.sent >= drain.began && c.sent <= drain.ended;
        c.client == drain.client && during
    });
    let lease = |c: &Change<Live>| Some(c.new.as_ref()?.lease.as_ref()?.length);
    mine.filter_map(lease).collect()
}
