//! Judges a run that was played: the invariants I1 to I23 of `docs/assurance.md`, on the log of every
//! applied write and on what clients saw.

mod answers;
mod bells;
mod drains;
mod handlers;
mod history;
mod leases;
mod life;
pub mod linear;
mod payloads;
mod prompt;
pub mod rest;
mod slots;
mod starts;
mod wasted;

use std::fmt;
use std::time::Duration;

use oq_core::record::QueueName;

pub use history::{Change, Histories, History, Name, name_of};

use crate::play::Played;
use crate::producer::queue_name;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// The object concerned, if it is about one.
    pub object: Option<Name>,
    pub at: Duration,
    pub what: String,
}

impl Violation {
    pub fn new(
        invariant: &'static str,
        object: Option<Name>,
        at: Duration,
        what: impl Into<String>,
    ) -> Violation {
        Violation {
            invariant,
            object,
            at,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_secs_f64();
        write!(f, "{} at {at:.3} s: {}", self.invariant, self.what)
    }
}

/// Everything that is wrong with a run, the first first.
pub fn check(run: &Played) -> Vec<Violation> {
    let queues: Vec<QueueName> = (0..run.scenario.queues).map(queue_name).collect();
    let (mut all, mut bad) = Histories::of(&run.log, &queues);
    let retried = run.observed.retries.iter();
    all.retried
        .extend(retried.map(|r| (queue_name(r.queue), r.old)));
    all.asked = answers::asked(run);
    for (name, history) in &all.objects {
        life::check(&all, name, history, &mut bad);
        slots::check(name, history, &mut bad);
        leases::check(run, name, history, &mut bad);
    }
    starts::check(run, &all, &mut bad);
    answers::check(run, &all, &mut bad);
    handlers::check(run, &all, &mut bad);
    payloads::check(run, &all, &mut bad);
    drains::check(run, &all, &mut bad);
    bells::check(run, &mut bad);
    rest::check(run, &all, &mut bad);
    wasted::check(run, &all, &mut bad);
    prompt::check(run, &all, &mut bad);
    linear::check(run, &mut bad);
    bad.sort_by_key(|v| v.at);
    bad
}
