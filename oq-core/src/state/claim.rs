//! From pending to running, and from one holder to the next.

use std::time::Duration;

use crate::record::{Failure, Lease, Live, LiveState, MAX_LEASE, MIN_LEASE, Step, Token, WorkerId};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// How long after the end of a lease others wait before they take over: twice the truncation of
/// dates, and room for a holder that renews at the last moment.
pub const TAKE_OVER_MARGIN: Duration = Duration::from_secs(5);

/// A terminal record older than this was left behind: whoever meets it finishes it.
pub const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// Why a record cannot be claimed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It waits until then.
    NotYet(StoreTime),
    /// Somebody holds it; it may be taken over from then on, unless renewed.
    Held(StoreTime),
    /// It is over.
    Terminal,
    /// It is pending and its time is over.
    Expired,
}

/// Who claims.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// The worker.
    pub worker: WorkerId,
    /// The token of the new lease.
    pub token: Token,
    /// The longest lease that this worker can use, from when it begins to claim.
    pub longest_lease: Duration,
    /// How many tasks this worker runs at once.
    pub slots: u16,
}

/// pending → running.
pub fn claim(live: &Live, who: &Claimant, now: StoreTime) -> Result<Live, Refusal> {
    match live.state {
        LiveState::Terminal => return Err(Refusal::Terminal),
        LiveState::Running => return Err(Refusal::Held(StoreTime::MAX)),
        LiveState::Pending => {}
    }
    if is_expired(live, now) {
        return Err(Refusal::Expired);
    }
    if let Some(at) = live.available_at.filter(|at| *at > now) {
        return Err(Refusal::NotYet(at));
    }
    let mut next = live.clone();
    hold(&mut next, who);
    next.log(now, Step::Claimed, None);
    if mutated(Mutant::AttemptsPerPack) {
        next.tasks
            .iter_mut()
            .filter(|s| s.outcome.is_none())
            .for_each(|s| s.starts = s.starts.saturating_add(1));
    }
    declare(&mut next, now);
    Ok(next)
}

/// When a running record that was written at `last_modified` may be taken over.
pub fn take_over_at(live: &Live, last_modified: StoreTime) -> StoreTime {
    let lease = live.lease.as_ref().map_or(Duration::ZERO, |l| l.length);
    if mutated(Mutant::TakeOverTooEarly) {
        return last_modified.plus(lease / 3);
    }
    last_modified
        .plus(lease.min(MAX_LEASE))
        .plus(TAKE_OVER_MARGIN)
}

/// running → running, by another holder. `date` and `last_modified` must come from one answer.
///
/// If several tasks were declared when the holder fell silent, nobody knows which one is to blame:
/// all are excused, and half as many are declared from now on. One that was alone is charged. So a
/// task that kills its worker is isolated and runs out of attempts, and its neighbours do not.
///
/// The same goes for lone tasks that ran beside others in one process: each is excused, and runs
/// among a quarter as many suspects from now on. One that has a single attempt is charged: its
/// submitter would rather not have it run twice.
pub fn take_over(
    live: &Live,
    who: &Claimant,
    last_modified: StoreTime,
    date: StoreTime,
    now: StoreTime,
) -> Result<Live, Refusal> {
    if live.state != LiveState::Running {
        return claim(live, who, now);
    }
    let from = take_over_at(live, last_modified);
    if date < from {
        return Err(Refusal::Held(from));
    }
    let mut next = live.clone();
    let silent = live
        .lease
        .as_ref()
        .map_or("nobody".into(), |l| l.worker.to_string());
    let declared = live.tasks.iter().filter(|s| s.running).count();
    let among = live.lease.as_ref().map_or(1, |l| usize::from(l.among));
    let lone = live.tasks.len() == 1 && live.options.retry.attempts > 1;
    let suspects = if lone { declared * among } else { declared };
    if suspects > 0 {
        let width = if lone { suspects / 4 } else { suspects / 2 };
        next.width = Some(u16::try_from(width).unwrap_or(u16::MAX).max(1));
    }
    hold(&mut next, who);
    next.log(now, Step::TakenOver, Some(format!("{silent} fell silent")));
    for slot in next.tasks.iter_mut().filter(|s| s.running) {
        slot.running = false;
        slot.failure = Some(Failure::new(
            Failure::CRASHED,
            format!("worker {silent} died or fell silent while it ran this task"),
        ));
        if mutated(Mutant::SavedForgotten) {
            slot.saved = None;
        }
        if suspects > 1 && !mutated(Mutant::AttemptsPerPack) {
            slot.excused = slot.excused.saturating_add(1);
        }
    }
    if mutated(Mutant::OutcomesBeforeSeal) {
        super::run::settle_overdue(&mut next, now);
    }
    declare(&mut next, now);
    Ok(next)
}

/// running → running, by the holder that did not know its claim had landed: renewed at once.
pub fn adopt(live: &Live, now: StoreTime) -> Live {
    let mut next = live.clone();
    next.log(now, Step::Adopted, None);
    next
}

/// Whether the present delivery may have begun with a take-over, which asks for a seal. Its events
/// may be hidden behind those of others, so only its claim tells that it did not.
pub fn may_be_taken_over(live: &Live) -> bool {
    !live
        .history
        .iter()
        .any(|e| e.delivery == live.delivery && e.what == Step::Claimed)
}

fn hold(next: &mut Live, who: &Claimant) {
    next.state = LiveState::Running;
    next.available_at = None;
    next.delivery = next.delivery.saturating_add(1);
    // What is not a lease can still stand in a record: too short a one could never be finished.
    let length = next.options.lease.clamp(MIN_LEASE, MAX_LEASE);
    next.lease = Some(Lease {
        token: who.token.clone(),
        worker: who.worker.clone(),
        length: length.min(who.longest_lease),
        among: match (next.tasks.len(), next.width) {
            (1, None) => who.slots,
            (1, Some(suspects)) => suspects.max(1),
            _ => 1,
        },
    });
}

/// Among how many suspects of a crash this may run, if it is one and is to run.
pub fn suspect(live: &Live) -> Option<u16> {
    let [lone] = &live.tasks[..] else {
        return None;
    };
    live.width.filter(|_| lone.running)
}

/// The holder's next renewal asks for no longer lease than that.
pub fn shorten_lease(live: &mut Live, longest: Duration) {
    if let Some(lease) = &mut live.lease {
        lease.length = lease.length.min(longest);
    }
}

/// Declares the next tasks to start, the least tried first, and charges them. Only what was
/// declared in a write that won may start. Returns their places.
pub fn declare(live: &mut Live, now: StoreTime) -> Vec<usize> {
    let running = live.tasks.iter().filter(|s| s.running).count();
    let mut due: Vec<usize> = live
        .open()
        .filter(|(_, s)| {
            !s.running
                && !s.cancel_requested
                && s.available_at.is_none_or(|at| at <= now)
                && may_start(live, s.attempts(), now)
        })
        .map(|(i, _)| i)
        .collect();
    if let Some(width) = live.width {
        due.sort_by_key(|i| live.tasks[*i].starts);
        due.truncate(usize::from(width.max(1)).saturating_sub(running));
    }
    for i in &due {
        let slot = &mut live.tasks[*i];
        slot.running = true;
        slot.available_at = None;
        if !mutated(Mutant::AttemptsPerPack) {
            slot.starts = slot.starts.saturating_add(1);
        }
    }
    due
}

/// After the declared tasks ended well: twice as many may be declared next.
pub fn widen(live: &mut Live) {
    if let Some(width) = live.width {
        let width = width.saturating_mul(2);
        live.width = (usize::from(width) < live.tasks.len()).then_some(width);
    }
}

fn may_start(live: &Live, attempts: u32, now: StoreTime) -> bool {
    (attempts < live.options.retry.attempts || mutated(Mutant::NoAttemptCap))
        && !is_expired(live, now)
}

/// Whether its tasks may not be started any more.
pub fn is_expired(live: &Live, now: StoreTime) -> bool {
    live.options.expires_at.is_some_and(|at| at <= now)
}
