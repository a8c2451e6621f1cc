//! Whether one compare-and-set register explains what all clients were told of an object.

use std::collections::BTreeMap;

use super::Violation;
use crate::foreign;
use crate::linear::{Asked, Call, Register, Saw, Verdict, judge};
use crate::play::Played;
use oq_core::record::Key;
use oq_core::store::StoreKey;
use oq_core::testing::sim_store::Applied;

/// Checks the requests of a run. Where something between client and store repeats writes and hides
/// it, clients are lied to, and there is nothing to check.
pub fn check(run: &Played, bad: &mut Vec<Violation>) {
    if run.scenario.modes.hidden_retry {
        return;
    }
    for (key, calls, register) in histories(run) {
        if foreign::is_one(&key) {
            continue;
        }
        let what = match judge(&calls, &register) {
            Verdict::Linear => continue,
            Verdict::Broken(n) => format!("{key}: no order of requests explains {:?}", calls[n]),
            Verdict::TooHard => format!("{key}: {} requests are too many to judge", calls.len()),
        };
        let name = Key::parse(key.as_str()).as_ref().and_then(super::name_of);
        let at = run.ended;
        bad.push(Violation::new("linear", name, at, what));
    }
}

/// What was asked and told, object by object, and what is known of the versions.
///
/// The log adds what clients cannot know: that the network delivered a write twice, and what a body
/// was before it was damaged on the way.
pub fn histories(run: &Played) -> Vec<(StoreKey, Vec<Call>, Register)> {
    let mut changes: BTreeMap<&StoreKey, Vec<&Applied>> = BTreeMap::new();
    for change in &run.log {
        changes.entry(&change.key).or_default().push(change);
    }
    let of_key = |(key, calls): (&StoreKey, &Vec<Call>)| {
        let mut calls = calls.clone();
        calls.retain(|c| c.asked != Asked::Read || c.must_be_placed());
        let changes = changes.get(key).map_or(&[][..], Vec::as_slice);
        let copies = copies(&calls, changes);
        calls.extend(copies);
        calls.sort_by_key(|c| c.sent);
        let bodies = changes.iter().filter_map(|c| c.new.as_ref());
        let register = Register::new(bodies.map(|o| (o.etag.clone(), o.body.clone())));
        (key.clone(), calls, register)
    };
    run.calls.by_key.iter().map(of_key).collect()
}

/// Changes that no call made while it was under way: second deliveries, and what was done by hand.
fn copies(calls: &[Call], changes: &[&Applied]) -> Vec<Call> {
    let mut made = vec![false; calls.len()];
    let mut copies = Vec::new();
    for change in changes {
        let by = calls.iter().zip(&made).position(|(call, made)| {
            let under_way = call.sent <= change.sent && call.ends() >= change.at;
            !made && call.client == change.client && under_way && does(call, change)
        });
        match by {
            Some(n) => made[n] = true,
            None => copies.push(copy(change)),
        }
    }
    copies
}

fn does(call: &Call, change: &Applied) -> bool {
    match (&call.asked, &change.new) {
        (Asked::Create(body) | Asked::Update(body, _), Some(new)) => *body == new.body,
        (Asked::Delete | Asked::DeleteIf(_), None) => true,
        _ => false,
    }
}

fn copy(change: &Applied) -> Call {
    let asked = match (&change.old, &change.new) {
        (None, Some(new)) => Asked::Create(new.body.clone()),
        (Some(old), Some(new)) => Asked::Update(new.body.clone(), old.etag.clone()),
        _ => Asked::Delete,
    };
    let by_hand = change.client == 0;
    Call {
        client: change.client,
        sent: change.sent,
        answered: by_hand.then_some(change.at),
        asked,
        saw: if by_hand {
            Saw::Won(change.new.as_ref().map(|new| new.etag.clone()))
        } else {
            Saw::Nothing
        },
    }
}
