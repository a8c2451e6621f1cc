//! What handlers did: I3 (no start after an outcome could be read), I4 (only holders run tasks, and
//! only while their lease lasts), I10 (fencing), I11 (the recorded result is the winner's).

use std::time::Duration;

use oq_core::StoreTime;
use oq_core::record::{Ending, Live, LiveState, Token};
use oq_core::testing::sim_store::EPOCH;

use super::leases::{needs_seal, seal_of};
use super::{Change, Histories, History, Name, Violation};
use crate::observe::{End, Start};
use crate::play::Played;
use crate::producer::queue_name;

/// An outcome is sent with at least an attempt's timeout and a second of the lease left; less what
/// a clock may drift in that time.
const ENOUGH: Duration = Duration::from_millis(5900);

/// How soon a handler ends whose lease does.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Checks every run of a handler.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    for start in &run.observed.starts {
        let name: Name = (queue_name(start.queue), start.task.object());
        let found = match all.objects.get(&name) {
            Some(history) => one(run, history, start),
            None => vec![("I9", "a task ran that was never written".into())],
        };
        for (invariant, what) in found {
            let what = format!("{} on client {}: {what}", start.task, start.client);
            bad.push(Violation::new(
                invariant,
                Some(name.clone()),
                start.at,
                what,
            ));
        }
    }
    for (name, history) in &all.objects {
        results(run, all, name, history, bad);
        sent_in_time(run, name, history, bad);
    }
}

fn one(run: &Played, history: &History, start: &Start) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let index = start.task.index();
    let Some(declared) = declaration(history, start) else {
        return vec![(
            "I4",
            "it started without being declared in a write that won".into(),
        )];
    };
    let flagged = declared
        .old
        .as_ref()
        .is_some_and(|l| l.tasks[index].cancel_requested);
    if flagged {
        found.push((
            "I19",
            "it started although the holder knew that it was cancelled".into(),
        ));
    }
    let recorded = history
        .done
        .iter()
        .find(|c| c.new.as_ref().is_some_and(|d| !d.is_seal()));
    if recorded.is_some_and(|c| c.at < start.at) {
        found.push(("I3", "it started although its outcome was recorded".into()));
    }
    // Two clones that drew the same token hold the same lease, and nobody can tell them apart.
    let twin = |c: &Change<Live>| {
        let lease = c.old.as_ref().and_then(|l| l.lease.as_ref());
        c.client != start.client && lease.is_some_and(|l| l.token == start.token)
    };
    let shown = history.live.iter().find(|c| {
        let slot = c.new.as_ref().and_then(|l| l.tasks.get(index));
        slot.is_some_and(|s| s.outcome.is_some()) && !twin(c)
    });
    if shown.is_some_and(|c| c.at < start.at && c.seq > declared.seq) {
        found.push(("I3", "it started although its outcome could be read".into()));
    }
    let sealed = needs_seal(history, start.delivery).is_none_or(|_| {
        let before = history
            .done
            .iter()
            .filter(|c| c.at <= start.at)
            .map(|c| c.seq + 1);
        seal_of(history, start.delivery, before.max().unwrap_or(0))
    });
    if !sealed {
        found.push(("I3", "it started before its take-over was sealed".into()));
    }
    if EPOCH.plus(start.at + Duration::from_secs(2)) < start.task.object().due() {
        found.push(("I12", "it started before it was due".into()));
    }
    found.extend(lease(run, history, start));
    found
}

/// The write that allowed a run to start.
fn declaration<'a>(history: &'a History, start: &Start) -> Option<&'a Change<Live>> {
    history.live.iter().find(|c| {
        let before = c.at <= start.at;
        before
            && c.new.as_ref().is_some_and(|live| {
                let mine = live.lease.as_ref().is_some_and(|l| l.token == start.token);
                mine && live
                    .tasks
                    .get(start.task.index())
                    .is_some_and(|s| s.running)
            })
    })
}

/// A handler runs only while the lease lasts, counted from the send of the last write that
/// extended it, by the holder's own clock; and no longer after it than a stall lasts.
fn lease(run: &Played, history: &History, start: &Start) -> Option<(&'static str, String)> {
    let (end, _) = start.ended?;
    let until = lease_until(run, history, start.client, &start.token, end)?;
    let awake = |moment: Duration| {
        let still = run.observed.still(start.client, until, moment);
        moment.saturating_sub(until + still)
    };
    let (began, ended) = (awake(start.at), awake(end));
    if began > AT_ONCE {
        let what = format!("it started {began:?} after the lease had ended");
        return Some(("I4", what));
    }
    (ended > AT_ONCE).then(|| {
        let what = format!("it went on for {ended:?} after the lease had ended");
        ("I4", what)
    })
}

/// Until when the lease of this token lasts at the most, as far as its holder can know at a moment.
fn lease_until(
    run: &Played,
    history: &History,
    client: u16,
    token: &Token,
    moment: Duration,
) -> Option<Duration> {
    let known = history
        .live
        .iter()
        .filter(|c| c.client == client && c.at <= moment);
    let until = known.filter_map(|c| {
        let live = c.new.as_ref()?;
        let lease = live.lease.as_ref().filter(|l| l.token == *token)?;
        (live.state == LiveState::Running).then(|| c.sent + run.truly(client, lease.length))
    });
    until.max()
}

/// An outcome is sent only while enough of the lease is left for it to land.
fn sent_in_time(run: &Played, name: &Name, history: &History, bad: &mut Vec<Violation>) {
    for change in &history.done {
        let Some(done) = change.new.as_ref().filter(|d| !d.is_seal()) else {
            continue;
        };
        let until = lease_until(run, history, change.client, &done.token, change.sent);
        let Some(until) = until else { continue };
        if change.sent + ENOUGH > until {
            let left = until.saturating_sub(change.sent);
            let what = format!("its outcome was sent with {left:?} of the lease left");
            bad.push(Violation::new("I4", Some(name.clone()), change.at, what));
        }
    }
}

/// The outcome says what the winner's handler said, and no older holder wrote it after a newer one
/// had begun to run tasks.
fn results(
    run: &Played,
    all: &Histories,
    name: &Name,
    history: &History,
    bad: &mut Vec<Violation>,
) {
    let recorded = history
        .done
        .iter()
        .find_map(|c| Some((c.at, c.new.clone().filter(|d| !d.is_seal())?)));
    let Some((at, done)) = recorded else { return };
    let starts: Vec<(usize, &Start)> = run
        .observed
        .starts
        .iter()
        .enumerate()
        .filter(|(_, s)| s.task.object() == name.1 && queue_name(s.queue) == name.0)
        .collect();
    let mut fault = |invariant, what: String| {
        bad.push(Violation::new(invariant, Some(name.clone()), at, what));
    };
    let winner = starts
        .iter()
        .find(|(_, s)| s.token == done.token)
        .map(|(_, s)| s.delivery);
    if let Some(winner) = winner
        && let Some((_, later)) = starts
            .iter()
            .find(|(_, s)| s.delivery > winner && s.at < at)
    {
        let what = format!(
            "delivery {winner} recorded its outcome after delivery {} had started {}",
            later.delivery, later.task
        );
        fault("I10", what);
    }
    for (index, task) in done.tasks.iter().enumerate() {
        let outcome = &task.outcome;
        let output = outcome.output.as_ref();
        let said = output.map(|data| all.parcels.number(&name.0, name.1, data));
        match outcome.ending {
            Ending::Completed => {
                let run = starts
                    .iter()
                    .find(|(n, s)| Some(*n) == said && s.task.index() == index);
                if run.is_none_or(|(_, s)| s.ended.is_none_or(|(_, how)| how != End::Completed)) {
                    fault(
                        "I11",
                        format!("the result of task {index} is of no run of it: {said:?}"),
                    );
                }
            }
            Ending::Expired => {
                let expired = done
                    .options
                    .expires_at
                    .is_some_and(|t| t <= EPOCH.plus(at + Duration::from_secs(2)));
                if !expired {
                    fault("I11", format!("task {index} expired before its time"));
                }
            }
            Ending::Failed | Ending::Cancelled => {}
        }
        if outcome.at > StoreTime(EPOCH.0).plus(at + Duration::from_secs(2)) {
            fault(
                "I11",
                format!("the outcome of task {index} is from the future"),
            );
        }
    }
}
