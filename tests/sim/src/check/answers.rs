//! What clients were told: I1 (what was accepted ends), I2 (what was read stays), I9 (answers tell
//! the truth), I18 (one task for a key), I19 (cancelled means cancelled).

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::record::{Done, Ending, ObjectId};

use super::{Change, Histories, History, Name, Violation};
use crate::observe::{Answer, Cancelled, Retry, Sight, Submit};
use crate::play::Played;
use crate::producer::queue_name;
use crate::scenario::Event;

/// Checks what clients were told.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    let scripts = written(all);
    for submit in &run.observed.submits {
        submitted(run, all, &scripts, submit, bad);
    }
    let asked = &run.observed.asked;
    for (name, scripts) in &scripts {
        for script in scripts {
            let known = run
                .scenario
                .submissions
                .iter()
                .position(|s| s.tasks.contains(script));
            if known.is_none_or(|n| !asked.contains(&n)) {
                let what = format!("{} holds a task that nobody submitted", name.1);
                bad.push(Violation::new(
                    "I9",
                    Some(name.clone()),
                    Duration::ZERO,
                    what,
                ));
            }
        }
    }
    retried(run, all, bad);
    looked(run, all, bad);
    cancelled(run, all, bad);
    keys(run, all, bad);
}

/// When the last submission began whose answer named an object.
pub fn asked(run: &Played) -> BTreeMap<Name, Duration> {
    let submits = run.observed.submits.iter().filter_map(|s| match s.answer {
        Answer::Ok { id, .. } => {
            let queue = run.scenario.submissions[s.submission].queue;
            Some(((queue_name(queue), id), s.asked))
        }
        Answer::Refused | Answer::Doubt(_) => None,
    });
    let retries = run.observed.retries.iter();
    let retries = retries.map(|r| ((queue_name(r.queue), r.new.object()), r.asked));
    let mut last = BTreeMap::new();
    for (name, asked) in submits.chain(retries) {
        let known: &mut Duration = last.entry(name).or_default();
        *known = asked.max(*known);
    }
    last
}

/// Which scripts each object holds.
fn written(all: &Histories) -> BTreeMap<Name, Vec<usize>> {
    let created = |name: &Name, h: &History| {
        let live = h.live.iter().find_map(|c| c.new.clone())?;
        // Tasks that are tried again are answered for elsewhere.
        if live.retry_of.is_some() {
            return None;
        }
        Some(
            live.tasks
                .iter()
                .map(|s| all.parcels.number(&name.0, name.1, &s.input))
                .collect(),
        )
    };
    all.objects
        .iter()
        .filter_map(|(name, h)| Some((name.clone(), created(name, h)?)))
        .collect()
}

fn submitted(
    run: &Played,
    all: &Histories,
    scripts: &BTreeMap<Name, Vec<usize>>,
    submit: &Submit,
    bad: &mut Vec<Violation>,
) {
    let asked = &run.scenario.submissions[submit.submission];
    let queue = queue_name(asked.queue);
    let mine = |name: &Name| {
        scripts
            .get(name)
            .is_some_and(|s| s.first() == Some(&asked.tasks.start))
            && name.0 == queue
    };
    let mut fault = |invariant, id: Option<ObjectId>, what: &str| {
        let what = format!(
            "submission {} on client {}: {what}",
            submit.submission, submit.client
        );
        bad.push(Violation::new(
            invariant,
            id.map(|id| (queue.clone(), id)),
            submit.at,
            what,
        ));
    };
    let lives: Vec<ObjectId> = scripts.keys().filter(|n| mine(n)).map(|n| n.1).collect();
    match &submit.answer {
        Answer::Ok { id, existing } => {
            let name = (queue.clone(), *id);
            let Some(history) = all.objects.get(&name) else {
                return fault("I9", Some(*id), "accepted, but never written");
            };
            if history.live.first().is_none_or(|c| c.at > submit.at) {
                fault("I9", Some(*id), "accepted before it was written");
            }
            if asked.key.is_none() && (*existing || lives != [*id]) {
                fault(
                    "I9",
                    Some(*id),
                    "accepted as one object, and there are others of it",
                );
            }
            if outcome(history).is_none() && !all.purged(&name, Duration::MAX) {
                fault(
                    "I1",
                    Some(*id),
                    "accepted, and at the end it has no outcome",
                );
            }
        }
        // Under a key it may be the other submission's.
        Answer::Refused if twice(run, submit) => {}
        Answer::Refused => {
            if let Some(id) = lives.first() {
                fault("I9", Some(*id), "refused, and there it is");
            }
        }
        Answer::Doubt(id) => {
            let elsewhere = lives
                .iter()
                .find(|there| asked.key.is_none() && Some(**there) != *id);
            if let Some(there) = elsewhere {
                fault(
                    "I9",
                    Some(*there),
                    "in doubt under one id, and it is there under another",
                );
            }
        }
    }
}

fn twice(run: &Played, submit: &Submit) -> bool {
    let n = submit.submission;
    let again = |(_, e): &(Duration, Event)| matches!(e, Event::Again(m) if *m == n);
    run.scenario.events.iter().any(again)
}

/// I1 for tasks that were tried again.
fn retried(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    for Retry { queue, new, at, .. } in &run.observed.retries {
        let (name, task) = ((queue_name(*queue), new.object()), new);
        let over = all.objects.get(&name).and_then(outcome).is_some();
        if !over && !all.purged(&name, Duration::MAX) {
            let what = format!("{task} was accepted as another try, and has no outcome");
            bad.push(Violation::new("I1", Some(name), *at, what));
        }
    }
}

/// The outcome that was recorded of an object, even if it was swept since.
pub fn outcome(history: &History) -> Option<&Done> {
    let mut versions = history.done.iter().filter_map(|c| c.new.as_deref());
    versions.find(|d| !d.is_seal())
}

/// When that was; the end of time if never.
pub fn recorded_at(history: &History) -> Duration {
    let outcome = |c: &&Change<Done>| c.new.as_ref().is_some_and(|d| !d.is_seal());
    history
        .done
        .iter()
        .find(outcome)
        .map_or(Duration::MAX, |c| c.at)
}

/// When its outcome was swept.
pub fn swept(history: &History) -> Option<Duration> {
    history
        .done
        .last()
        .filter(|c| c.new.is_none())
        .map(|c| c.at)
}

fn looked(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    let end = run.ended;
    for look in &run.observed.looks {
        let queue = queue_name(look.queue);
        let name = (queue, look.task.object());
        let Some(history) = all.objects.get(&name) else {
            continue;
        };
        let recorded = outcome(history);
        let first = history.live.first().map_or(end, |c| c.at);
        let over = history
            .done
            .iter()
            .find(|c| c.new.as_ref().is_some_and(|d| !d.is_seal()));
        let mut fault = |invariant, what: String| {
            let what = format!(
                "{} looked up at {:.3} s: {what}",
                look.task,
                look.asked.as_secs_f64()
            );
            bad.push(Violation::new(invariant, Some(name.clone()), look.at, what));
        };
        match &look.seen {
            Sight::Outcome(ending, output) => {
                let task = recorded.and_then(|d| d.tasks.get(look.task.index()));
                let same = task.is_some_and(|t| {
                    t.outcome.ending == *ending
                        && t.outcome.output.as_ref().map(|o| format!("{o:?}")) == *output
                });
                if !same {
                    let is = task.map(|t| t.outcome.ending);
                    fault("I2", format!("it was {ending:?}, at the end it is {is:?}"));
                }
            }
            Sight::Unknown if swept(history).is_some_and(|at| at <= look.at) => {}
            Sight::Listed(ending) => {
                let task = recorded.and_then(|d| d.tasks.get(look.task.index()));
                if task.is_none_or(|t| t.outcome.ending != *ending) {
                    let is = task.map(|t| t.outcome.ending);
                    fault(
                        "I2",
                        format!("it was listed as {ending:?}, at the end it is {is:?}"),
                    );
                }
            }
            _ if all.purged(&name, look.at) => {}
            Sight::Unknown if first < look.asked => fault("I1", "it was unknown".into()),
            Sight::Open if over.is_some_and(|c| c.at < look.asked) => {
                fault("I2", "it was open although its outcome was recorded".into());
            }
            Sight::Unknown | Sight::Open | Sight::Error => {}
        }
    }
}

fn cancelled(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    for cancel in run
        .observed
        .cancels
        .iter()
        .filter(|c| c.answer == Cancelled::Over)
    {
        let found = all
            .objects
            .iter()
            .find(|(name, _)| name.1 == cancel.task.object());
        let Some((name, history)) = found else {
            continue;
        };
        let recorded = outcome(history).and_then(|d| d.tasks.get(cancel.task.index()));
        if recorded.is_none_or(|t| t.outcome.ending != Ending::Cancelled) {
            let is = recorded.map(|t| t.outcome.ending);
            let what = format!("{} was answered as cancelled and is {is:?}", cancel.task);
            bad.push(Violation::new("I19", Some(name.clone()), cancel.at, what));
        }
    }
}

/// I18: while a key stands for a task, no other task of that key exists.
fn keys(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    let mut by_key: BTreeMap<_, Vec<(Duration, &Name, &History)>> = BTreeMap::new();
    for (name, history) in &all.objects {
        let Some(first) = history.live.first() else {
            continue;
        };
        if let Some(key) = first.new.as_ref().and_then(|l| l.key.as_ref()) {
            let list = by_key
                .entry((name.0.clone(), key.hash.clone()))
                .or_default();
            list.push((first.at, name, history));
        }
    }
    for list in by_key.values_mut() {
        list.sort_by_key(|(at, ..)| *at);
        for pair in list.windows(2) {
            let [(_, first, before), (at, second, _)] = pair else {
                continue;
            };
            // Another may follow only when this one is over and did not complete.
            let over = before.done.iter().find_map(|c| {
                let done = c.new.as_ref().filter(|d| !d.is_seal())?;
                Some((c.at, done.tasks.first()?.outcome.ending))
            });
            let purged = all.purged(first, *at);
            let allowed =
                purged || over.is_some_and(|(t, ending)| t <= *at && ending != Ending::Completed);
            if !allowed {
                let what = format!(
                    "{} was created while its key stood for {}",
                    second.1, first.1
                );
                bad.push(Violation::new("I18", Some((*second).clone()), *at, what));
            }
        }
    }
    let _ = run;
}
