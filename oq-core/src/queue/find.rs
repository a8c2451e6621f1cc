//! Finding tasks whose id begins with what somebody typed.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};

use super::Queue;
use crate::error::{Error, Result};
use crate::protocol::Root;
use crate::record::{Key, ObjectId, Priority, Shard, TaskId, prefix, quoted};
use crate::store::{List, Page};

/// Shorter beginnings are those of everything that was submitted in the same days.
pub const MIN_ID_PREFIX: usize = 6;

/// How many listings are made at a time.
const AT_A_TIME: usize = 16;

/// How many ids an ambiguous beginning is told with.
const TOLD: usize = 3;

impl Queue {
    /// The task whose id begins so; a whole id costs nothing and need not exist.
    ///
    /// Keys begin with shard and priority, so a beginning is looked for in each: one LIST for all
    /// live tasks and one for all outcomes while each fit on a page of a thousand, else two for
    /// each shard and one for each priority that is in use there (about 48 with 16 shards).
    /// [`Error::NotFound`] if there is none, [`Error::Conflict`] if there are several.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
    /// let begins = &task.id.to_string()[..16];
    /// assert_eq!(queue.find(begins).await?, task.id);
    /// # Ok(()) }
    /// ```
    pub async fn find(&self, text: &str) -> Result<TaskId> {
        let malformed = match text.parse::<TaskId>() {
            Ok(id) => return Ok(id),
            Err(e) => e,
        };
        let (begins, index) = match text.split_once('.') {
            Some((begins, index)) => (begins, Some(index)),
            None => (text, None),
        };
        let alphabet = begins
            .bytes()
            .all(|b| crate::record::CROCKFORD.contains(&b));
        let cut = begins.is_empty() && !text.is_empty();
        if !alphabet || cut || begins.len() >= 26 {
            return Err(malformed);
        }
        if begins.len() < MIN_ID_PREFIX {
            return Err(Error::invalid(
                format!("id {}", quoted(text)),
                format!("give at least its first {MIN_ID_PREFIX} characters, or all 26"),
            ));
        }
        let found = self.beginning_with(begins).await?;
        let mut ids = found.iter();
        match (ids.next(), ids.next()) {
            (None, _) => Err(Error::NotFound(format!(
                "a task whose id begins with {begins}"
            ))),
            (Some(id), None) => {
                let index = index.map_or(String::new(), |index| format!(".{index}"));
                format!("{id}{index}").parse()
            }
            (Some(_), Some(_)) => {
                let some: Vec<String> = found.iter().take(TOLD).map(|id| id.to_string()).collect();
                Err(Error::Conflict(format!(
                    "several ids begin with {begins}: {}{}",
                    some.join(", "),
                    if found.len() > TOLD { ", …" } else { "" }
                )))
            }
        }
    }

    /// The objects whose id begins so; a few of them if there are many.
    async fn beginning_with(&self, begins: &str) -> Result<BTreeSet<ObjectId>> {
        let (root, queue) = (self.root(), self.name());
        let mut found = BTreeSet::new();
        let mut narrow: Vec<String> = Vec::new();
        let shards = || (0..Shard::LIMIT).map_while(|n| Shard::new(n).ok());
        let high = usize::from(self.settings().await?.shards_high);

        let live = root.list(&List::prefix(prefix::live(queue))).await?.value;
        collect(&mut found, &live, begins);
        if live.next.is_some() {
            let folds = shards().take(high).map(|shard| async move {
                let list = List {
                    fold: true,
                    ..List::prefix(prefix::live_shard(queue, shard))
                };
                root.list(&list).await
            });
            let mut folds = stream::iter(folds).buffer_unordered(AT_A_TIME);
            while let Some(page) = folds.next().await {
                let priorities = page?.value.folders.into_iter();
                let ours = priorities.filter(|folder| {
                    let letter = folder.trim_end_matches('/').chars().next_back();
                    letter.and_then(Priority::from_char).is_some()
                });
                narrow.extend(ours.map(|folder| format!("{folder}{begins}")));
            }
        }
        let done = root.list(&List::prefix(prefix::done(queue))).await?.value;
        collect(&mut found, &done, begins);
        if done.next.is_some() {
            let done = |shard| format!("{}{begins}", prefix::done_shard(queue, shard));
            narrow.extend(shards().take(high).map(done));
        }
        let lists = narrow
            .into_iter()
            .map(|prefix| async move { few(root, prefix).await });
        let mut lists = stream::iter(lists).buffer_unordered(AT_A_TIME);
        while let Some(page) = lists.next().await {
            collect(&mut found, &page?, begins);
        }
        Ok(found)
    }
}

async fn few(root: &Root, prefix: String) -> Result<Page> {
    let few = u16::try_from(TOLD + 1).unwrap_or(u16::MAX);
    Ok(root.list(&List::prefix(prefix).limit(few)).await?.value)
}

fn collect(found: &mut BTreeSet<ObjectId>, page: &Page, begins: &str) {
    let ids = page
        .entries
        .iter()
        .filter_map(|entry| match Key::parse(entry.key.as_str()) {
            Some(Key::Live(_, id) | Key::Done(_, id)) => Some(id),
            _ => None,
        });
    found.extend(ids.filter(|id| id.to_string().starts_with(begins)));
}
