//! Listing tasks, page by page.

use std::collections::VecDeque;
use std::fmt;

use futures::future::{join, join_all};
use futures::stream::Stream;

use super::Queue;
use super::filter::Filter;
use super::skip;
use super::view::{TaskState, TaskView};
use crate::error::{Error, Result};
use crate::protocol::lookup::read_done;
use crate::record::{Dead, Hint, Key, Live, QueueName, TaskId, decode, prefix};
use crate::store::{List, Listed as Entry, MAX_PAGE};

/// How many bodies are read at a time.
const READS: usize = 16;

/// One find of a listing.
#[derive(Debug, Clone)]
pub enum Listed {
    /// A task.
    Task(Box<TaskView>),
    /// An object that cannot be understood. It is left as it is.
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a listing is: live tasks first, then outcomes, or dead letters alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Live,
    Done,
    Dead,
}

impl Place {
    pub(super) fn prefix(self, queue: &QueueName) -> String {
        match self {
            Place::Live => prefix::live(queue),
            Place::Done => prefix::done(queue),
            Place::Dead => prefix::dead(queue),
        }
    }
}

/// Tasks that match a filter, read as they are asked for.
///
/// One LIST for a thousand objects, and one GET for each object that may hold such a task: type and
/// tags are inside, while time and priority show in the id and the state roughly in the size. What
/// lies outside a filter's times is not listed either (about a LIST for each shard and place), nor
/// are live tasks of other priorities. Failed tasks are found through their dead letters (one more
/// GET each).
///
/// The order is that of keys: live before done, then by shard; a task that ends while it is listed
/// may show twice or, rarely, not at all.
pub struct Listing {
    queue: Queue,
    filter: Filter,
    left: u64,
    /// The places still to be listed, the present one first.
    places: VecDeque<Place>,
    /// Behind this key the next page begins.
    after: Option<String>,
    entries: VecDeque<Entry>,
    /// Whether the present place has another page.
    more: bool,
    ready: VecDeque<(String, Listed)>,
    cursor: Option<String>,
}

impl Queue {
    /// Lists tasks.
    ///
    /// ```
    /// # use oq_core::queue::{Filter, Listed, Queue, Task, TaskState};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// let mut listing = queue.list(Filter::new().state(TaskState::Pending))?;
    /// while let Some(found) = listing.next().await? {
    ///     if let Listed::Task(task) = found {
    ///         println!("{} {}", task.id, task.task_type);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn list(&self, filter: Filter) -> Result<Listing> {
        let mut places = VecDeque::new();
        if filter.wants(&[
            TaskState::Pending,
            TaskState::Waiting,
            TaskState::Running,
            TaskState::Finishing,
        ]) {
            places.push_back(Place::Live);
        }
        if filter.only_failed() {
            places.push_back(Place::Dead);
        } else if filter.wants(&[
            TaskState::Completed,
            TaskState::Failed,
            TaskState::Cancelled,
            TaskState::Expired,
        ]) {
            places.push_back(Place::Done);
        }
        let mut listing = Listing {
            queue: self.clone(),
            left: filter.limit.unwrap_or(u64::MAX),
            places,
            after: None,
            entries: VecDeque::new(),
            more: true,
            ready: VecDeque::new(),
            cursor: None,
            filter,
        };
        listing.resume()?;
        Ok(listing)
    }
}

impl Listing {
    /// The next find; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Listed>> {
        loop {
            if self.left == 0 {
                return Ok(None);
            }
            if let Some((cursor, found)) = self.ready.pop_front() {
                self.left -= 1;
                self.cursor = Some(cursor);
                return Ok(Some(found));
            }
            let Some(place) = self.places.front().copied() else {
                return Ok(None);
            };
            if !self.entries.is_empty() {
                self.read(place).await?;
            } else if self.more {
                self.turn(place).await?;
            } else {
                self.places.pop_front();
                self.after = None;
                self.more = true;
            }
        }
    }

    /// Where to go on behind what [`Listing::next`] returned last, for [`Filter::after`].
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// All that is left, as a stream. An error ends it.
    pub fn into_stream(self) -> impl Stream<Item = Result<Listed>> {
        futures::stream::unfold(Some(self), |listing| async move {
            let mut listing = listing?;
            match listing.next().await {
                Ok(None) => None,
                Ok(Some(found)) => Some((Ok(found), Some(listing))),
                Err(e) => Some((Err(e), None)),
            }
        })
    }

    /// All that is left, in memory; a limit is advisable.
    pub async fn all(mut self) -> Result<Vec<Listed>> {
        let mut all = Vec::new();
        while let Some(found) = self.next().await? {
            all.push(found);
        }
        Ok(all)
    }

    /// A cursor is the key of the last object and, in a pack, the task's number: `key#number`.
    fn resume(&mut self) -> Result<()> {
        let Some(cursor) = self.filter.cursor.clone() else {
            return Ok(());
        };
        let bad = || {
            Error::invalid(
                format!("cursor {}", crate::record::quoted(&cursor)),
                "use one that a listing of this queue with the same filter returned",
            )
        };
        let (key, index) = match cursor.split_once('#') {
            Some((key, index)) => (key, Some(index.parse::<usize>().map_err(|_| bad())?)),
            None => (cursor.as_str(), None),
        };
        let queue = self.queue.name().clone();
        let at = [Place::Live, Place::Done, Place::Dead]
            .into_iter()
            .find(|p| key.starts_with(&p.prefix(&queue)))
            .ok_or_else(bad)?;
        self.places.retain(|p| *p >= at);
        if self.places.front() != Some(&at) {
            return Err(bad());
        }
        self.after = Some(match index {
            None => key.to_owned(),
            // The rest of the pack is still to come: begin just before its key and skip.
            Some(_) => before(key),
        });
        self.cursor = Some(cursor);
        Ok(())
    }

    /// Whether the cursor that was resumed from is at or behind this task.
    fn seen(&self, key: &str, task: TaskId) -> bool {
        let cursor = self
            .filter
            .cursor
            .as_deref()
            .and_then(|c| c.split_once('#'));
        cursor.is_some_and(|(at, index)| {
            at == key && index.parse().is_ok_and(|i: usize| task.index() <= i)
        })
    }

    async fn turn(&mut self, place: Place) -> Result<()> {
        let mut list = List::prefix(place.prefix(self.queue.name())).limit(MAX_PAGE);
        // Not taken: after an error the same page is asked for again.
        let after = self.after.clone();
        let Some(after) = skip::next(&self.filter, place, self.queue.name(), after) else {
            self.more = false;
            return Ok(());
        };
        if let Some(after) = after {
            list = list.after(after);
        }
        let page = self.queue.root().list(&list).await?.value;
        self.more = page.next.is_some();
        self.after = page.next;
        let filter = &self.filter;
        let wanted = page.entries.into_iter().filter(|entry| {
            match Key::parse(entry.key.as_str()) {
                Some(Key::Live(_, id)) => filter.may_be(id) && filter.may_hold(id, entry.size),
                Some(Key::Done(_, id)) => filter.may_be(id),
                Some(Key::Dead(_, task)) => filter.may_be(task.object()),
                // Not a key of ours, and in our place: shown rather than passed over.
                _ => true,
            }
        });
        self.entries = wanted.collect();
        Ok(())
    }

    /// Reads the next few bodies, no more than may be needed.
    async fn read(&mut self, place: Place) -> Result<()> {
        let some = usize::try_from(self.left).unwrap_or(READS).clamp(1, READS);
        let (queue, filter) = (&self.queue, &self.filter);
        let looks = self.entries.iter().take(some);
        let found = join_all(looks.map(|e| look(queue, filter, place, e))).await;
        for found in found {
            let Some(at) = self.entries.front().map(|entry| entry.key.clone()) else {
                return Ok(());
            };
            let key = at.as_str();
            match found {
                Ok(views) => {
                    for view in views {
                        if self.filter.matches(&view) && !self.seen(key, view.id) {
                            let cursor = match view.id.object().count() {
                                1 => key.to_owned(),
                                _ if place == Place::Dead => key.to_owned(),
                                _ => format!("{key}#{}", view.id.index()),
                            };
                            self.ready.push_back((cursor, Listed::Task(Box::new(view))));
                        }
                    }
                }
                Err(Error::Unreadable { key, why }) => {
                    let found = Listed::Unreadable { key, why };
                    self.ready.push_back((at.to_string(), found));
                }
                // This one and what is behind it is read again by the next call.
                Err(e) => return Err(e),
            }
            self.entries.pop_front();
        }
        Ok(())
    }
}

/// A key that sorts just before this one: the keys of a shard all end in the same two characters,
/// so none is between the two.
fn before(key: &str) -> String {
    let mut chars = key.chars();
    chars.next_back();
    chars.as_str().to_owned()
}

/// The tasks of one object that a listing showed.
async fn look(
    queue: &Queue,
    filter: &Filter,
    place: Place,
    entry: &Entry,
) -> Result<Vec<TaskView>> {
    let (root, key) = (queue.root(), &entry.key);
    let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
    let unreadable = |why: String| Error::Unreadable {
        key: key.to_string(),
        why,
    };
    if size > crate::store::MAX_BODY {
        return Err(unreadable(format!("it has {size} bytes")));
    }
    let parsed = Key::parse(key.as_str());
    // What has an outcome is still there for a moment, and is listed under it.
    let done = match &parsed {
        Some(Key::Live(queue, id)) if matches!(Hint::of_size(entry.size), Hint::Running(_)) => {
            Some((*id, Key::Done(queue.clone(), *id).store_key()))
        }
        _ => None,
    };
    let over = async {
        match &done {
            Some((id, key)) => read_done(*id, key, root.get(key).await?.value),
            None => Ok(None),
        }
    };
    let (object, over) = join(root.get_sized(key, size), over).await;
    let Some(object) = object?.value else {
        return Ok(Vec::new());
    };
    if over?.is_some_and(|done| !done.record.is_seal()) {
        return Ok(Vec::new());
    }
    match (place, parsed) {
        (Place::Live, Some(Key::Live(_, id))) => {
            let live = Live::in_object(id, key, object)?;
            let now = root.now();
            let views = id
                .tasks()
                .filter_map(|t| TaskView::of_live(t, &live.record, now));
            Ok(views.collect())
        }
        (Place::Done, Some(Key::Done(_, id))) => match read_done(id, key, Some(object))? {
            Some(done) if !done.record.is_seal() => Ok(id
                .tasks()
                .filter_map(|t| TaskView::of_done(t, &done.record))
                .collect()),
            _ => Ok(Vec::new()),
        },
        (Place::Dead, Some(Key::Dead(_, task))) => {
            let dead: Dead = decode(key, &object.body)?;
            let id = task.object();
            if !filter.matches_dead(id, &dead.task_type, &dead.tags) {
                return Ok(Vec::new());
            }
            let done = Key::Done(queue.name().clone(), id).store_key();
            let done = read_done(id, &done, root.get(&done).await?.value)?;
            let view = done.and_then(|d| TaskView::of_done(task, &d.record));
            Ok(view.into_iter().collect())
        }
        _ => Err(unreadable("its key is not one that oq writes".into())),
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("queue", self.queue.name())
            .field("filter", &self.filter)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
