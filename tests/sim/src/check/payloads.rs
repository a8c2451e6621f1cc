//! Payloads: whatever a record refers to is there (I1), what is read back is what was written (I11),
//! and nothing is left that nothing refers to (I13).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use oq_core::record::{Data, Done, Ending, Hint, Key, Live, Record, decode};
use oq_core::store::StoreKey;
use oq_core::testing::sim_store::Applied;

use super::answers::{outcome, swept};
use super::{Histories, Name, Violation, name_of};
use crate::foreign;
use crate::observe::{Look, Read};
use crate::parcel;
use crate::play::{Aftermath, Played};
use crate::producer::queue_name;

/// Dates are truncated.
const MARGIN: Duration = Duration::from_secs(5);

/// Checks all payloads of a run.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    for look in &run.observed.looks {
        if let Some((name, what)) = read_back(run, all, look) {
            let what = format!("{} read back: {what}", look.task);
            bad.push(Violation::new("I11", Some(name), look.at, what));
        }
    }
    let mut there = There::default();
    for change in &run.log {
        there.apply(all, change, bad);
    }
    if let Some(after) = &run.after {
        for change in &after.log {
            there.apply(all, change, bad);
        }
        left_over(run, after, bad);
    }
}

/// What is wrong with what a reader was given.
fn read_back(run: &Played, all: &Histories, look: &Look) -> Option<(Name, String)> {
    let name = (queue_name(look.queue), look.task.object());
    let history = all.objects.get(&name)?;
    let gone = all.purged(&name, look.at) || swept(history).is_some_and(|at| at <= look.at);
    let what = match &look.read {
        Read::Nothing => return None,
        Read::Lost(_) if gone => return None,
        Read::Lost(why) => why.clone(),
        Read::Output(parcel) => {
            let task = outcome(history)?.tasks.get(look.task.index())?;
            let output = task.outcome.output.as_ref()?;
            let written = all.parcels.open(&name.0, name.1, output);
            if written.as_ref() == Some(parcel) && task.outcome.ending == Ending::Completed {
                return None;
            }
            format!("the result is of run {}", parcel.number())
        }
        Read::Input(parcel) => {
            let script = run.scenario.scripts.get(parcel.number());
            if script.is_some_and(|s| parcel.is_whole(s.load)) {
                return None;
            }
            format!("the input of {} is not whole", parcel.number())
        }
    };
    Some((name, what))
}

/// What is there at one point of the log.
#[derive(Default)]
struct There {
    payloads: BTreeSet<StoreKey>,
    /// What each record refers to.
    refers: BTreeMap<StoreKey, BTreeSet<StoreKey>>,
}

impl There {
    fn apply(&mut self, all: &Histories, change: &Applied, bad: &mut Vec<Violation>) {
        if foreign::is_one(&change.key) {
            return;
        }
        let Some(key) = Key::parse(change.key.as_str()) else {
            return;
        };
        let Some(name) = name_of(&key) else { return };
        let mut fault = |what: String| {
            if !all.purged(&name, change.at) {
                bad.push(Violation::new("I1", Some(name.clone()), change.at, what));
            }
        };
        match key {
            Key::Payload(..) if change.new.is_some() => {
                self.payloads.insert(change.key.clone());
            }
            Key::Payload(..) => {
                self.payloads.remove(&change.key);
                let needs = |(_, refers): &(_, &BTreeSet<StoreKey>)| refers.contains(&change.key);
                if let Some((by, _)) = self.refers.iter().find(needs) {
                    fault(format!("{} was deleted, and {by} refers to it", change.key));
                }
            }
            Key::Live(..) | Key::Done(..) => {
                let refers = refers(&name, change);
                if let Some(missing) = refers.iter().find(|key| !self.payloads.contains(*key)) {
                    fault(format!("it refers to {missing}, which is not there"));
                }
                self.refers.remove(&change.key);
                if change.new.is_some() {
                    self.refers.insert(change.key.clone(), refers);
                }
            }
            _ => {}
        }
    }
}

/// The payloads that a record refers to now.
fn refers(name: &Name, change: &Applied) -> BTreeSet<StoreKey> {
    let at = |data: &Data| parcel::key(&name.0, name.1, data);
    let of = |data: Option<&Data>| data.and_then(at);
    if let Some(live) = record::<Live>(change) {
        let outputs = live.tasks.iter().filter_map(|s| s.outcome.as_ref());
        let outputs = outputs.filter_map(|o| of(o.output.as_ref()));
        let inputs = live.tasks.iter().filter_map(|s| at(&s.input));
        return inputs.chain(outputs).collect();
    }
    let done = record::<Done>(change);
    let tasks = done.iter().flat_map(|done| &done.tasks);
    let data = tasks.flat_map(|task| [of(task.input.as_ref()), of(task.outcome.output.as_ref())]);
    data.flatten().collect()
}

fn record<R: Record>(change: &Applied) -> Option<R> {
    let object = change.new.as_ref()?;
    decode(&change.key, &object.body).ok()
}

/// More than a day later, after a thorough sweep: payloads are there where their outcome still is,
/// and outcomes where their time is not over.
fn left_over(run: &Played, after: &Aftermath, bad: &mut Vec<Violation>) {
    let mut fault = |name: &Name, what: String| {
        bad.push(Violation::new("I13", Some(name.clone()), run.ended, what));
    };
    for (key, object) in &after.objects {
        if foreign::is_one(key) {
            continue;
        }
        let Some(parsed) = Key::parse(key.as_str()) else {
            continue;
        };
        let Some(name) = name_of(&parsed) else {
            continue;
        };
        match parsed {
            Key::Payload(..) => {
                let done = Key::Done(name.0.clone(), name.1).store_key();
                if !after.objects.contains_key(&done) {
                    fault(&name, format!("{key} is left, and nothing refers to it"));
                }
            }
            Key::Done(..) => {
                // So long at the most, as far as a listing tells.
                let Hint::Terminal(most) = Hint::of_size(object.body.len() as u64) else {
                    continue;
                };
                let age = after.swept_at.since(object.last_modified);
                if age > most + MARGIN {
                    let what = format!("{key} is {age:?} old, its time was {most:?}");
                    fault(&name, what);
                }
            }
            _ => {}
        }
    }
}
