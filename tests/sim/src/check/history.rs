//! The log of applied writes, decoded and sorted by the object it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::record::{
    Dead, Done, Idempotency, Key, KeyHash, Live, ObjectId, QueueName, Record, Settings, Stamp,
    TaskId, decode,
};
use oq_core::store::{Object, StoreKey};
use oq_core::testing::sim_store::Applied;
use serde::Deserialize;

use super::Violation;
use crate::foreign;
use crate::newer::FIELD;
use crate::parcel::Parcels;

/// One change of one key.
#[derive(Debug, Clone)]
pub struct Change<R> {
    /// Its place in the log.
    pub seq: usize,
    pub at: Duration,
    pub sent: Duration,
    pub client: u16,
    pub old: Option<Arc<R>>,
    pub new: Option<Arc<R>>,
}

/// Everything that happened to one object.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub live: Vec<Change<Live>>,
    pub done: Vec<Change<Done>>,
    pub dead: BTreeMap<usize, Vec<Change<Dead>>>,
}

/// Names an object.
pub type Name = (QueueName, ObjectId);

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Histories {
    pub objects: BTreeMap<Name, History>,
    pub keys: BTreeMap<(QueueName, KeyHash), Vec<Change<Idempotency>>>,
    /// When queues were purged, and of what.
    pub purges: Vec<Purge>,
    /// What was ever kept outside of records.
    pub parcels: Parcels,
    /// Tasks that somebody tried again, answered or not.
    pub retried: BTreeSet<(QueueName, TaskId)>,
    /// When the last submission began whose answer named the object.
    pub asked: BTreeMap<Name, Duration>,
}

/// A purge: what was submitted before a moment may be gone from now on.
#[derive(Debug, Clone)]
pub struct Purge {
    pub queue: QueueName,
    pub at: Duration,
    pub before: StoreTime,
}

/// What is submitted so long after a purge is younger than it.
const PURGING: Duration = Duration::from_secs(2);

/// Who is nobody's client.
pub const BY_HAND: u16 = 0;

#[derive(Deserialize)]
struct Stamped {
    write: Stamp,
}

impl Histories {
    /// Decodes a log. What cannot be decoded, is in the wrong place, or does not build on what it
    /// replaced is a violation.
    pub fn of(log: &[Applied], queues: &[QueueName]) -> (Histories, Vec<Violation>) {
        let mut all = Histories {
            parcels: Parcels::of(log),
            ..Histories::default()
        };
        let mut bad = Vec::new();
        for (seq, change) in log.iter().enumerate() {
            if foreign::is_one(&change.key) {
                continue;
            }
            let Some(key) = Key::parse(change.key.as_str()) else {
                let what = format!("{} is not a key of oq", change.key);
                bad.push(Violation::new("I20", None, change.at, what));
                continue;
            };
            if queue_of(&key).is_some_and(|q| !queues.contains(q)) {
                let what = format!("{} is in a queue that nobody uses", change.key);
                bad.push(Violation::new("I20", None, change.at, what));
            }
            let name = name_of(&key);
            if let Err(what) = lineage(change) {
                bad.push(Violation::new("I5", name.clone(), change.at, what));
            }
            if let Err(what) = all.add(seq, &key, change) {
                bad.push(Violation::new("I5", name, change.at, what));
            }
        }
        (all, bad)
    }

    /// Tasks that somebody tried again, which takes their dead letters away.
    pub fn retried(&self, queue: &QueueName, task: TaskId) -> bool {
        self.retried.contains(&(queue.clone(), task))
    }

    /// Whether an object may be gone at a moment because its queue was purged. A task is as old as the
    /// record of its key, but nobody who submits after a purge may be told of a task that it took.
    pub fn purged(&self, name: &Name, at: Duration) -> bool {
        let history = self.objects.get(name);
        let created = history.and_then(|h| h.live.iter().find_map(|c| c.new.as_ref()));
        let asked = self.asked.get(name).copied().unwrap_or_default();
        created.is_some_and(|live| {
            let of = |p: &&Purge| p.queue == name.0 && p.at <= at && asked < p.at + PURGING;
            let mut purges = self.purges.iter().filter(of);
            purges.any(|p| live.write.created < p.before)
        })
    }

    fn add(&mut self, seq: usize, key: &Key, change: &Applied) -> Result<(), String> {
        let object = |q: &QueueName, id: &ObjectId| (q.clone(), *id);
        match key {
            Key::Live(q, id) => {
                let list = &mut self.objects.entry(object(q, id)).or_default().live;
                push(list, seq, change)?;
                let live = list.last().and_then(|c| c.new.as_ref());
                let again = live.and_then(|l| l.retry_of);
                self.retried.extend(again.map(|task| (q.clone(), task)));
                Ok(())
            }
            Key::Done(q, id) => {
                let list = &mut self.objects.entry(object(q, id)).or_default().done;
                push(list, seq, change)
            }
            Key::Dead(q, task) => {
                let history = self.objects.entry(object(q, &task.object())).or_default();
                push(history.dead.entry(task.index()).or_default(), seq, change)
            }
            Key::Idempotency(q, hash) => push(
                self.keys.entry((q.clone(), hash.clone())).or_default(),
                seq,
                change,
            ),
            Key::Settings(q) => {
                let settings = change.new.as_ref().map(|o| record(&change.key, o));
                let settings: Option<Arc<Settings>> = settings.transpose()?;
                if let Some(before) = settings.and_then(|s| s.purged_before) {
                    let (queue, at) = (q.clone(), change.at);
                    self.purges.push(Purge { queue, at, before });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn push<R: Record>(list: &mut Vec<Change<R>>, seq: usize, change: &Applied) -> Result<(), String> {
    // What is replaced was decoded when it was written.
    let old = match &change.old {
        None => None,
        Some(old) => match list.last().and_then(|c| c.new.clone()) {
            Some(known) => Some(known),
            None => Some(record(&change.key, old)?),
        },
    };
    let new = change
        .new
        .as_ref()
        .map(|o| record(&change.key, o))
        .transpose()?;
    let (at, sent, client) = (change.at, change.sent, change.client);
    list.push(Change {
        seq,
        at,
        sent,
        client,
        old,
        new,
    });
    Ok(())
}

fn record<R: Record>(key: &StoreKey, object: &Object) -> Result<Arc<R>, String> {
    decode::<R>(key, &object.body)
        .map(Arc::new)
        .map_err(|e| format!("what was written: {e}"))
}

/// I5: the write id that was read is the one that was replaced.
fn lineage(change: &Applied) -> Result<(), String> {
    let Some(new) = change.new.as_ref().filter(|_| change.client != BY_HAND) else {
        return Ok(());
    };
    let stamp = |o: &Object| {
        serde_json::from_slice::<Stamped>(&o.body)
            .ok()
            .map(|s| s.write)
    };
    let Some(new) = stamp(new) else {
        // Payloads and shard hints carry no stamp.
        return Ok(());
    };
    let key = &change.key;
    let Some(old) = &change.old else {
        let fresh = new.generation == 1 && new.by.len() == 1 && new.last() == &new.created_by;
        return if fresh {
            Ok(())
        } else {
            Err(format!("{key} was created with the stamp {new:?}"))
        };
    };
    let Some(old) = stamp(old) else { return Ok(()) };
    let before = new.by.len().checked_sub(2).and_then(|i| new.by.get(i));
    let builds_on = before == Some(old.last())
        && new.generation == old.generation + 1
        && new.created_by == old.created_by
        && (new.created == old.created || names_another(change));
    if builds_on {
        return kept(change);
    }
    Err(format!(
        "a write of {key} read version {before:?} and replaced {:?}",
        old.last()
    ))
}

/// A key that names another task is as old as that.
fn names_another(change: &Applied) -> bool {
    let id = |object: &Option<Object>| {
        let body = object.as_ref().map_or(&[][..], |o| &o.body[..]);
        serde_json::from_slice::<Idempotency>(body)
            .ok()
            .map(|record| record.id)
    };
    let is_key = matches!(Key::parse(change.key.as_str()), Some(Key::Idempotency(..)));
    is_key && id(&change.old) != id(&change.new)
}

/// What programs of a newer version put into a record stays there.
fn kept(change: &Applied) -> Result<(), String> {
    let fields = |object: &Option<Object>| {
        let body = object.as_ref().map_or(&[][..], |o| &o.body[..]);
        let record: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let tasks = record["tasks"].as_array().cloned().unwrap_or_default();
        let in_tasks = tasks.iter().filter(|t| t.get(FIELD).is_some()).count();
        (record.get(FIELD).is_some(), in_tasks)
    };
    let (old, new) = (fields(&change.old), fields(&change.new));
    // An outcome takes the place of a seal, a key passes to another task: that is another record.
    let key = Key::parse(change.key.as_str());
    let same = key.is_some_and(|k| !matches!(k, Key::Done(..) | Key::Idempotency(..)));
    if same && (old.0 && !new.0 || old.1 > new.1) {
        return Err(format!(
            "a write of {} lost a field of a newer version",
            change.key
        ));
    }
    Ok(())
}

fn queue_of(key: &Key) -> Option<&QueueName> {
    match key {
        Key::Format | Key::Probe(..) => None,
        Key::Settings(q)
        | Key::Live(q, _)
        | Key::Done(q, _)
        | Key::Dead(q, _)
        | Key::Payload(q, ..)
        | Key::Idempotency(q, _)
        | Key::Bell(q)
        | Key::Presence(q, _) => Some(q),
    }
}

/// The object that a key belongs to.
pub fn name_of(key: &Key) -> Option<Name> {
    match key {
        Key::Live(q, id) | Key::Done(q, id) | Key::Payload(q, id, ..) => Some((q.clone(), *id)),
        Key::Dead(q, task) => Some((q.clone(), task.object())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use oq_core::record::{Data, Json, ObjectId, Priority, Shard, Slot, TaskType, WriteId};
    use oq_core::state::submit::{Draft, pending};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// A task submitted at 100 s, and a purge a second later.
    fn purged_task() -> (Histories, Name) {
        let at = StoreTime(100_000);
        let by = WriteId::parse("W").expect("it is short");
        let stamp = Stamp {
            generation: 1,
            by: vec![by.clone()],
            created_by: by,
            created: at,
        };
        let draft = Draft {
            reason: None,
            task_type: TaskType::new("act").expect("a good name"),
            options: Default::default(),
            available_at: None,
            key: None,
            retry_of: None,
        };
        let slot = Slot::new(Data::Json(Json::null()));
        let created = Change {
            seq: 0,
            at: 100 * S,
            sent: 100 * S,
            client: 1,
            old: None,
            new: Some(Arc::new(pending(&draft, vec![slot], stamp))),
        };
        let shard = Shard::new(0).expect("there is a first");
        let id = ObjectId::from_parts(at, 0, Priority::NORMAL, 1, shard);
        let name = (QueueName::new("mail").expect("a good name"), id);
        let mut all = Histories::default();
        all.objects.entry(name.clone()).or_default().live = vec![created];
        all.purges.push(Purge {
            queue: name.0.clone(),
            at: 101 * S,
            before: StoreTime(101_000),
        });
        (all, name)
    }

    #[test]
    fn a_purge_excuses_only_what_nobody_was_told_of_who_came_after_it() {
        let (mut all, name) = purged_task();
        assert!(!all.purged(&name, 100 * S), "not yet");
        assert!(all.purged(&name, 101 * S));
        all.asked.insert(name.clone(), 102 * S);
        assert!(all.purged(&name, 200 * S), "about at the same time");
        // Under a key whose record is as old as the task.
        all.asked.insert(name.clone(), 103 * S);
        assert!(!all.purged(&name, 200 * S));
    }
}
