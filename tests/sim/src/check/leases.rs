//! Who may write a held object, and when: I4 (leases never overlap on the store's clock) and the
//! order of a take-over: first the object, then the seal, then anything else.

use std::time::Duration;

use oq_core::record::{Live, LiveState};

use super::slots::taken_over;
use super::{Change, History, Name, Violation};
use crate::play::Played;

/// The margin of a take-over, less what truncated dates may hide.
const MARGIN: Duration = Duration::from_secs(4);

/// Checks every change of one held object.
pub fn check(run: &Played, name: &Name, history: &History, bad: &mut Vec<Violation>) {
    let _ = run;
    let mut holder: Option<u16> = None;
    for (n, change) in history.live.iter().enumerate() {
        let (Some(old), Some(new)) = (&change.old, &change.new) else {
            holder = None;
            continue;
        };
        let mut fault = |what: String| {
            bad.push(Violation::new("I4", Some(name.clone()), change.at, what));
        };
        let claimed = new.state == LiveState::Running && old.state == LiveState::Pending;
        let over = taken_over(old, new);
        if over {
            // `LastModified` of what was read is when the previous write was applied.
            let silent = change.at - history.live[n - 1].at;
            let lease = old.lease.as_ref().map(|l| l.length).unwrap_or_default();
            if silent < lease + MARGIN {
                fault(format!(
                    "it was taken over after {silent:?}, its lease is {lease:?}"
                ));
            }
        }
        let expected = old.delivery + u32::from(claimed || over);
        if new.delivery != expected {
            fault(format!(
                "delivery {} follows {}",
                new.delivery, old.delivery
            ));
        }
        if claimed || over {
            holder = Some(change.client);
        } else if holder.is_some_and(|h| h != change.client) && !only_flags(old, new) {
            fault(format!(
                "client {} changed what client {holder:?} holds",
                change.client
            ));
        }
        if new.state != LiveState::Running {
            holder = None;
        }
        if !over && shows_more(old, new) && !sealed(history, change, new) {
            let what = "it showed an outcome before its take-over was sealed";
            bad.push(Violation::new("I2", Some(name.clone()), change.at, what));
        }
    }
}

/// Whether a write does no more than ask for cancellations.
fn only_flags(old: &Live, new: &Live) -> bool {
    let slots = old.tasks.iter().zip(&new.tasks).all(|(was, is)| {
        was.running == is.running
            && was.starts == is.starts
            && was.excused == is.excused
            && was.outcome == is.outcome
            && was.available_at == is.available_at
    });
    slots && old.state == new.state && old.lease == new.lease && old.delivery == new.delivery
}

fn shows_more(old: &Live, new: &Live) -> bool {
    let mut slots = old.tasks.iter().zip(&new.tasks);
    slots.any(|(was, is)| was.outcome.is_none() && is.outcome.is_some())
}

/// Whether the delivery that a write belongs to needed no seal, or has it.
fn sealed(history: &History, change: &Change<Live>, new: &Live) -> bool {
    needs_seal(history, new.delivery).is_none_or(|_| seal_of(history, new.delivery, change.seq))
}

/// The take-over that began this delivery, if one did.
pub fn needs_seal(history: &History, delivery: u32) -> Option<&Change<Live>> {
    history.live.iter().find(|c| match (&c.old, &c.new) {
        (Some(old), Some(new)) => new.delivery == delivery && taken_over(old, new),
        _ => false,
    })
}

/// Whether the seal of this delivery was in place before place `seq` of the log.
pub fn seal_of(history: &History, delivery: u32, seq: usize) -> bool {
    let mut before = history.done.iter().filter(|c| c.seq < seq);
    before.any(|c| c.new.as_ref().is_some_and(|d| d.open == Some(delivery)))
}
