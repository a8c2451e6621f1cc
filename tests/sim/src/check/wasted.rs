//! I8: no attempt is wasted. A claim that landed in time, of a worker that nothing happened to, is
//! followed by a start or by a write of that worker; nobody has to take it over. A safety check
//! never sees such a fault: the task only runs later.

use std::time::Duration;

use oq_core::record::{Key, LiveState};
use oq_core::testing::sim_store::{Fault, Spell};

use super::slots::taken_over;
use super::{Histories, Name, Violation};
use crate::linear::Saw;
use crate::observe::What;
use crate::play::Played;

/// A claim that landed later than this was given up by its worker.
const LATE: Duration = Duration::from_secs(6);

/// With less than this probability of being damaged, five reads in a row never are.
const FEW: f64 = 0.1;

/// So many requests without a good answer take up a lease, each five seconds and more.
const TOO_MANY: usize = 2;

/// Checks every claim of a run in which what is read is as it was written.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    let bodies = [Fault::EmptyBody, Fault::CutBody, Fault::CorruptBody];
    let damaged: f64 = bodies.iter().map(|f| run.scenario.plan.rate(*f)).sum();
    // A claim that landed and was answered as lost is nobody's.
    if damaged > FEW || run.scenario.modes.hidden_retry {
        return;
    }
    for (name, history) in &all.objects {
        for pair in history.live.windows(2) {
            let [claim, next] = pair else { continue };
            let (Some(old), Some(new), Some(after)) = (&claim.old, &claim.new, &next.new) else {
                continue;
            };
            let claimed = old.state == LiveState::Pending && new.state == LiveState::Running;
            if !claimed || !taken_over(new, after) || claim.at - claim.sent > LATE {
                continue;
            }
            let started = run.observed.starts.iter().any(|s| {
                s.client == claim.client && s.task.object() == name.1 && s.delivery == new.delivery
            });
            // A drain whose time is over waits for no answer.
            let given_up = run.observed.troubles.iter().any(|t| {
                let meanwhile = t.at >= claim.sent && t.at <= claim.at;
                t.client == claim.client && matches!(t.what, What::OutOfTime) && meanwhile
            });
            let (client, from, to) = (claim.client, claim.sent, next.at);
            let troubled = troubled(run, client, from, to) || refused(run, client, from, to);
            let heard = unanswered(run, name, client, from, to) < TOO_MANY;
            if !started && !given_up && !troubled && heard {
                let what = format!("delivery {} was claimed and never started", new.delivery);
                bad.push(Violation::new("I8", Some(name.clone()), claim.at, what));
            }
        }
    }
}

/// Whether a machine was refused what it asked for in this time: then it does not try again.
fn refused(run: &Played, client: u16, from: Duration, to: Duration) -> bool {
    let concerns = |s: &&Spell| s.client.is_none_or(|of| of == client);
    let mut spells = run.spells.iter().filter(concerns);
    spells.any(|s| s.from <= to && s.until >= from)
}

/// How many requests of a machine about an object had no good answer in this time.
fn unanswered(run: &Played, name: &Name, client: u16, from: Duration, to: Duration) -> usize {
    let keys = [
        Key::Live(name.0.clone(), name.1),
        Key::Done(name.0.clone(), name.1),
    ];
    let calls = keys
        .iter()
        .filter_map(|key| run.calls.by_key.get(&key.store_key()));
    let mine = calls
        .flatten()
        .filter(|c| c.client == client && c.sent >= from && c.sent <= to);
    let bad = mine.filter(|c| c.answered.is_none() || matches!(c.saw, Saw::Nothing | Saw::Refused));
    bad.count()
}

/// Whether anything happened to a machine in this time.
fn troubled(run: &Played, client: u16, from: Duration, to: Duration) -> bool {
    if run.observed.still(client, from, to) > Duration::ZERO {
        return true;
    }
    run.observed.troubles.iter().any(|t| {
        let until = match t.what {
            What::Frozen(length) | What::CutOut(length) | What::CutBack(length) => t.at + length,
            What::Crashed | What::Poisoned | What::Stopped | What::Killed => Duration::MAX,
            _ => return false,
        };
        t.client == client && t.at <= to && until >= from
    })
}
