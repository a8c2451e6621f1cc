//! What will become of a request: drawn when it is sent.

use std::time::Duration;

use super::SimStore;
use super::fault::Fault;
use super::log::Spell;
use super::world::{Op, World};
use crate::testing::sim_clock::{SimHost, now};
use crate::testing::sim_entropy::Dice;

const GET: Duration = Duration::from_millis(20);
const PUT: Duration = Duration::from_millis(40);
const LIST: Duration = Duration::from_millis(40);
const DELETE: Duration = Duration::from_millis(20);
const SIGMA: f64 = 0.45;

/// What will become of a request.
pub(super) struct Fate {
    /// Until it arrives.
    pub(super) there: Duration,
    /// Until its answer is back.
    pub(super) back: Duration,
    /// The one thing that goes wrong.
    pub(super) fault: Option<Fault>,
    /// How late a zombie, duplicate or slow answer is.
    pub(super) late: Duration,
    /// The caller is not told that its request failed.
    pub(super) silent: bool,
    /// Where a damaged body is damaged, 0.0 … 1.0.
    pub(super) place: f64,
}

const ON_WRITES: &[Fault] = &[
    Fault::Refused,
    Fault::Conflict,
    Fault::FailedUnapplied,
    Fault::AppliedThen500,
    Fault::AppliedThenReset,
    Fault::AppliedThenSilence,
    Fault::LostRequest,
    Fault::Zombie,
    Fault::Duplicate,
    Fault::SlowAnswer,
    Fault::SlowRequest,
    Fault::HiddenRetry,
];
const ON_DELETES: &[Fault] = &[
    Fault::DeleteError,
    Fault::AppliedThen500,
    Fault::AppliedThenSilence,
    Fault::LostRequest,
    Fault::Zombie,
    Fault::Duplicate,
    Fault::SlowAnswer,
];
const ON_READS: &[Fault] = &[
    Fault::ReadError,
    Fault::LostRequest,
    Fault::SlowAnswer,
    Fault::SlowRead,
    Fault::EmptyBody,
    Fault::CutBody,
    Fault::CorruptBody,
];
const ON_LISTS: &[Fault] = &[
    Fault::ReadError,
    Fault::LostRequest,
    Fault::SlowAnswer,
    Fault::SplitList,
    Fault::StaleList,
];

/// Draws what will become of `op`, and counts it as sent.
pub(super) fn fate(store: &SimStore, host: &SimHost, op: &Op) -> Fate {
    let world = &mut *store.world();
    world.in_flight += 1;
    let sent = world.requests.entry(host.id()).or_default();
    let (median, count, faults) = match op {
        Op::Get(_) | Op::GetIfChanged(..) => (GET, &mut sent.get, ON_READS),
        Op::Create(..) | Op::Update(..) => (PUT, &mut sent.put, ON_WRITES),
        Op::DeleteIf(..) => (DELETE, &mut sent.delete, ON_WRITES),
        Op::Delete(_) | Op::DeleteMany(_) => (DELETE, &mut sent.delete, ON_DELETES),
        Op::List(_) => (LIST, &mut sent.list, ON_LISTS),
    };
    *count += 1;
    let total = world.dice.log_normal(median, SIGMA);
    let share = 0.3 + 0.4 * world.dice.unit();
    let mut fate = Fate {
        there: total.mul_f64(share),
        back: total.mul_f64(1.0 - share),
        fault: spell(world, host, op),
        late: Duration::ZERO,
        silent: world.dice.chance(0.5),
        place: world.dice.unit(),
    };
    if fate.fault.is_none() {
        fate.fault = faults.iter().copied().find(|f| world.draws(*f));
    }
    fate.late = lateness(&mut world.dice, fate.fault);
    fate
}

/// What holds for a while, of everybody or of this machine.
fn spell(world: &mut World, host: &SimHost, op: &Op) -> Option<Fault> {
    let now = now();
    if let Some(length) = begins(world, Fault::ThrottleStorm, None) {
        world.storm_until = world.storm_until.max(Some(now + length));
    }
    if let Some(length) = begins(world, Fault::Denied, Some(host.id())) {
        world.denied_until.insert(host.id(), now + length);
    }
    if let Some(length) = begins(world, Fault::Hidden, Some(host.id())) {
        world.hidden_until.insert(host.id(), now + length);
    }
    if host.is_cut_out() {
        return Some(Fault::CutOut);
    }
    if world.denied_until.get(&host.id()).is_some_and(|t| now < *t) {
        return Some(Fault::Denied);
    }
    if op.is_read() && world.hidden_until.get(&host.id()).is_some_and(|t| now < *t) {
        return Some(Fault::Hidden);
    }
    let storm = world.storm_until.is_some_and(|t| now < t);
    // S3 throttles writes first.
    let refused = if op.is_read() { 0.4 } else { 0.7 };
    (storm && world.dice.chance(refused)).then_some(Fault::ThrottleStorm)
}

/// Whether such a spell begins now, and how long it is.
fn begins(world: &mut World, fault: Fault, client: Option<u16>) -> Option<Duration> {
    if !world.dice.chance(world.plan.rate(fault)) {
        return None;
    }
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(60));
    let length = world.dice.log_between(least, most);
    let from = world.elapsed();
    let until = from + length;
    world.spells.push(Spell {
        client,
        from,
        until,
    });
    Some(length)
}

impl World {
    /// Whether this fault happens to a request that it can happen to.
    fn draws(&mut self, fault: Fault) -> bool {
        let possible = match fault {
            Fault::StaleList => self.modes.stale_lists.is_some(),
            Fault::HiddenRetry => self.modes.hidden_retry,
            _ => true,
        };
        let rate = if possible { self.plan.rate(fault) } else { 0.0 };
        // A body that is not there cannot be damaged; those are counted where they happen.
        if !matches!(
            fault,
            Fault::EmptyBody | Fault::CutBody | Fault::CorruptBody
        ) {
            self.expected.add(fault, rate);
        }
        self.dice.chance(rate)
    }
}

fn lateness(dice: &mut Dice, fault: Option<Fault>) -> Duration {
    // Half of some kinds come when they do most harm.
    let harm = match fault {
        // About when callers give up, and look whether it is there.
        Some(Fault::SlowRequest) => Some((4_900, 5_300)),
        // As late as callers still wait for.
        Some(Fault::SlowRead) => Some((1_000, 4_900)),
        // When the first delivery has just had its effect.
        Some(Fault::Duplicate) => Some((200, 8_000)),
        _ => None,
    };
    if let Some((low, high)) = harm.filter(|_| dice.chance(0.5)) {
        return dice.between(Duration::from_millis(low), Duration::from_millis(high));
    }
    let (low, high) = match fault {
        Some(Fault::Zombie) => (2_000, 900_000),
        Some(Fault::Duplicate) => (1, 120_000),
        Some(Fault::HiddenRetry) => (100, 2_000),
        Some(Fault::SlowAnswer | Fault::SlowRequest | Fault::SlowRead) => (1_000, 20_000),
        Some(Fault::SplitList) => (1, 400),
        _ => (1, 2),
    };
    dice.log_between(Duration::from_millis(low), Duration::from_millis(high))
}
