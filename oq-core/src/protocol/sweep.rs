//! Sweeping: outcomes past their retention, and what nothing refers to any more.
//!
//! An outcome is what keeps a late copy of its live object from being run, so it goes only when the
//! shard's live listing, taken with it, shows no such object: live first, the outcome at the next
//! sweep. Payloads go last; what a crash in between leaves is swept as an orphan a day later.

use std::collections::BTreeSet;
use std::time::Duration;

use super::finish;
use super::keyed::FORGOTTEN;
use super::lookup::{lookup, outcome};
use super::pages::Pages;
use super::root::Root;
use super::write::read;
use crate::error::{Error, Result};
use crate::record::{Hint, Idempotency, Key, ObjectId, QueueName, Shard, prefix};
use crate::store::{List, Listed, MAX_DELETE, StoreKey, Write};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// Dates may be truncated to a second on either side.
const DATE_MARGIN: Duration = Duration::from_secs(2);

/// A dead letter is written after its outcome; younger ones may be on their way.
const DANGLING: Duration = Duration::from_secs(3600);

/// A payload is written before its task, and outlives its outcome for a moment.
const ORPHAN: Duration = Duration::from_secs(86_400);

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Outcome objects deleted.
    pub outcomes: u64,
    /// Dead letters deleted.
    pub dead: u64,
    /// Payloads deleted.
    pub payloads: u64,
    /// Idempotency keys deleted.
    pub keys: u64,
    /// Live objects that had been left behind, whose outcome waits for the next sweep.
    pub repaired: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// Sweeps one page of a shard's outcomes, beginning behind `after`: one LIST when nothing is due,
/// else one for each of live (a thousand objects), dead letters and payloads besides.
///
/// `thorough` looks for dangling dead letters and orphaned payloads although no outcome is due; once
/// a day is enough. An object whose payload seems orphaned is looked up first: 3 GET.
#[tracing::instrument(name = "sweep", level = "debug", skip_all, fields(%queue, shard = %shard.code()))]
pub async fn sweep_outcomes(
    root: &Root,
    queue: &QueueName,
    shard: Shard,
    after: Option<&str>,
    thorough: bool,
) -> Result<Swept> {
    let mut list = List::prefix(prefix::done_shard(queue, shard));
    if let Some(after) = after {
        list = list.after(after);
    }
    let answer = root.list(&list).await?;
    let (date, page) = (answer.date, answer.value);
    let mut swept = Swept {
        next: page.next.clone(),
        ..Swept::default()
    };
    let there: BTreeSet<ObjectId> = page
        .entries
        .iter()
        .filter_map(|entry| object_of(&entry.key))
        .collect();
    let due: Vec<ObjectId> = page
        .entries
        .iter()
        .filter(|entry| is_over(entry, Duration::ZERO, date))
        .filter_map(|entry| object_of(&entry.key))
        .collect();
    if due.is_empty() && !thorough {
        return Ok(swept);
    }
    let live = if mutated(Mutant::SweepWithoutLive) {
        BTreeSet::new()
    } else {
        live_objects(root, queue, shard).await?
    };
    let (left, gone): (Vec<ObjectId>, Vec<ObjectId>) =
        due.into_iter().partition(|id| live.contains(id));
    for id in left {
        repair(root, queue, id).await?;
        swept.repaired += 1;
    }
    let gone: BTreeSet<ObjectId> = gone.into_iter().collect();
    let range = Range {
        after: after.and_then(last_id),
        until: page.next.as_deref().and_then(last_id),
    };
    let unknown = |id: &ObjectId| !there.contains(id) && !live.contains(id);
    let old = |entry: &Listed, age| entry.last_modified.plus(age) < date;
    let orphan = match mutated(Mutant::OrphansSweptAtOnce) {
        true => Duration::ZERO,
        false => ORPHAN,
    };

    let dead = within(
        root,
        prefix::dead_shard(queue, shard),
        &range,
        |entry, id| gone.contains(id) || (unknown(id) && old(entry, DANGLING)),
    )
    .await?;
    let mut payloads = within(
        root,
        prefix::payload_shard(queue, shard),
        &range,
        |entry, id| gone.contains(id) || (unknown(id) && old(entry, orphan)),
    )
    .await?;
    keep_needed(root, queue, &gone, &mut payloads).await?;
    let outcomes = gone
        .iter()
        .map(|id| Key::Done(queue.clone(), *id).store_key());
    swept.dead = delete(root, dead).await?;
    let (deleted, stayed) = delete_all(root, outcomes.collect()).await?;
    swept.outcomes = deleted;
    // What an outcome refers to stays as long as the outcome.
    let stayed: BTreeSet<ObjectId> = stayed.iter().filter_map(object_of).collect();
    payloads.retain(|key| object_of(key).is_none_or(|id| !stayed.contains(&id)));
    if !mutated(Mutant::PayloadsNeverSwept) {
        swept.payloads = delete(root, payloads).await?;
    }
    Ok(swept)
}

/// Sweeps one page of idempotency keys whose tasks are long forgotten, where the store can delete
/// conditionally: one LIST, and for each key that is due a GET, a look-up and a DELETE.
#[tracing::instrument(level = "debug", skip_all, fields(%queue))]
pub async fn sweep_keys(root: &Root, queue: &QueueName, after: Option<&str>) -> Result<Swept> {
    let mut swept = Swept::default();
    if !root.store().abilities().delete_if {
        return Ok(swept);
    }
    let mut list = List::prefix(prefix::keys(queue));
    if let Some(after) = after {
        list = list.after(after);
    }
    let answer = root.list(&list).await?;
    swept.next = answer.value.next.clone();
    for entry in answer.value.entries {
        // Younger than that, whoever finds it without a task may be about to create one.
        if !is_over(&entry, FORGOTTEN, answer.date) {
            continue;
        }
        let Some(key) = Key::parse(entry.key.as_str()) else {
            continue;
        };
        let record = match read::<Idempotency>(root, &key).await {
            Ok(Some(record)) if record.etag == entry.etag => record,
            Ok(_) => continue,
            Err(e) => {
                skipped(&entry.key, &e)?;
                continue;
            }
        };
        match lookup(root, queue, record.record.id).await {
            Ok(None) => {
                let answer = root.delete_if(&entry.key, &record.etag).await?;
                swept.keys += u64::from(matches!(answer, Write::Won { .. }));
            }
            Ok(Some(_)) => {}
            Err(e) => skipped(&entry.key, &e)?,
        }
    }
    Ok(swept)
}

/// What cannot be read is left as it is, and does not stop the sweep of the others.
fn skipped(key: &StoreKey, e: &Error) -> Result<()> {
    if !matches!(e, Error::Unreadable { .. }) {
        return Err(e.clone());
    }
    tracing::warn!(%key, error = %e, "the sweep leaves an object that it cannot read");
    Ok(())
}

/// Whether the time that an object's length speaks of has passed.
fn is_over(entry: &Listed, longer: Duration, date: StoreTime) -> bool {
    match Hint::of_size(entry.size) {
        Hint::Terminal(at_most) => {
            let until = entry.last_modified.plus(at_most).plus(longer);
            until.plus(DATE_MARGIN) < date
        }
        _ => false,
    }
}

/// A task that ended between the two listings is in neither: outcomes were listed before, live
/// objects after. So one look more before its payload goes for an orphan.
async fn keep_needed(
    root: &Root,
    queue: &QueueName,
    gone: &BTreeSet<ObjectId>,
    payloads: &mut Vec<StoreKey>,
) -> Result<()> {
    let orphans: BTreeSet<ObjectId> = payloads.iter().filter_map(object_of).collect();
    let mut needed = BTreeSet::new();
    for id in orphans.difference(gone) {
        match lookup(root, queue, *id).await {
            Ok(None) => continue,
            Ok(Some(_)) => {}
            Err(e) => skipped(&Key::Live(queue.clone(), *id).store_key(), &e)?,
        }
        needed.insert(*id);
    }
    payloads.retain(|key| object_of(key).is_none_or(|id| !needed.contains(&id)));
    Ok(())
}

async fn live_objects(root: &Root, queue: &QueueName, shard: Shard) -> Result<BTreeSet<ObjectId>> {
    let mut live = BTreeSet::new();
    let mut pages = Pages::new(root, prefix::live_shard(queue, shard));
    while let Some(page) = pages.next().await? {
        live.extend(page.value.iter().filter_map(|entry| object_of(&entry.key)));
    }
    Ok(live)
}

/// The live object of a recorded outcome was left behind: dead letters first, then away with it.
async fn repair(root: &Root, queue: &QueueName, id: ObjectId) -> Result<()> {
    match outcome(root, queue, id).await {
        Ok(Some(done)) if !done.record.is_seal() => {
            finish::clear(root, queue, id, &done.record).await?;
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(e) => skipped(&Key::Done(queue.clone(), id).store_key(), &e),
    }
}

/// The objects that a page speaks of: those behind `after`, up to `until`.
struct Range {
    after: Option<ObjectId>,
    until: Option<ObjectId>,
}

/// The keys below a prefix whose object is in the range and that are to go.
async fn within(
    root: &Root,
    prefix: String,
    range: &Range,
    goes: impl Fn(&Listed, &ObjectId) -> bool,
) -> Result<Vec<StoreKey>> {
    let mut pages = Pages::new(root, prefix.as_str());
    if let Some(after) = range.after {
        // Behind everything of that object.
        pages = pages.after(format!("{prefix}{after}~"));
    }
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await? {
        for entry in page.value {
            let Some(id) = object_of(&entry.key) else {
                continue;
            };
            if range.until.is_some_and(|until| id > until) {
                return Ok(keys);
            }
            if goes(&entry, &id) {
                keys.push(entry.key);
            }
        }
    }
    Ok(keys)
}

/// The object that a key belongs to.
fn object_of(key: &StoreKey) -> Option<ObjectId> {
    match Key::parse(key.as_str())? {
        Key::Live(_, id) | Key::Done(_, id) | Key::Payload(_, id, ..) => Some(id),
        Key::Dead(_, task) => Some(task.object()),
        _ => None,
    }
}

fn last_id(key: &str) -> Option<ObjectId> {
    key.rsplit('/').next()?.parse().ok()
}

/// Deletes keys; returns how many are gone. What could not be deleted is met again.
pub(crate) async fn delete(root: &Root, keys: Vec<StoreKey>) -> Result<u64> {
    Ok(delete_all(root, keys).await?.0)
}

/// The same, and says which could not be deleted.
pub(crate) async fn delete_all(
    root: &Root,
    keys: Vec<StoreKey>,
) -> Result<(u64, BTreeSet<StoreKey>)> {
    let (mut gone, mut stayed) = (0, BTreeSet::new());
    for some in keys.chunks(MAX_DELETE) {
        let failed = root.delete_many(some).await?;
        if let Some((key, error)) = failed.first() {
            tracing::warn!(%key, %error, failed = failed.len(), "some objects could not be deleted");
        }
        gone += (some.len() - failed.len()) as u64;
        stayed.extend(failed.into_iter().map(|(key, _)| key));
    }
    Ok((gone, stayed))
}

#[cfg(test)]
mod tests;
