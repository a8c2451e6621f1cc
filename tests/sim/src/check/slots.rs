//! What each write may do to the tasks of an object: I2 (an outcome never changes), I7 (attempts),
//! I12 (not before its time), I19 (flags stay).

use std::time::Duration;

use oq_core::StoreTime;
use oq_core::record::{Live, LiveState, ObjectId, Slot};
use oq_core::testing::sim_store::EPOCH;

use super::life::same;
use super::{Change, History, Name, Violation};

/// How much too early a task may start: dates are truncated, clocks drift.
const EARLY: Duration = Duration::from_secs(2);

/// Checks every change of one live object.
pub fn check(name: &Name, history: &History, bad: &mut Vec<Violation>) {
    for change in &history.live {
        let (Some(old), Some(new)) = (&change.old, &change.new) else {
            continue;
        };
        let mut fault = |invariant, what: String| {
            bad.push(Violation::new(
                invariant,
                Some(name.clone()),
                change.at,
                what,
            ));
        };
        if old.tasks.len() != new.tasks.len() || old.write.created_by != new.write.created_by {
            fault("I6", "it became another object".into());
            continue;
        }
        let taken_over = taken_over(old, new);
        let suspects = old.tasks.iter().filter(|s| s.running).count();
        for (index, (was, is)) in old.tasks.iter().zip(&new.tasks).enumerate() {
            for (invariant, what) in slot(change, name.1, was, is, taken_over, suspects) {
                fault(invariant, format!("task {index} {what}"));
            }
            if is.attempts() > new.options.retry.attempts {
                let (n, most) = (is.attempts(), new.options.retry.attempts);
                fault(
                    "I7",
                    format!("task {index} has {n} attempts, {most} are allowed"),
                );
            }
        }
        let declared = new
            .tasks
            .iter()
            .zip(&old.tasks)
            .any(|(is, was)| is.running && !was.running);
        let waits = |at: Option<StoreTime>| at.is_some_and(|at| at > now(change).plus(EARLY));
        if old.state == LiveState::Pending && declared && waits(old.available_at) {
            fault("I12", "it was claimed before its time".into());
        }
    }
}

/// Whether a write put another holder in the place of one that fell silent.
pub fn taken_over(old: &Live, new: &Live) -> bool {
    let token = |live: &Live| live.lease.as_ref().map(|l| l.token.clone());
    old.state == LiveState::Running && new.state == LiveState::Running && token(old) != token(new)
}

fn now(change: &Change<Live>) -> StoreTime {
    EPOCH.plus(change.at)
}

fn slot(
    change: &Change<Live>,
    id: ObjectId,
    was: &Slot,
    is: &Slot,
    taken_over: bool,
    suspects: usize,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    match (&was.outcome, &is.outcome) {
        (Some(was), is) if is.as_ref().is_none_or(|is| !same(was, is)) => {
            found.push((
                "I2",
                format!(
                    "was {:?} and is {:?}",
                    was.ending,
                    is.as_ref().map(|o| o.ending)
                ),
            ));
        }
        (None, Some(_)) if taken_over => {
            found.push(("I2", "has an outcome before the take-over is sealed".into()));
        }
        _ => {}
    }
    if was.cancel_requested && !is.cancel_requested {
        found.push(("I19", "is not to be cancelled any more".into()));
    }
    if is.starts < was.starts || is.excused < was.excused {
        found.push(("I7", "forgot attempts".into()));
    }
    let (before, after) = (was.attempts(), is.attempts());
    if after > before + 1 {
        found.push((
            "I7",
            format!("went from {before} to {after} attempts in one write"),
        ));
    }
    // One that ended between two writes may be declared anew in the second.
    let declared = is.running && (!was.running || taken_over || is.starts > was.starts);
    if after > before && !is.running {
        found.push((
            "I7",
            "was charged for an attempt that was not declared".into(),
        ));
    }
    if taken_over && was.running {
        // One of many suspects is excused; one alone is charged.
        let kept = after - u32::from(declared).min(after);
        let fair = if suspects > 1 {
            before.saturating_sub(1)
        } else {
            before
        };
        if kept > fair {
            let what = format!("is charged although it was one of {suspects} suspects");
            found.push(("I7", what));
        }
    }
    if declared {
        let early = now(change).plus(EARLY);
        if id.due() > early || (!taken_over && was.available_at.is_some_and(|at| at > early)) {
            found.push(("I12", "was declared before its time".into()));
        }
    }
    found
}
