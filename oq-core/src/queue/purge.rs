//! Purging a queue: everything that was submitted before now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::Queue;
use crate::error::{Error, Result};
use crate::protocol::keyed::FRESH;
use crate::protocol::pages::Pages;
use crate::protocol::sweep::{delete, delete_all};
use crate::protocol::write::read;
use crate::record::{Done, Idempotency, Key, Live, ObjectId, Shard, prefix};
use crate::store::{Listed, StoreKey, Write};
use crate::time::StoreTime;

/// Dates may be truncated to a second on either side, and clients' estimates of the store's time
/// differ by that.
const DATE_MARGIN: Duration = Duration::from_secs(2);

/// A payload is written before its task, at most so much.
const PAYLOAD_AHEAD: Duration = Duration::from_secs(600);

/// So many deleted objects are remembered for the sake of their payloads, and those of a page.
#[cfg(not(test))]
const REMEMBERED: usize = 10_000;
#[cfg(test)]
const REMEMBERED: usize = 50;

/// What a purge has to know of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Older,
    Younger,
    Unreadable,
}

/// Whether nothing was written to it since that moment: it belongs to a task submitted before.
pub(super) fn is_older(entry: &Listed, before: StoreTime) -> bool {
    entry.last_modified.plus(DATE_MARGIN) < before
}

/// What a purge deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Live objects.
    pub live: u64,
    /// Outcome objects.
    pub done: u64,
    /// Dead letters.
    pub dead: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// Payloads.
    pub payloads: u64,
    /// Objects that could not be understood, and were left as they are.
    pub unreadable: u64,
    /// Live objects that the store did not delete. What belongs to them is left, too, but for keys: without its outcome
    /// a task would run once more where the purge is not known yet. Another purge deletes them.
    pub left: u64,
}

impl Queue {
    /// Deletes all tasks that were submitted before now, with their outcomes, dead letters, keys and
    /// payloads. Running ones are lost by their workers at the next write.
    ///
    /// The moment is put into the settings first, so from then on nothing of them is claimed by who knows
    /// of it (workers do in a few seconds, and within two minutes at the most), also if this is broken
    /// off: whatever is left or was on its way is deleted instead of run, by workers or by another purge. What a late write leaves under `done/` and `payload/` goes with a second
    /// pass ([`Queue::purge_again`]) an hour later. Takes two seconds at least, so that what is
    /// submitted after it has returned is never taken for older. Where the store cannot delete
    /// conditionally, keys stay and are taken for free.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
    /// queue.purge().await?;
    /// assert!(queue.get(task.id).await.is_err());
    /// # Ok(()) }
    /// ```
    #[tracing::instrument(level = "debug", skip_all, fields(queue = %self.name()))]
    pub async fn purge(&self) -> Result<Purged> {
        // What was submitted in this very millisecond is older than the purge, too.
        let now = self.root().now().plus(Duration::from_millis(1));
        let settings = self
            .change_settings(move |s| s.purged_before = s.purged_before.max(Some(now)))
            .await?;
        self.root().env().sleep(DATE_MARGIN).await;
        self.pass(settings.purged_before.unwrap_or(now)).await
    }

    /// The second pass of the last purge: deletes what landed late.
    pub async fn purge_again(&self) -> Result<Purged> {
        match self.settings().await?.purged_before {
            Some(before) => self.pass(before).await,
            None => Ok(Purged::default()),
        }
    }

    async fn pass(&self, before: StoreTime) -> Result<Purged> {
        let mut purged = Purged::default();
        // What is younger needs no memory: its outcome and payloads are younger, too.
        let (mut gone, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let mut pages = Pages::new(self.root(), prefix::live(self.name()));
        while let Some(page) = pages.next().await? {
            let mut keys = Vec::new();
            for entry in page.value {
                let Some(Key::Live(_, id)) = Key::parse(entry.key.as_str()) else {
                    continue;
                };
                match self.age(&entry, id, before).await? {
                    Age::Older => {
                        keys.push(entry.key);
                        gone.insert(id);
                    }
                    Age::Younger => {}
                    Age::Unreadable => {
                        purged.unreadable += 1;
                        kept.insert(id);
                    }
                }
            }
            let (deleted, stayed) = delete_all(self.root(), keys).await?;
            purged.live += deleted;
            purged.left += stayed.len() as u64;
            for key in stayed {
                if let Some(Key::Live(_, id)) = Key::parse(key.as_str()) {
                    gone.remove(&id);
                    kept.insert(id);
                }
            }
            if gone.len() >= REMEMBERED {
                purged.payloads += self.purge_payloads_of(&std::mem::take(&mut gone)).await?;
            }
        }
        purged.dead = self.purge_dead(before, &kept).await?;
        purged.keys = self.purge_keys(before).await?;
        purged.payloads += self.purge_payloads(before, &gone, &kept).await?;
        let mut pages = Pages::new(self.root(), prefix::done(self.name()));
        while let Some(page) = pages.next().await? {
            let mut keys = Vec::new();
            for entry in page.value {
                let Some(Key::Done(_, id)) = Key::parse(entry.key.as_str()) else {
                    continue;
                };
                if kept.contains(&id) {
                    continue;
                }
                match self.age(&entry, id, before).await? {
                    Age::Older => keys.push(entry.key),
                    Age::Younger => {}
                    Age::Unreadable => purged.unreadable += 1,
                }
            }
            purged.done += delete(self.root(), keys).await?;
        }
        Ok(purged)
    }

    /// Whether a live object or outcome belongs to a task submitted before that moment. What was
    /// not written since needs no look.
    async fn age(&self, entry: &Listed, id: ObjectId, before: StoreTime) -> Result<Age> {
        if is_older(entry, before) {
            return Ok(Age::Older);
        }
        let (root, queue) = (self.root(), self.name().clone());
        let submitted = match Key::parse(entry.key.as_str()) {
            Some(Key::Live(..)) => read::<Live>(root, &Key::Live(queue, id))
                .await
                .map(|live| live.map(|l| l.record.write.created)),
            _ => read::<Done>(root, &Key::Done(queue, id))
                .await
                .map(|done| done.map(|d| d.record.submitted)),
        };
        match submitted {
            Ok(Some(at)) if at < before => Ok(Age::Older),
            Ok(_) => Ok(Age::Younger),
            Err(Error::Unreadable { .. }) => Ok(Age::Unreadable),
            Err(e) => Err(e),
        }
    }

    async fn purge_dead(&self, before: StoreTime, kept: &BTreeSet<ObjectId>) -> Result<u64> {
        let mut deleted = 0;
        let mut pages = Pages::new(self.root(), prefix::dead(self.name()));
        while let Some(page) = pages.next().await? {
            let mut keys: Vec<StoreKey> = Vec::new();
            for entry in page.value {
                let Some(Key::Dead(queue, task)) = Key::parse(entry.key.as_str()) else {
                    continue;
                };
                if kept.contains(&task.object()) {
                    continue;
                }
                let older = is_older(&entry, before) || {
                    let done = Key::Done(queue, task.object());
                    match read::<Done>(self.root(), &done).await {
                        Ok(done) => done.is_none_or(|d| d.record.submitted < before),
                        Err(Error::Unreadable { .. }) => false,
                        Err(e) => return Err(e),
                    }
                };
                if older {
                    keys.push(entry.key);
                }
            }
            deleted += delete(self.root(), keys).await?;
        }
        Ok(deleted)
    }

    /// A key may be used again while it is looked at, so it is deleted only as the version seen.
    async fn purge_keys(&self, before: StoreTime) -> Result<u64> {
        let mut deleted = 0;
        if !self.root().store().abilities().delete_if {
            return Ok(deleted);
        }
        let mut pages = Pages::new(self.root(), prefix::keys(self.name()));
        while let Some(page) = pages.next().await? {
            for entry in page.value {
                if self.is_key_older(&entry, before).await? {
                    let answer = self.root().delete_if(&entry.key, &entry.etag).await?;
                    deleted += u64::from(matches!(answer, Write::Won { .. }));
                }
            }
        }
        Ok(deleted)
    }

    /// Whether a key stands for a task that was submitted before that moment. The record says when; far
    /// from the moment its date does.
    async fn is_key_older(&self, entry: &Listed, before: StoreTime) -> Result<bool> {
        let Some(key @ Key::Idempotency(..)) = Key::parse(entry.key.as_str()) else {
            return Ok(false);
        };
        let written = entry.last_modified;
        if written.plus(FRESH) < before || before.plus(FRESH) < written {
            return Ok(written < before);
        }
        match read::<Idempotency>(self.root(), &key).await {
            Ok(record) => Ok(record.is_some_and(|record| record.record.write.created < before)),
            Err(Error::Unreadable { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Deletes the payloads of these objects: in each of their shards one LIST for each thousand keys
    /// between the first and the last.
    async fn purge_payloads_of(&self, gone: &BTreeSet<ObjectId>) -> Result<u64> {
        let mut deleted = 0;
        let mut shards: BTreeMap<Shard, Vec<ObjectId>> = BTreeMap::new();
        for id in gone {
            shards.entry(id.shard()).or_default().push(*id);
        }
        for (shard, ids) in shards {
            let prefix = prefix::payload_shard(self.name(), shard);
            let last = ids[ids.len() - 1];
            let mut pages =
                Pages::new(self.root(), prefix.as_str()).after(format!("{prefix}{}", ids[0]));
            let mut more = true;
            while more && let Some(page) = pages.next().await? {
                let mut keys = Vec::new();
                for entry in page.value {
                    let Some(Key::Payload(_, id, ..)) = Key::parse(entry.key.as_str()) else {
                        continue;
                    };
                    more &= id <= last;
                    if gone.contains(&id) {
                        keys.push(entry.key);
                    }
                }
                deleted += delete(self.root(), keys).await?;
            }
        }
        Ok(deleted)
    }

    async fn purge_payloads(
        &self,
        before: StoreTime,
        gone: &BTreeSet<ObjectId>,
        kept: &BTreeSet<ObjectId>,
    ) -> Result<u64> {
        let mut deleted = 0;
        let mut pages = Pages::new(self.root(), prefix::payloads(self.name()));
        while let Some(page) = pages.next().await? {
            let older = page.value.into_iter().filter(|entry| {
                let Some(Key::Payload(_, id, ..)) = Key::parse(entry.key.as_str()) else {
                    return false;
                };
                let old = entry.last_modified.plus(PAYLOAD_AHEAD) < before;
                gone.contains(&id) || (old && !kept.contains(&id))
            });
            let keys = older.map(|entry| entry.key).collect();
            deleted += delete(self.root(), keys).await?;
        }
        Ok(deleted)
    }
}
