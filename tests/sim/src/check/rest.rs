//! When everything is over: I13 (what is stored is what should be), I15 (requests), I16 (recovery),
//! I22 and I23 (nothing is left running, nothing panicked).

use oq_core::record::{Dead, Done, Ending, Key, decode};

use super::answers::{outcome, recorded_at, swept};
use super::{Histories, Violation};
use crate::foreign;
use crate::play::Played;
use crate::producer::queue_name;

/// How many requests a run may need: so many for each task and fault, and so many a second for
/// each worker.
const PER_TASK: u64 = 60;
const PER_FAULT: u64 = 40;
const PER_WORKER_SECOND: f64 = 12.0;

/// Checks the end of a run.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    stored(run, all, bad);
    let mut fault = |invariant, what: String| {
        bad.push(Violation::new(invariant, None, run.ended, what));
    };
    if run.recovered.is_none() {
        fault(
            "I16",
            format!(
                "{:?} after the faults had stopped not everything was finished",
                run.limit
            ),
        );
    }
    if run.outlived > 0 {
        fault(
            "I23",
            format!(
                "{} times something went on in a process that had ended",
                run.outlived
            ),
        );
    }
    if run.left_alive > 0 {
        fault(
            "I23",
            format!(
                "{} tasks were alive after everything had been stopped",
                run.left_alive
            ),
        );
    }
    for panic in &run.panics {
        fault("I23", panic.clone());
    }
    let (sent, budget) = (sent(run), budget(run));
    if sent > budget {
        fault(
            "I15",
            format!("{sent} requests were sent, the budget was {budget}"),
        );
    }
}

fn sent(run: &Played) -> u64 {
    let sent = run.requests.values();
    sent.map(|r| r.get + r.put + r.list + r.delete).sum()
}

fn budget(run: &Played) -> u64 {
    let tasks = run.observed.starts.len() as u64 + run.scenario.scripts.len() as u64;
    let idle = run.ended.as_secs_f64() * PER_WORKER_SECOND * run.scenario.workers.len() as f64;
    tasks * PER_TASK + run.fired.total() * PER_FAULT + idle as u64
}

/// How much of its budget of requests a run needed.
pub fn share_of_budget(run: &Played) -> f64 {
    sent(run) as f64 / budget(run) as f64
}

fn stored(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    // A purge takes along what is old, readable or not.
    let purged = all.purges.iter().any(|p| p.queue == queue_name(0));
    if run.scenario.foreign && !purged && foreign::changed(&run.objects) > 0 {
        let (n, at) = (foreign::changed(&run.objects), run.ended);
        let what = format!("{n} objects that nobody could read were changed");
        bad.push(Violation::new("I20", None, at, what));
    }
    for (key, object) in &run.objects {
        if foreign::is_one(key) {
            continue;
        }
        let parsed = Key::parse(key.as_str());
        let name = parsed.as_ref().and_then(super::name_of);
        let history = name.as_ref().and_then(|n| all.objects.get(n));
        let mut fault = |what: &str| {
            let what = format!("{key}: {what}");
            bad.push(Violation::new("I13", name.clone(), run.ended, what));
        };
        let purged = name.as_ref().is_some_and(|n| all.purged(n, run.ended));
        match parsed {
            Some(Key::Done(..) | Key::Dead(..)) if purged => {}
            Some(Key::Live(..)) => fault("it is still there"),
            Some(Key::Done(..)) => match decode::<Done>(key, &object.body) {
                Ok(done) if done.is_seal() => fault("a seal is left and no outcome"),
                Ok(_) => {}
                Err(e) => fault(&e.to_string()),
            },
            Some(Key::Dead(_, task)) => {
                let recorded = history
                    .and_then(outcome)
                    .and_then(|d| d.tasks.get(task.index()));
                let dead = decode::<Dead>(key, &object.body).ok();
                let failed = recorded.filter(|t| t.outcome.ending == Ending::Failed);
                match (dead, failed) {
                    (Some(dead), Some(failed)) if dead.attempts == failed.outcome.attempts => {}
                    _ => fault("it is not the dead letter of a task that failed so"),
                }
            }
            Some(_) => {}
            None => fault("it is not a key of oq"),
        }
    }
    for (name, history) in &all.objects {
        if swept(history).is_some() || all.purged(name, run.ended) {
            continue;
        }
        let mut fault = |invariant, what: String| {
            bad.push(Violation::new(
                invariant,
                Some(name.clone()),
                run.ended,
                what,
            ));
        };
        let Some(done) = outcome(history) else {
            if history.live.last().is_some_and(|c| c.new.is_none()) {
                fault("I1", "it is gone without an outcome".into());
            }
            continue;
        };
        // Past its retention a sweep may have come halfway.
        let age = run.ended.saturating_sub(recorded_at(history));
        if age >= done.keep {
            continue;
        }
        for (index, task) in done.tasks.iter().enumerate() {
            let dead = Key::Dead(name.0.clone(), name.1.task(index)).store_key();
            let again = all.retried(&name.0, name.1.task(index));
            if task.outcome.ending == Ending::Failed && !again && !run.objects.contains_key(&dead) {
                fault("I13", format!("task {index} failed and has no dead letter"));
            }
        }
    }
}
