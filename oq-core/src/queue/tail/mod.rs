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
mod place;
mod tell;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use futures::stream::{self, StreamExt};

use self::place::{LAG, Look, Piece, Place, go_on};
use super::Queue;
use crate::env::Mono;
use crate::error::Result;
use crate::protocol::root::ATTEMPT_TIMEOUT;
use crate::record::{Bell, Key, Shard, prefix, seen};
use crate::store::{Changed, Etag, List, Listed, MAX_PAGE};
use crate::time::StoreTime;

pub use event::{Cursor, Happened, Subject, TailEvent, Watch};

/// After so many listings no further shard is looked at in a poll.
const LISTS: u64 = 16;

/// The most pages of one shard's live objects that one look takes.
const LIVE_PAGES: usize = 8;

/// The most pages of one shard's outcomes that one look takes.
const DONE_PAGES: usize = 20;

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

    async fn list(&mut self, list: List) -> Result<(Vec<Listed>, Option<String>, StoreTime)> {
        self.lists += 1;
        let page = self.queue.root().list(&list).await?;
        Ok((page.value.entries, page.value.next, page.date))
    }

    /// One listing of all live objects, when its time has come; if they are too many, each shard
    /// is looked at on its own from now on.
    async fn look_at_all(&mut self) -> Result<()> {
        let Some((next, wait)) = self.wide else {
            return Ok(());
        };
        if next > self.now() && !self.places.values().any(|p| p.rung) {
            return Ok(());
        }
        let all = prefix::live(self.queue.name());
        let (entries, more, date) = self.list(List::prefix(all)).await?;
        if more.is_some() {
            self.wide = None;
            return Ok(());
        }
        let mut by_shard: BTreeMap<Shard, Vec<Listed>> = BTreeMap::new();
        for entry in entries {
            if let Some(Key::Live(_, id)) = Key::parse(entry.key.as_str()) {
                by_shard.entry(id.shard()).or_default().push(entry);
            }
        }
        for shard in by_shard.keys() {
            self.places.entry(*shard).or_default();
        }
        let shards: Vec<Shard> = self.places.keys().copied().collect();
        let (mut changed, mut due) = (false, None::<StoreTime>);
        for shard in shards {
            let entries = by_shard.remove(&shard).unwrap_or_default();
            let after = prefix::live_shard(self.queue.name(), shard);
            let place = self.places.entry(shard).or_default();
            place.due = None;
            let looks = place.absorb(
                &Piece {
                    after: &after,
                    through: None,
                    entries: &entries,
                    date,
                },
                self.from,
            );
            place.cut = false;
            let mut news = !looks.is_empty();
            self.looks.extend(looks);
            if self.wants_outcomes(shard) {
                news |= self.list_done(shard).await?;
            }
            let (now, interval) = (self.now(), self.interval);
            let place = self.places.entry(shard).or_default();
            place.seen(now, date, news, interval);
            due = match (due, place.due) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            changed |= news;
        }
        let wait = if changed {
            self.interval
        } else {
            (wait * 2).clamp(self.interval, WIDE.max(self.interval))
        };
        let due = due.map_or(wait, |due| due.since(date) + Duration::from_secs(1));
        self.wide = Some((self.now() + wait.min(due.max(self.interval)), wait));
        Ok(())
    }

    /// The beginning of a shard, where workers claim, and the end of each priority, where producers
    /// add.
    async fn look_at(&mut self, shard: Shard) -> Result<()> {
        let queue = self.queue.name().clone();
        let whole = prefix::live_shard(&queue, shard);
        // What became due behind the beginning may be over by now, and nobody rang for it.
        let was_cut = self.places.get(&shard).is_some_and(|p| p.cut);
        let since = self.since(shard);
        let (mut after, mut date) = (whole.clone(), self.queue.root().now());
        let mut changed = false;
        let place = self.places.entry(shard).or_default();
        (place.due, place.cut) = (None, false);
        for _ in 0..LIVE_PAGES {
            let list = List::prefix(whole.clone()).after(after.clone());
            let (entries, next, at) = self.list(list).await?;
            date = at;
            let last = entries.last().map(|e| e.key.clone());
            let through = next.as_ref().and(last.as_ref()).map(|k| k.as_str());
            let piece = Piece {
                after: &after,
                through,
                entries: &entries,
                date,
            };
            let place = self.places.entry(shard).or_default();
            let looks = place.absorb(&piece, self.from);
            changed |= !looks.is_empty();
            self.looks.extend(looks);
            let Some(next) = next else { break };
            place.cut = true;
            after = match last.map(|k| Key::parse(k.as_str())) {
                Some(Some(Key::Live(_, id))) => go_on(&queue, id, next, date, since),
                _ => next,
            };
        }
        if self.wants_outcomes(shard) || was_cut {
            changed |= self.list_done(shard).await?;
        }
        let (now, interval) = (self.now(), self.interval);
        let place = self.places.entry(shard).or_default();
        place.seen(now, date, changed, interval);
        Ok(())
    }

    /// From which due time on submissions to this shard may be new.
    fn since(&self, shard: Shard) -> StoreTime {
        let visited = self.places.get(&shard).and_then(|p| p.visited);
        visited.unwrap_or(self.from).minus(LAG)
    }

    /// New work may be over already: where a shard was rung, and at the first look.
    fn wants_outcomes(&self, shard: Shard) -> bool {
        let place = self.places.get(&shard);
        place.is_some_and(|p| {
            p.rung || (p.visited.is_none() && self.from < self.queue.root().now().minus(LAG))
        })
    }

    /// The outcomes of what was due since the last look; whether there was anything new.
    async fn list_done(&mut self, shard: Shard) -> Result<bool> {
        let queue = self.queue.name().clone();
        let place = self.places.entry(shard).or_default();
        let first = place.visited.is_none();
        // A backlog is worked off from its oldest end, which may lie before the cursor's reach.
        let oldest = place.oldest(self.from).filter(|_| first);
        let since = place.done_since(self.cursor.reach);
        let since = oldest.map_or(since, |oldest| oldest.min(since));
        let mut after = prefix::done_since(&queue, shard, since);
        let mut news = false;
        for _ in 0..DONE_PAGES {
            let list = List::prefix(prefix::done_shard(&queue, shard)).after(after);
            let (entries, next, _) = self.list(list).await?;
            let place = self.places.entry(shard).or_default();
            let looks = place.absorb_done(&queue, &entries, self.from);
            news |= !looks.is_empty();
            self.looks.extend(looks);
            match next {
                Some(next) => after = next,
                None => return Ok(news),
            }
        }
        tracing::debug!(%queue, ?shard, pages = DONE_PAGES, page = MAX_PAGE, "more outcomes than one look takes");
        Ok(news)
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
        let told = told.minus(ATTEMPT_TIMEOUT).max(self.cursor.told);
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
