//! Runs in which nothing goes wrong: I14 (two sweeps reach every task), I17 (no task is left behind),
//! I15 (what it costs), I19 (a paused queue claims nothing).

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::record::{Key, LiveState, Settings, decode};
use oq_core::testing::sim_store::EPOCH;

use super::{Histories, Violation};
use crate::play::Played;
use crate::producer::queue_name;
use crate::scenario::Theme;

/// A task starts at the latest so long after it is due. The bell is asked every two seconds.
const SOON: Duration = Duration::from_secs(6);

/// The same for a task that was submitted more than half a minute before it is due: nobody rings for
/// it, and it is left to the sweep. Two sweeps, each late by a worker that is gone, and a poll.
const LATER: Duration = Duration::from_secs(45);

/// When workers come and go, shards change hands: presence is looked at every 30 s.
const SETTLED: Duration = Duration::from_secs(100);

/// How long a claim may still be sent after a pause: one poll and the requests of a claim.
const ONE_POLL: Duration = Duration::from_secs(4);

/// Besides the bell, so many requests a second of an idle worker: sweeps, presence, settings.
const IDLE_LISTS: f64 = 0.3;

/// A task that starts may cost so many requests, discovery included.
const PER_START: f64 = 20.0;

/// What the worker that cleans up at the end of a run may ask for.
const RESCUER: f64 = 400.0;

/// Checks a calm run.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    if run.scenario.theme != Theme::Calm {
        return;
    }
    requests(run, bad);
    let pauses = pauses(run);
    let mut first: BTreeMap<_, Duration> = BTreeMap::new();
    for start in &run.observed.starts {
        let name = (queue_name(start.queue), start.task.object());
        first.entry(name).or_insert(start.at);
    }
    for (name, at) in &first {
        let Some(history) = all.objects.get(name) else {
            continue;
        };
        let Some(created) = history.live.first() else {
            continue;
        };
        let due = Duration::from_millis(name.1.due().as_millis().saturating_sub(EPOCH.as_millis()));
        let due = due.max(created.at);
        let paused = pauses
            .iter()
            .any(|p| p.queue == name.0 && p.from <= *at && p.until + SOON >= due);
        let late = at.saturating_sub(due);
        let rung = due.saturating_sub(created.at) < Duration::from_secs(29);
        let allowed = if rung { SOON } else { LATER };
        if late > allowed && due > SETTLED && !paused {
            let what = format!("it started {late:?} after it was due");
            let broken = if rung { "I17" } else { "I14" };
            bad.push(Violation::new(broken, Some(name.clone()), *at, what));
        }
    }
    for (name, history) in &all.objects {
        for change in &history.live {
            let claimed = match (&change.old, &change.new) {
                (Some(old), Some(new)) => {
                    old.state == LiveState::Pending && new.state == LiveState::Running
                }
                _ => false,
            };
            let paused = pauses.iter().find(|p| {
                p.queue == name.0 && p.from + ONE_POLL < change.sent && change.sent < p.until
            });
            if let Some(pause) = paused.filter(|_| claimed) {
                let since = change.sent - pause.from;
                let what = format!("it was claimed {since:?} after its queue was paused");
                bad.push(Violation::new("I19", Some(name.clone()), change.at, what));
            }
        }
    }
}

/// I15: what workers ask for while they are idle, and what a task costs them besides.
fn requests(run: &Played, bad: &mut Vec<Violation>) {
    let producers = run.scenario.producers.len() as u16;
    let workers = run
        .requests
        .iter()
        .filter(|(client, _)| **client > producers);
    let sent: u64 = workers
        .map(|(_, r)| r.get + r.put + r.list + r.delete)
        .sum();
    let time = run.ended.as_secs_f64() * run.scenario.queues as f64;
    let bells: f64 = run
        .scenario
        .workers
        .iter()
        .map(|w| 1.0 / w.poll.as_secs_f64())
        .sum();
    let lists = run.scenario.workers.len() as f64 * IDLE_LISTS;
    // One more worker comes at the end.
    let idle = time * (bells + lists) + RESCUER;
    let tasks = run.observed.starts.len() as f64 * PER_START;
    let budget = (idle * 1.1 + tasks) as u64;
    if sent > budget {
        let what = format!("workers sent {sent} requests, their budget was {budget}");
        bad.push(Violation::new("I15", None, run.ended, what));
    }
}

struct Pause {
    queue: oq_core::record::QueueName,
    from: Duration,
    until: Duration,
}

/// When queues were paused.
fn pauses(run: &Played) -> Vec<Pause> {
    let mut pauses: Vec<Pause> = Vec::new();
    for change in &run.log {
        let Some(Key::Settings(queue)) = Key::parse(change.key.as_str()) else {
            continue;
        };
        let new = change
            .new
            .as_ref()
            .and_then(|o| decode::<Settings>(&change.key, &o.body).ok());
        let is = new.is_some_and(|s| s.paused);
        let open = pauses
            .iter_mut()
            .find(|p| p.queue == queue && p.until == Duration::MAX);
        match open {
            Some(open) if !is => open.until = change.at,
            None if is => {
                let (from, until) = (change.at, Duration::MAX);
                pauses.push(Pause { queue, from, until });
            }
            _ => {}
        }
    }
    pauses
}
