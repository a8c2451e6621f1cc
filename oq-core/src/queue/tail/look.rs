//! What a tail looks at: the live objects of the whole queue or of one shard, and the outcomes of
//! what was due since the last look. What it found there is read and told elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::place::{LAG, Piece, go_on};
use super::{Tail, WIDE};
use crate::error::Result;
use crate::record::{Key, Shard, prefix};
use crate::store::{List, Listed, MAX_PAGE};
use crate::time::StoreTime;

/// The most pages of one shard's live objects that one look takes.
const LIVE_PAGES: usize = 8;

/// The most pages of one shard's outcomes that one look takes.
const DONE_PAGES: usize = 20;

impl Tail {
    async fn list(&mut self, list: List) -> Result<(Vec<Listed>, Option<String>, StoreTime)> {
        self.lists += 1;
        let page = self.queue.root().list(&list).await?;
        Ok((page.value.entries, page.value.next, page.date))
    }

    /// One listing of all live objects, when its time has come; if they are too many, each shard
    /// is looked at on its own from now on.
    pub(super) async fn look_at_all(&mut self) -> Result<()> {
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
    pub(super) async fn look_at(&mut self, shard: Shard) -> Result<()> {
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
}
