//! I8: no attempt is wasted. A claim that landed in time, of a worker that nothing happened to, is
//! followed by a start or by a write of that worker; nobody has to take it over. A safety check
//! never sees such a fault: the task only runs later.

use std::time::Duration;

use oq_core::record::LiveState;
use oq_core::testing::sim_store::Fault;

use super::slots::taken_over;
use super::{Histories, Violation};
use crate::observe::What;
use crate::play::Played;

/// A claim that landed later than this was given up by its worker.
const LATE: Duration = Duration::from_secs(6);

/// With less than this probability of failing, five reads in a row never do.
const FEW: f64 = 0.1;

/// Checks every claim of a run in which reads are answered.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    let plan = &run.scenario.plan;
    let unread = [Fault::ReadError, Fault::LostRequest, Fault::SlowAnswer];
    let bodies = [Fault::EmptyBody, Fault::CutBody, Fault::CorruptBody];
    let rate: f64 = unread.iter().chain(&bodies).map(|f| plan.rate(*f)).sum();
    // Who is refused does not try again.
    let storms = [Fault::ThrottleStorm, Fault::Denied, Fault::Hidden];
    let storms: f64 = storms.iter().map(|f| plan.rate(*f)).sum();
    // A claim that landed and was answered as lost is nobody's.
    if run.scenario.modes.hidden_retry {
        return;
    }
    if rate > FEW || storms > 0.0 || plan.rate(Fault::Refused) > FEW {
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
            if !started && !given_up && !troubled(run, claim.client, claim.sent, next.at) {
                let what = format!("delivery {} was claimed and never started", new.delivery);
                bad.push(Violation::new("I8", Some(name.clone()), claim.at, what));
            }
        }
    }
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
