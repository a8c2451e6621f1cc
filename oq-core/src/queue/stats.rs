//! How full a queue is, from listings alone.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::Queue;
use super::purge::is_older;
use crate::error::Result;
use crate::protocol::pages::Pages;
use crate::record::{Hint, Key, ObjectId, prefix};
use crate::store::Listed;
use crate::time::StoreTime;

/// How many pages of outcomes and dead letters are counted; what is behind them is not.
const PAGES_OVER: usize = 10;

/// How many live objects are counted at most: a million.
const PAGES_LIVE: usize = 1000;

/// How full a queue is. States are judged by the lengths of objects, so they are close and not
/// exact; a pack counts as all its tasks, in the state of the pack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Tasks that may be started now.
    pub runnable: u64,
    /// Tasks that may be started later.
    pub waiting: u64,
    /// Tasks that a worker holds.
    pub running: u64,
    /// Tasks whose outcomes are being recorded.
    pub finishing: u64,
    /// Tasks that were purged and are not removed yet: workers delete them instead of running them, and
    /// another [`Queue::purge`] does.
    pub purged: u64,
    /// Tasks whose outcomes are kept.
    pub done: u64,
    /// Failed tasks that nobody dealt with.
    pub dead: u64,
    /// There are more than the numbers say: counting stopped.
    pub more: bool,
    /// How long the oldest runnable task has been due; one that was tried before, since its last
    /// try.
    #[serde(rename = "oldest_ms", serialize_with = "in_millis")]
    pub oldest: Option<Duration>,
    /// How many bytes the objects of live tasks have.
    pub live_bytes: u64,
    /// Objects in the place of live tasks whose key is not one that oq writes.
    pub foreign: u64,
    /// Nothing is claimed.
    pub paused: bool,
}

impl Queue {
    /// Counts the queue's tasks: one GET, and one LIST for each thousand objects. Outcomes and dead
    /// letters are counted up to ten thousand.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// assert_eq!(queue.stats().await?.runnable, 1);
    /// # Ok(()) }
    /// ```
    pub async fn stats(&self) -> Result<Stats> {
        self.counted(PAGES_LIVE, PAGES_OVER).await
    }

    /// The same, but no more than so many thousand objects of each kind are counted: one GET, and
    /// three LIST for each thousand at most.
    pub async fn stats_up_to(&self, thousands: usize) -> Result<Stats> {
        self.counted(thousands, thousands).await
    }

    async fn counted(&self, live: usize, over: usize) -> Result<Stats> {
        let settings = self.settings().await?;
        let mut stats = Stats {
            paused: settings.paused,
            ..Stats::default()
        };
        let purged = settings.purged_before;
        let mut running = self.count_live(&mut stats, live, purged).await?;
        let (mut done, mut dead, mut ending) = (0, 0, 0);
        let more_done = self
            .each(prefix::done(self.name()), over, |_, entry| {
                if let Some(Key::Done(_, id)) = Key::parse(entry.key.as_str())
                    && matches!(Hint::of_size(entry.size), Hint::Terminal(_))
                {
                    done += id.count() as u64;
                    // Its live object is about to be deleted.
                    ending += if running.remove(&id) {
                        id.count() as u64
                    } else {
                        0
                    };
                }
            })
            .await?;
        let more_dead = self
            .each(prefix::dead(self.name()), over, |_, _| dead += 1)
            .await?;
        stats.more |= more_done || more_dead;
        (stats.done, stats.dead) = (done, dead);
        stats.running -= ending;
        Ok(stats)
    }

    /// Counts what is live; returns the objects that seem to run.
    async fn count_live(
        &self,
        stats: &mut Stats,
        pages: usize,
        purged: Option<StoreTime>,
    ) -> Result<BTreeSet<ObjectId>> {
        let mut running = BTreeSet::new();
        let live = prefix::live(self.name());
        let more = self
            .each(live, pages, |now, entry| {
                if let Some((id, Hint::Running(_))) = count_live(stats, now, entry, purged) {
                    running.insert(id);
                }
            })
            .await?;
        stats.more |= more;
        Ok(running)
    }

    /// Shows each key below a prefix; says whether there is more behind the last page.
    pub(super) async fn each(
        &self,
        prefix: String,
        pages: usize,
        mut see: impl FnMut(StoreTime, &Listed),
    ) -> Result<bool> {
        let mut listing = Pages::new(self.root(), prefix);
        for _ in 0..pages {
            let Some(page) = listing.next().await? else {
                break;
            };
            page.value.iter().for_each(|entry| see(page.date, entry));
        }
        Ok(listing.has_more())
    }
}

/// Counts an object; returns it if it looks as if it ran or were just over. `purged`: what was
/// submitted before then was purged, and is not started any more.
pub(super) fn count_live(
    stats: &mut Stats,
    now: StoreTime,
    entry: &Listed,
    purged: Option<StoreTime>,
) -> Option<(ObjectId, Hint)> {
    let Some(Key::Live(_, id)) = Key::parse(entry.key.as_str()) else {
        stats.foreign += 1;
        return None;
    };
    stats.live_bytes += entry.size;
    let tasks = id.count() as u64;
    let hint = Hint::of_size(entry.size);
    match hint {
        Hint::Running(_) => {
            stats.running += tasks;
            return Some((id, hint));
        }
        Hint::Terminal(_) => {
            stats.finishing += tasks;
            return Some((id, hint));
        }
        _ if purged.is_some_and(|before| is_older(entry, before)) => stats.purged += tasks,
        Hint::Waiting(_) | Hint::Runnable => match (hint, due(id, entry, hint)) {
            (Hint::Waiting(_), due) if due > now => stats.waiting += tasks,
            (_, due) => {
                stats.runnable += tasks;
                let waited = now.since(due);
                stats.oldest = Some(stats.oldest.map_or(waited, |o| o.max(waited)));
            }
        },
    }
    None
}

/// Since when an object may be started, as far as a listing tells: a delayed one since the time in
/// its id, one that was given back or released since then, and one that is tried again when it has
/// waited as long as its length says.
fn due(id: ObjectId, entry: &Listed, hint: Hint) -> StoreTime {
    let wait = match hint {
        Hint::Waiting(at_least) => at_least,
        _ => Duration::ZERO,
    };
    id.due().max(entry.last_modified.plus(wait))
}

fn in_millis<S: serde::Serializer>(
    span: &Option<Duration>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match span {
        Some(span) => crate::time::millis::serialize(span, serializer),
        None => serializer.serialize_none(),
    }
}
