//! Telling what happens in a queue while it happens, without reading the queue again and again.
//!
//! Nothing writes a log, so a tail looks at what changes. The bell says which shards got new work
//! (one GET-if-changed a poll). A listing says which objects changed, by their ETags, and which are
//! gone; only those are read, and their histories tell what became of them, step by step. Of a
//! queue with less than a thousand live objects one listing shows everything. Of a larger one the
//! beginning of each shard is listed, where workers claim, and the end, where producers add; what
//! lies between is skipped, so that a poll costs the same whatever the backlog. What that may miss
//! is told in `docs/tail.md`.

mod event;
mod look;
mod place;
mod tell;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use futures::stream::{self, StreamExt};

use self::place::{LAG, Look, Place};
use super::Queue;
use crate::env::Mono;
use crate::error::Result;
use crate::record::{Bell, Key, Shard, seen};
use crate::store::{Changed, Etag};
use crate::time::StoreTime;

pub use event::{Cursor, Happened, Subject, TailEvent, Watch};

/// After so many listings no further shard is looked at in a poll.
const LISTS: u64 = 16;

/// The most records that one poll reads.
const READS: usize = 1000;

/// Reads at a time.
const AT_ONCE: usize = 16;

/// So many records may wait to be read; of more, the oldest are dropped, and that is told.
const BEHIND: usize = 20_000;

/// So many live objects are remembered.
const REMEMBERED: usize = 200_000;

/// One listing shows all live objects again when there are no more than this many.
const FEW: usize = 800;

/// While one listing shows everything, it is taken at least this often.
const WIDE: Duration = Duration::from_secs(15);

/// What one poll found.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Events, the oldest first; an event of an earlier moment may still come later.
    pub events: Vec<TailEvent>,
    /// So many objects changed faster than they could be read: their events are lost.
    pub lost: u64,
}

/// Tells what happens in a queue, poll by poll.
pub struct Tail {
    queue: Queue,
    watch: Watch,
    /// Nothing earlier is told.
    from: StoreTime,
    cursor: Cursor,
    bell: Option<(Bell, Etag)>,
    /// The bell was asked before: what it tells now is new.
    asked: bool,
    places: BTreeMap<Shard, Place>,
    /// One listing shows the whole queue; when to take it next.
    wide: Option<(Mono, Duration)>,
    looks: VecDeque<Look>,
    lists: u64,
    interval: Duration,
}

impl Queue {
    /// Tells what happens from `cursor` on, or from now on.
    ///
    /// ```
    /// # use oq_core::queue::{Cursor, Happened, Queue, Task, Watch};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let mut tail = queue.tail(Watch::new(), None).await?;
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// for event in tail.poll().await?.events {
    ///     assert_eq!(event.event, Happened::Submitted);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn tail(&self, watch: Watch, cursor: Option<Cursor>) -> Result<Tail> {
        let settings = self.settings().await?;
        let cursor = cursor.unwrap_or_else(|| Cursor::at(self.root().now()));
        let shards = (0..settings.shards_high).filter_map(|s| Shard::new(s).ok());
        let mut tail = Tail {
            queue: self.clone(),
            watch,
            from: cursor.told,
            cursor,
            bell: None,
            asked: false,
            places: shards.map(|s| (s, Place::default())).collect(),
            wide: Some((Mono::default(), WIDE)),
            looks: VecDeque::new(),
            lists: 0,
            interval: Duration::from_secs(2),
        };
        // The bell as it is now; what is there is found by the first looks.
        tail.ask_bell().await?;
        Ok(tail)
    }
}

impl Tail {
    /// The shortest time between two looks at one place; 2 s unless set.
    pub fn interval(mut self, interval: Duration) -> Tail {
        self.interval = interval.clamp(Duration::from_millis(100), Duration::from_secs(3600));
        self
    }

    /// Waits for the time of one interval.
    pub async fn rest(&self) {
        self.queue.root().env().sleep(self.interval).await;
    }

    /// Where another tail may go on.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Whether everything was looked at, and nothing is left to be read.
    pub fn is_caught_up(&self) -> bool {
        self.looks.is_empty() && self.places.values().all(|p| p.visited.is_some())
    }

    /// Looks once: one GET, at most about 16 LIST and 1000 GET, most often far less.
    pub async fn poll(&mut self) -> Result<Told> {
        self.lists = 0;
        self.ask_bell().await?;
        if self.wide.is_some() {
            self.look_at_all().await?;
        }
        if self.wide.is_none() {
            for shard in self.worth_a_look() {
                if self.lists >= LISTS {
                    break;
                }
                self.look_at(shard).await?;
            }
            let seen: usize = self.places.values().map(|p| p.known.len()).sum();
            let whole = self.places.values().all(|p| p.visited.is_some() && !p.cut);
            if whole && seen <= FEW {
                self.wide = Some((self.now(), self.interval));
            }
        }
        let mut told = Told {
            lost: self.shed(),
            ..Told::default()
        };
        self.read(&mut told.events).await?;
        told.events.sort_by_key(|e| (e.at, e.id, e.event));
        self.advance();
        Ok(told)
    }

    fn now(&self) -> Mono {
        self.queue.root().env().now()
    }

    /// Which shards were rung since it was last asked.
    async fn ask_bell(&mut self) -> Result<()> {
        let root = self.queue.root().clone();
        let key = Key::Bell(self.queue.name().clone()).store_key();
        let object = match &self.bell {
            None => root.get(&key).await?.value,
            Some((_, etag)) => match root.get_if_changed(&key, etag).await?.value {
                Changed::Now(object) => Some(object),
                Changed::Same | Changed::Missing => return Ok(()),
            },
        };
        let first = !std::mem::replace(&mut self.asked, true);
        let Some(object) = object else { return Ok(()) };
        let bell = seen::<Bell>(&key, object)?;
        let was = self.bell.take().map(|(bell, _)| bell);
        for (shard, rings) in &bell.record.rings {
            let before = was.as_ref().and_then(|b| b.rings.get(shard));
            if before != Some(rings) && !first {
                self.places.entry(*shard).or_default().rung = true;
            }
        }
        // Workers that came, or settings that changed: there may be more to see.
        if was.is_some_and(|was| was.view != bell.record.view) {
            let settings = self.queue.settings().await?;
            for shard in (0..settings.shards_high).filter_map(|s| Shard::new(s).ok()) {
                self.places.entry(shard).or_default().next = Mono::default();
            }
            if let Some((next, _)) = &mut self.wide {
                *next = Mono::default();
            }
        }
        self.bell = Some((bell.record, bell.etag));
        Ok(())
    }

    /// The shards that were rung, then those whose time has come, the longest not looked at first.
    fn worth_a_look(&self) -> Vec<Shard> {
        let now = self.now();
        let mut worth: Vec<_> = self
            .places
            .iter()
            .filter(|(_, p)| p.rung || p.next <= now)
            .map(|(shard, p)| (!p.rung, p.visited, *shard))
            .collect();
        worth.sort();
        worth.into_iter().map(|(_, _, shard)| shard).collect()
    }

    /// Drops what can not be read in time; returns how many objects that were.
    fn shed(&mut self) -> u64 {
        let over = self.looks.len().saturating_sub(BEHIND);
        self.looks.drain(..over);
        let remembered: usize = self.places.values().map(|p| p.known.len()).sum();
        if remembered > REMEMBERED {
            for place in self.places.values_mut() {
                place.known.retain(|_, known| known.running);
            }
        }
        over as u64
    }

    /// Reads what is worth it, and tells it; if one read fails, all are made again next time.
    async fn read(&mut self, events: &mut Vec<TailEvent>) -> Result<()> {
        let some = self.looks.len().min(READS);
        let looks: Vec<Look> = self.looks.iter().take(some).cloned().collect();
        let queue = self.queue.clone();
        let found: Vec<_> = stream::iter(looks)
            .map(|look| tell::read(queue.clone(), look))
            .buffered(AT_ONCE)
            .collect()
            .await;
        let found: Vec<_> = found.into_iter().collect::<Result<_>>()?;
        self.looks.drain(..some);
        for found in found {
            self.tell(found, events);
        }
        Ok(())
    }

    /// The cursor: up to the oldest look everything was told, once nothing is left to be read.
    fn advance(&mut self) {
        let visited = self.places.values().map(|p| p.visited);
        let Some(Some(told)) = visited.min() else {
            return;
        };
        if !self.looks.is_empty() {
            return;
        }
        // A write says when it was made, and may have landed that much later.
        let told = told
            .minus(self.queue.root().attempt_timeout())
            .max(self.cursor.told);
        let oldest = self.places.values().filter_map(|p| p.oldest(told)).min();
        let reach = told.minus(LAG * 2);
        self.cursor = Cursor {
            told,
            reach: oldest.map_or(reach, |oldest| oldest.min(reach)),
        };
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("queue", self.queue.name())
            .field("watch", &self.watch)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
