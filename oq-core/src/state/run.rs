//! What happens to tasks while somebody holds their object, and how the holder lets go of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::claim::is_expired;
use crate::record::{
    Data, Ending, Failure, Json, Live, LiveState, MAX_HISTORY, MAX_SPAN, Outcome, Progress, Step,
};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// What a handler's run came to.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It succeeded.
    Completed(Option<Data>),
    /// It failed; `unit` (0.0 … 1.0) draws the retry's jitter.
    Failed(Failure, f64),
    /// It answered "later"; not a failure.
    Later(Duration),
    /// It stopped because it was asked to cancel.
    Cancelled,
    /// It was not run to its end: shutdown, or never started. Not its fault.
    Released,
}

/// Applies the verdict on task `index`, which must be running; another verdict changes nothing.
pub fn settle(live: &mut Live, index: usize, verdict: Verdict, now: StoreTime) {
    let retry = live.options.retry.clone();
    let max_reschedules = live.options.max_reschedules;
    let lone = live.tasks.len() == 1;
    let Some(slot) = live.tasks.get_mut(index).filter(|s| s.running) else {
        return;
    };
    slot.running = false;
    let attempts = slot.attempts();
    if lone && !matches!(verdict, Verdict::Released) {
        // It went through an attempt and its worker lives: it is no suspect any more.
        live.width = None;
    }
    match verdict {
        Verdict::Completed(output) => {
            slot.failure = None;
            end(live, index, Ending::Completed, now, output);
        }
        Verdict::Cancelled => end(live, index, Ending::Cancelled, now, None),
        Verdict::Failed(failure, unit) => {
            let again = (!failure.fatal || mutated(Mutant::FatalTriedAgain))
                && (retry.allows(&failure.kind, attempts) || mutated(Mutant::NoAttemptCap));
            slot.failure = Some(failure);
            if again {
                slot.available_at = Some(now.plus(retry.delay(attempts, unit)));
            } else {
                end(live, index, Ending::Failed, now, None);
            }
        }
        Verdict::Later(delay) => {
            slot.excused = slot.excused.saturating_add(1);
            slot.rescheduled = slot.rescheduled.saturating_add(1);
            if max_reschedules.is_some_and(|max| slot.rescheduled > max) {
                let why = format!("its handler answered \"later\" {} times", slot.rescheduled);
                slot.failure = Some(Failure::new(Failure::RESCHEDULED, why));
                end(live, index, Ending::Failed, now, None);
            } else {
                slot.available_at = Some(now.plus(delay.min(MAX_SPAN)));
            }
        }
        Verdict::Released => slot.excused = slot.excused.saturating_add(1),
    }
}

fn end(live: &mut Live, index: usize, ending: Ending, at: StoreTime, output: Option<Data>) {
    let slot = &mut live.tasks[index];
    slot.running = false;
    slot.available_at = None;
    slot.saved = None;
    slot.progress = None;
    slot.outcome = Some(Outcome {
        ending,
        at,
        attempts: slot.attempts(),
        output,
        failure: if ending == Ending::Completed {
            None
        } else {
            slot.failure.take()
        },
    });
}

/// Gives outcomes to tasks that will not start any more: cancelled, out of attempts, expired.
/// Only the holder may do this, and after a take-over only behind the seal.
pub fn settle_overdue(live: &mut Live, now: StoreTime) {
    for index in 0..live.tasks.len() {
        let slot = &live.tasks[index];
        if slot.outcome.is_some() || slot.running {
            continue;
        }
        let ending = if slot.cancel_requested {
            Ending::Cancelled
        } else if slot.attempts() >= live.options.retry.attempts && !mutated(Mutant::NoAttemptCap) {
            Ending::Failed
        } else if is_expired(live, now) {
            Ending::Expired
        } else {
            continue;
        };
        end(live, index, ending, now, None);
    }
}

/// Keeps what a handler saved for its next attempt.
pub fn save(live: &mut Live, index: usize, saved: Json) {
    if let Some(slot) = live.tasks.get_mut(index).filter(|s| s.running) {
        slot.saved = Some(saved);
    }
}

/// Keeps how far a handler says it is.
pub fn progress(live: &mut Live, index: usize, progress: Progress) {
    if let Some(slot) = live.tasks.get_mut(index).filter(|s| s.running) {
        slot.progress = Some(progress);
    }
}

/// What the holder has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Tasks are still running.
    Running,
    /// Tasks are due that have not been declared.
    Due,
    /// What is left must wait until then: give it back.
    Wait(StoreTime),
    /// All tasks completed: record that.
    AllCompleted,
    /// All tasks have outcomes, not all good ones.
    AllOver,
}

/// Looks at what is left of a held object.
pub fn rest(live: &Live, now: StoreTime) -> Rest {
    if live.tasks.iter().any(|s| s.running) {
        return Rest::Running;
    }
    let mut until: Option<StoreTime> = None;
    for (_, slot) in live.open() {
        let at = slot.available_at.unwrap_or(StoreTime(0));
        until = Some(until.map_or(at, |u| u.min(at)));
    }
    match until {
        Some(at) if at <= now => Rest::Due,
        Some(at) => Rest::Wait(at),
        None if live.tasks.iter().all(completed) => Rest::AllCompleted,
        None => Rest::AllOver,
    }
}

fn completed(slot: &crate::record::Slot) -> bool {
    slot.outcome
        .as_ref()
        .is_some_and(|o| o.ending == Ending::Completed)
}

/// running → pending: gives back what has no outcome. Running tasks count as released.
pub fn give_back(live: &Live, step: Step, reason: Option<String>, now: StoreTime) -> Live {
    let mut next = live.clone();
    for index in 0..next.tasks.len() {
        settle(&mut next, index, Verdict::Released, now);
    }
    next.log(now, step, reason);
    next.state = LiveState::Pending;
    next.lease = None;
    next.available_at = when_due(&next).filter(|at| *at > now);
    next
}

/// Tasks of a pack that fall due within this time of each other are waited for, so that they are
/// claimed together: each claim costs as much as that of the whole pack.
const COMPANY: Duration = Duration::from_secs(1);

/// When what is open is to be claimed again; at once if a task waits for nothing.
fn when_due(live: &Live) -> Option<StoreTime> {
    let waits = || {
        live.open()
            .map(|(_, s)| s.available_at.unwrap_or(StoreTime(0)))
    };
    let first = waits().min()?;
    if first == StoreTime(0) {
        return Some(first);
    }
    // Nor is anything waited for until the pack has expired.
    let expires = live.options.expires_at;
    waits()
        .filter(|at| at.since(first) <= COMPANY && expires.is_none_or(|end| *at < end))
        .max()
        .or(Some(first))
}

/// running → terminal: all tasks have outcomes.
pub fn terminate(live: &Live, step: Step, now: StoreTime) -> Live {
    let mut next = live.clone();
    next.log(now, step, None);
    next.state = LiveState::Terminal;
    next.lease = None;
    next.available_at = None;
    next
}

/// pending → terminal: its time is over.
pub fn expire(live: &Live, now: StoreTime) -> Live {
    let mut next = live.clone();
    settle_overdue(&mut next, now);
    terminate(&next, Step::Expired, now)
}

/// Joins what the holder knows (`mine`) with what others may have changed meanwhile (`theirs`, a
/// later version under the same lease): flags are theirs, everything else is the holder's.
pub fn merge(mine: &Live, theirs: &Live) -> Live {
    let mut next = mine.clone();
    next.write = theirs.write.clone();
    if mutated(Mutant::HolderOverwritesFlags) {
        return next;
    }
    for (slot, other) in next.tasks.iter_mut().zip(&theirs.tasks) {
        slot.cancel_requested |= other.cancel_requested;
        // Declared in a write whose answer was lost: charged there, but never started.
        let unstarted = other.starts.saturating_sub(slot.starts);
        slot.starts += unstarted;
        slot.excused = slot.excused.saturating_add(unstarted);
        keep_unknown(&mut slot.extra, &other.extra);
    }
    // What others noted, such as why it is to be cancelled, stays in the history.
    for event in &theirs.history {
        if event.what == Step::CancelRequested && !next.history.contains(event) {
            next.history.push(event.clone());
        }
    }
    next.history.sort_by_key(|event| event.at);
    let many = next.history.len().saturating_sub(MAX_HISTORY);
    next.history.drain(..many);
    keep_unknown(&mut next.extra, &theirs.extra);
    next
}

/// What programs of a newer version put there meanwhile stays.
fn keep_unknown(mine: &mut BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) {
    for (name, value) in theirs {
        mine.entry(name.clone()).or_insert_with(|| value.clone());
    }
}
