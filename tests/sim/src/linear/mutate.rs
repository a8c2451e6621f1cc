//! Bends a good history so that no register explains it any more: the checker must say so.

use std::time::Duration;

use oq_core::store::Etag;
use oq_core::testing::sim_entropy::Dice;

use super::{Asked, Call, Saw};

/// A way to bend a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bend {
    /// A write that was done is told that it lost, and others saw what it wrote.
    DropAcknowledgement,
    /// Two creates of an object that nobody deleted are told that they won.
    DuplicateOutcome,
    /// Two reads, one after the other, have each other's answer.
    SwapReads,
    /// A read is told of a version that nobody wrote.
    ForgeId,
    /// A renewal is moved behind a read that already showed it.
    ShiftLease,
}

impl Bend {
    pub const ALL: &[Bend] = &[
        Bend::DropAcknowledgement,
        Bend::DuplicateOutcome,
        Bend::SwapReads,
        Bend::ForgeId,
        Bend::ShiftLease,
    ];

    /// Bends a history in this way at a place that the dice choose; `None` when it has no such
    /// place.
    pub fn apply(self, calls: &[Call], dice: &mut Dice) -> Option<Vec<Call>> {
        let mut bent = calls.to_vec();
        match self {
            Bend::DropAcknowledgement => {
                let n = pick(calls, dice, |c| {
                    let etag = won(c)?;
                    (seen(calls, &etag) && makers(calls, &etag) == 1).then_some(())
                })?;
                bent[n].saw = Saw::Lost;
            }
            Bend::DuplicateOutcome => {
                let gone = |c: &Call| matches!(c.asked, Asked::Delete | Asked::DeleteIf(_));
                let first = calls
                    .iter()
                    .find(|c| matches!(c.asked, Asked::Create(_)) && won(c).is_some())?;
                let n = pick(calls, dice, |c| {
                    let create = matches!(c.asked, Asked::Create(_)) && c.saw == Saw::Lost;
                    (create && !calls.iter().any(gone)).then_some(())
                });
                match n {
                    Some(n) => bent[n].saw = Saw::Won(Some(Etag::new("second outcome"))),
                    // Nobody else tried: somebody does now, after the first had been answered.
                    None if !calls.iter().any(gone) => {
                        let mut second = first.clone();
                        second.sent = first.ends() + Duration::from_millis(1);
                        second.answered = Some(second.sent + Duration::from_millis(40));
                        bent.push(second);
                    }
                    None => return None,
                }
            }
            Bend::SwapReads => {
                let read = |c: &Call| match (&c.asked, &c.saw) {
                    (Asked::Read, Saw::There(etag)) => Some(etag.clone()),
                    _ => None,
                };
                let n = pick(calls, dice, |c| {
                    let etag = read(c)?;
                    let once = makers(calls, &etag) == 1;
                    let later = later(calls, c, |o| read(o).is_some_and(|e| e != etag))?;
                    (once && makers(calls, &read(&calls[later])?) == 1).then_some(())
                })?;
                let etag = read(&calls[n])?;
                let m = later(calls, &calls[n], |o| read(o).is_some_and(|e| e != etag))?;
                let saw = bent[n].saw.clone();
                bent[n].saw = std::mem::replace(&mut bent[m].saw, saw);
            }
            Bend::ForgeId => {
                let n = pick(calls, dice, |c| {
                    (c.asked == Asked::Read && c.must_be_placed()).then_some(())
                })?;
                bent[n].saw = Saw::There(Etag::new("forged"));
            }
            Bend::ShiftLease => {
                let n = pick(calls, dice, |c| {
                    let etag = won(c)?;
                    matches!(c.asked, Asked::Update(..)).then_some(())?;
                    (makers(calls, &etag) == 1 && reader(calls, &etag).is_some()).then_some(())
                })?;
                let etag = won(&calls[n])?;
                let shown = calls[reader(calls, &etag)?].ends();
                bent[n].sent = shown + Duration::from_millis(1);
                bent[n].answered = Some(bent[n].sent + Duration::from_millis(40));
            }
        }
        bent.sort_by_key(|c| c.sent);
        Some(bent)
    }
}

/// One of the calls that `fits`.
fn pick(calls: &[Call], dice: &mut Dice, fits: impl Fn(&Call) -> Option<()>) -> Option<usize> {
    let all: Vec<usize> = (0..calls.len())
        .filter(|n| fits(&calls[*n]).is_some())
        .collect();
    dice.pick(&all).copied()
}

/// The version that a call was told it wrote.
fn won(call: &Call) -> Option<Etag> {
    match &call.saw {
        Saw::Won(etag) => etag.clone(),
        _ => None,
    }
}

/// How many calls may have written this version: those that say so, and those that say nothing.
fn makers(calls: &[Call], etag: &Etag) -> usize {
    let body = |c: &Call| match &c.asked {
        Asked::Create(body) | Asked::Update(body, _) => Some(body.clone()),
        _ => None,
    };
    let made = calls.iter().find(|c| won(c).as_ref() == Some(etag));
    let Some(made) = made.and_then(body) else {
        return 0;
    };
    let may = |c: &&Call| {
        won(c).as_ref() == Some(etag) || (c.saw == Saw::Nothing && body(c).as_ref() == Some(&made))
    };
    calls.iter().filter(may).count()
}

fn seen(calls: &[Call], etag: &Etag) -> bool {
    reader(calls, etag).is_some()
}

fn reader(calls: &[Call], etag: &Etag) -> Option<usize> {
    calls
        .iter()
        .position(|c| c.saw == Saw::There(etag.clone()) && c.asked == Asked::Read)
}

/// A call that was sent after this one had been answered.
fn later(calls: &[Call], call: &Call, fits: impl Fn(&Call) -> bool) -> Option<usize> {
    calls.iter().position(|c| c.sent > call.ends() && fits(c))
}
