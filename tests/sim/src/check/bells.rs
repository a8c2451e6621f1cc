//! Runs in which nothing goes wrong: how often workers ask the bell (I15). Soon after something
//! happened, then less and less often; a sweep is nothing that happens.

use std::collections::BTreeSet;
use std::time::Duration;

use oq_core::record::{Key, QueueName};

use super::Violation;
use crate::linear::Asked;
use crate::observe::What;
use crate::play::Played;
use crate::producer::queue_name;
use crate::scenario::Theme;

/// The first interval, how it grows, and how much of it is left to chance.
const FIRST: f64 = 0.05;
const GROWS: f64 = 1.25;
const SPREAD: f64 = 0.95;

/// Something that happens is heard of, found and taken: each lets the worker ask again, soon after.
const EACH: f64 = 8.0;

/// When a worker begins it asks more often.
const BEGINS: f64 = 40.0;

/// Checks a calm run.
pub fn check(run: &Played, bad: &mut Vec<Violation>) {
    if run.scenario.theme != Theme::Calm {
        return;
    }
    for trouble in run
        .observed
        .troubles
        .iter()
        .filter(|t| t.what == What::Started)
    {
        let Some(machine) = run.machines.get(&trouble.client) else {
            continue;
        };
        for queue in (0..run.scenario.queues).map(queue_name) {
            let asked = asked(run, trouble.client, &queue);
            let most = most(&happened(run, &queue), trouble.at, run.ended, machine.poll);
            if asked > most {
                let what = format!(
                    "client {} asked the bell of {queue} {asked} times, its budget was {most}",
                    trouble.client
                );
                bad.push(Violation::new("I15", None, run.ended, what));
            }
        }
    }
}

fn asked(run: &Played, client: u16, queue: &QueueName) -> usize {
    let key = Key::Bell(queue.clone()).store_key();
    let calls = run.calls.by_key.get(&key).into_iter().flatten();
    calls
        .filter(|c| c.client == client && c.asked == Asked::Read)
        .count()
}

/// When something happened in a queue that workers may hear of or find.
fn happened(run: &Played, queue: &QueueName) -> Vec<Duration> {
    let mut times: BTreeSet<Duration> = BTreeSet::new();
    for change in &run.log {
        match Key::parse(change.key.as_str()) {
            Some(Key::Bell(q) | Key::Live(q, _)) if q == *queue => {
                times.insert(change.at);
            }
            _ => {}
        }
    }
    times.into_iter().collect()
}

/// How often it may be asked from one moment to another.
fn most(happened: &[Duration], from: Duration, to: Duration, poll: Duration) -> usize {
    let mut most = BEGINS;
    let mut since = from;
    for at in happened.iter().chain([&to]).filter(|at| **at > from) {
        most += EACH + asks(at.saturating_sub(since), poll);
        since = *at;
    }
    most as usize
}

/// How often a worker asks in so long when nothing happens after its beginning.
fn asks(length: Duration, poll: Duration) -> f64 {
    let (mut left, mut interval, mut asks) = (length.as_secs_f64(), FIRST, 0.0);
    let longest = poll.as_secs_f64();
    while interval < longest && left > 0.0 {
        left -= interval * SPREAD;
        interval *= GROWS;
        asks += 1.0;
    }
    asks + (left / (longest * SPREAD)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn who_begins_anew_every_fifteen_seconds_asks_too_often() {
        let quiet = most(&[], S, 400 * S, 2 * S);
        let anew = (0..26).map(|_| asks(15 * S, 2 * S)).sum::<f64>();
        assert!(anew > quiet as f64 + 100.0, "{anew} of {quiet}");
    }
}
