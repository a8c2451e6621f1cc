//! Which workers are present at a queue.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use serde::Serialize;

use super::Queue;
use crate::error::{Error, Result};
use crate::protocol::pages::Pages;
use crate::protocol::write::read;
use crate::record::{Key, Presence, TaskType, WorkerId, prefix};
use crate::store::Listed;
use crate::time::StoreTime;

/// How many bodies are read at a time.
const READS: usize = 16;

/// A worker that announced itself at a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerView {
    /// Its id, new with every start.
    pub id: WorkerId,
    /// When it began.
    pub since: StoreTime,
    /// When it last showed itself; it does so every half minute.
    pub seen: StoreTime,
    /// Whether it showed itself lately. One that ended cleanly is not listed any more; one that
    /// did not is listed for a day.
    pub present: bool,
    /// What it tells of itself: host, process, and under `types` the task types that it runs.
    pub about: BTreeMap<String, String>,
}

impl WorkerView {
    /// The task types that it runs, if it says so.
    pub fn types(&self) -> Option<impl Iterator<Item = &str>> {
        let types = self.about.get(Presence::TYPES)?;
        Some(types.split_whitespace())
    }

    /// Whether it runs tasks of this type, as far as it says.
    pub fn runs(&self, task_type: &TaskType) -> bool {
        let Some(mut types) = self.types() else {
            return true;
        };
        types.any(|t| t == task_type.as_str())
    }
}

impl Queue {
    /// The workers that announced themselves here, the oldest first: one LIST for a thousand, and
    /// one GET for each. Workers that were told to stay out of the fleet are not among them.
    ///
    /// ```
    /// # use oq_core::queue::Queue;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// assert!(queue.workers().await?.is_empty());
    /// # Ok(()) }
    /// ```
    pub async fn workers(&self) -> Result<Vec<WorkerView>> {
        let mut workers = Vec::new();
        let mut pages = Pages::new(self.root(), prefix::fleet(self.name()));
        while let Some(page) = pages.next().await? {
            let now = page.date;
            let look = |entry: Listed| async move { self.look_at(&entry, now).await };
            let mut looks = stream::iter(page.value).map(look).buffered(READS);
            while let Some(worker) = looks.next().await {
                workers.extend(worker?);
            }
        }
        workers.sort_by_key(|w| w.since);
        Ok(workers)
    }

    async fn look_at(&self, entry: &Listed, now: StoreTime) -> Result<Option<WorkerView>> {
        let Some(Key::Presence(queue, id)) = Key::parse(entry.key.as_str()) else {
            return Ok(None);
        };
        let key = Key::Presence(queue, id.clone());
        let presence = match read::<Presence>(self.root(), &key).await {
            Ok(presence) => presence,
            // Whoever looks at workers is not stopped by one that cannot be read.
            Err(Error::Unreadable { .. }) => None,
            Err(e) => return Err(e),
        };
        Ok(presence.map(|presence| WorkerView {
            id,
            since: presence.record.write.created,
            seen: entry.last_modified,
            present: now.since(entry.last_modified) < Presence::STALE,
            about: presence.record.about,
        }))
    }
}
