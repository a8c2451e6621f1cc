//! Dead letters: failed tasks that nobody dealt with, one by one or by the fault they show.

use std::collections::{BTreeMap, VecDeque};

use futures::future::join_all;
use serde::Serialize;

use super::Queue;
use super::filter::Filter;
use super::list::Place;
use super::skip;
use crate::error::{Error, Result};
use crate::protocol::pages::Pages;
use crate::record::{Dead, Fingerprint, Key, TaskId, TaskType, decode, prefix};
use crate::store::Listed;
use crate::time::StoreTime;

/// How many letters are read at a time.
const READS: usize = 16;

/// How many ids a group remembers.
const SAMPLES: usize = 3;

/// A failed task as its dead letter tells it, without its input and history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The task.
    pub id: TaskId,
    /// Which fault it shows.
    pub fingerprint: Fingerprint,
    /// Which handler failed.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// When it failed for the last time.
    pub at: StoreTime,
    /// How many attempts were made.
    pub attempts: u32,
    /// The failure's kind.
    pub kind: String,
    /// The beginning of its message.
    pub message: String,
    /// Free names and values.
    pub tags: BTreeMap<String, String>,
}

impl DeadLetter {
    fn of(id: TaskId, dead: Dead) -> DeadLetter {
        DeadLetter {
            id,
            fingerprint: Fingerprint::of(&dead.task_type, &dead.kind, &dead.message),
            task_type: dead.task_type,
            at: dead.at,
            attempts: dead.attempts,
            kind: dead.kind,
            message: dead.message,
            tags: dead.tags,
        }
    }
}

/// Dead letters that show the same fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadGroup {
    /// Which fault.
    pub fingerprint: Fingerprint,
    /// How many.
    pub count: u64,
    /// The handler that failed.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// The failure's kind.
    pub kind: String,
    /// The message of the newest.
    pub message: String,
    /// When the first and the last failed.
    pub first: StoreTime,
    /// See there.
    pub last: StoreTime,
    /// A few of the tasks, the newest first.
    pub tasks: Vec<TaskId>,
}

/// Groups letters by fault, the largest group first.
///
/// ```
/// # use oq_core::queue::{Filter, Queue, group_dead};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> oq_core::Result<()> {
/// let queue = Queue::connect("memory:").await?;
/// let letters = queue.dead(Filter::new()).all().await?;
/// for group in group_dead(&letters) {
///     println!("{} × {}: {}", group.count, group.kind, group.message);
/// }
/// # Ok(()) }
/// ```
pub fn group_dead<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Vec<DeadGroup> {
    let mut groups: BTreeMap<Fingerprint, (DeadGroup, Vec<(StoreTime, TaskId)>)> = BTreeMap::new();
    for letter in letters {
        let (group, tasks) = groups.entry(letter.fingerprint).or_insert_with(|| {
            let group = DeadGroup {
                fingerprint: letter.fingerprint,
                count: 0,
                task_type: letter.task_type.clone(),
                kind: letter.kind.clone(),
                message: letter.message.clone(),
                first: letter.at,
                last: letter.at,
                tasks: Vec::new(),
            };
            (group, Vec::new())
        });
        group.count += 1;
        group.first = group.first.min(letter.at);
        if letter.at > group.last {
            group.last = letter.at;
            group.message.clone_from(&letter.message);
        }
        tasks.push((letter.at, letter.id));
        if tasks.len() > 64 * SAMPLES {
            newest(tasks);
        }
    }
    let mut groups: Vec<DeadGroup> = groups
        .into_values()
        .map(|(mut group, mut tasks)| {
            newest(&mut tasks);
            group.tasks = tasks.into_iter().map(|(_, id)| id).collect();
            group
        })
        .collect();
    groups.sort_by_key(|g| (std::cmp::Reverse(g.count), g.fingerprint));
    groups
}

fn newest(tasks: &mut Vec<(StoreTime, TaskId)>) {
    tasks.sort_unstable_by(|a, b| b.cmp(a));
    tasks.truncate(SAMPLES);
}

/// Dead letters that match a filter, read as they are asked for: one LIST for a thousand, and one
/// GET for each.
#[derive(Debug)]
pub struct DeadLetters {
    queue: Queue,
    filter: Filter,
    fingerprints: Vec<Fingerprint>,
    left: u64,
    pages: Pages,
    entries: VecDeque<Listed>,
    ready: VecDeque<DeadLetter>,
    unreadable: u64,
}

impl Queue {
    /// Lists dead letters. Of the filter count types, tags, times, priority and limit.
    pub fn dead(&self, filter: Filter) -> DeadLetters {
        let mut pages = Pages::new(self.root(), prefix::dead(self.name()));
        pages.go_on(|after| skip::next(&filter, Place::Dead, self.name(), after));
        DeadLetters {
            queue: self.clone(),
            left: filter.limit.unwrap_or(u64::MAX),
            filter,
            fingerprints: Vec::new(),
            pages,
            entries: VecDeque::new(),
            ready: VecDeque::new(),
            unreadable: 0,
        }
    }

    /// Removes the dead letter of a task that needs nothing more. Its outcome stays until its
    /// retention is over. One DELETE.
    pub async fn dismiss(&self, id: TaskId) -> Result<()> {
        let key = Key::Dead(self.name().clone(), id).store_key();
        Ok(self.root().delete(&key).await?)
    }
}

impl DeadLetters {
    /// Only letters that show this fault; more than one may be named.
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> DeadLetters {
        self.fingerprints.push(fingerprint);
        self
    }

    /// The next letter; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>> {
        while self.left > 0 {
            if let Some(letter) = self.ready.pop_front() {
                self.left -= 1;
                return Ok(Some(letter));
            }
            if self.entries.is_empty() {
                let Some(page) = self.pages.next().await? else {
                    return Ok(None);
                };
                let (filter, queue) = (&self.filter, self.queue.name());
                self.pages
                    .go_on(|after| skip::next(filter, Place::Dead, queue, after));
                self.entries.extend(page.value);
            }
            self.read().await?;
        }
        Ok(None)
    }

    /// How many letters could not be understood so far; they were left as they are.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// All that are left, in memory.
    pub async fn all(mut self) -> Result<Vec<DeadLetter>> {
        let mut all = Vec::new();
        while let Some(letter) = self.next().await? {
            all.push(letter);
        }
        Ok(all)
    }

    async fn read(&mut self) -> Result<()> {
        let some = self.entries.iter().take(READS);
        let read = join_all(some.map(|e| letter(&self.queue, &self.filter, e))).await;
        for letter in read {
            match letter {
                Ok(Some(letter)) if self.wants(&letter) => self.ready.push_back(letter),
                Ok(_) => {}
                Err(Error::Unreadable { .. }) => self.unreadable += 1,
                // This one and what is behind it is read again by the next call.
                Err(e) => return Err(e),
            }
            self.entries.pop_front();
        }
        Ok(())
    }

    fn wants(&self, letter: &DeadLetter) -> bool {
        self.fingerprints.is_empty() || self.fingerprints.contains(&letter.fingerprint)
    }
}

async fn letter(queue: &Queue, filter: &Filter, entry: &Listed) -> Result<Option<DeadLetter>> {
    let Some(Key::Dead(_, task)) = Key::parse(entry.key.as_str()) else {
        return Err(Error::Unreadable {
            key: entry.key.to_string(),
            why: "its key is not one that oq writes".into(),
        });
    };
    if !filter.may_be(task.object()) {
        return Ok(None);
    }
    let Some(object) = queue.root().get(&entry.key).await?.value else {
        return Ok(None);
    };
    let dead: Dead = decode(&entry.key, &object.body)?;
    let wanted = filter.matches_dead(task.object(), &dead.task_type, &dead.tags);
    Ok(wanted.then(|| DeadLetter::of(task, dead)))
}
