//! One pass over the live objects of a queue: what may be claimed now, the most urgent first and
//! in each shard the oldest first. A small queue takes one LIST; a large one is listed shard by
//! shard, a page at a time, so that no more than a few pages are in memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::future::try_join_all;

use super::super::find::judge::{Verdict, judge};
use crate::env::Mono;
use crate::error::Result;
use crate::protocol::Root;
use crate::record::{Hint, Key, ObjectId, Priority, QueueName, Shard, prefix};
use crate::store::{Etag, List, Listed, MAX_PAGE};
use crate::time::StoreTime;

/// A page in which others were quicker is listed again when it is older than this.
const STALE: Duration = Duration::from_millis(250);

/// How many lines are in memory for all shards together, at the most.
const IN_MEMORY: usize = 32_000;

/// How many shards are listed at a time.
const AT_A_TIME: usize = 16;

/// How many objects are remembered that are to be left alone.
const REMEMBERED: usize = 10_000;

/// Something to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub id: ObjectId,
    pub etag: Etag,
}

/// Which objects are to be left alone: they were tried, and somebody holds them, or they wait, or
/// are over, or are for others.
#[derive(Debug, Default)]
pub(super) struct Left(BTreeMap<ObjectId, Known>);

#[derive(Debug)]
struct Known {
    /// This version only; `None`: any.
    etag: Option<Etag>,
    until: StoreTime,
    look_again: bool,
}

impl Left {
    /// Leave it alone until then, and perhaps look again at that time.
    pub fn leave(&mut self, id: ObjectId, etag: Option<Etag>, until: StoreTime, look_again: bool) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_first();
        }
        let known = Known {
            etag,
            until,
            look_again,
        };
        self.0.insert(id, known);
    }

    fn covers(&self, id: ObjectId, etag: &Etag, date: StoreTime) -> Option<&Known> {
        let known = self.0.get(&id)?;
        let same = known.etag.as_ref().is_none_or(|known| known == etag);
        (same && known.until > date).then_some(known)
    }
}

/// One pass over one queue.
#[derive(Debug)]
pub(super) struct Pass {
    root: Root,
    queue: QueueName,
    begun: bool,
    streams: Vec<Stream>,
    /// When the next of what was passed over is worth a try.
    pub next: Option<StoreTime>,
    /// Others take from this queue too.
    contended: bool,
}

/// The listing of one shard, or of a small queue.
#[derive(Debug)]
struct Stream {
    prefix: String,
    limit: u16,
    /// What the present page begins behind.
    from: Option<String>,
    /// What the next one begins behind, or the end.
    after: After,
    lines: VecDeque<Line>,
    listed: Mono,
    stale: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum After {
    Head,
    Key(String),
    End,
}

impl Pass {
    pub fn new(root: Root, queue: QueueName) -> Pass {
        Pass {
            root,
            queue,
            begun: false,
            streams: Vec::new(),
            next: None,
            contended: false,
        }
    }

    /// Somebody else had an object of this shard that was listed as free: others may be gone too.
    pub fn beaten(&mut self, shard: Shard) {
        self.contended = true;
        let shard = prefix::live_shard(&self.queue, shard);
        for stream in &mut self.streams {
            stream.stale |= !stream.lines.is_empty() && shard.starts_with(&stream.prefix);
        }
    }

    /// The next object to try; `None` behind the last.
    pub async fn next(&mut self, left: &Left) -> Result<Option<Line>> {
        if !self.begun {
            self.begin(left).await?;
            self.begun = true;
        }
        loop {
            self.fill(left).await?;
            let best = self.streams.iter().filter_map(Stream::rank).min();
            let Some((priority, _)) = best else {
                let ended = |s: &Stream| s.after == After::End;
                if self.streams.iter().all(ended) {
                    return Ok(None);
                }
                continue;
            };
            let scatter = self.contended.then(|| self.root.env().entropy.next_u64());
            let alike = |s: &&mut Stream| s.rank().is_some_and(|(p, _)| p == priority);
            let mut streams: Vec<&mut Stream> = self.streams.iter_mut().filter(alike).collect();
            let line = match scatter {
                // Others may be about to try the very same one.
                Some(random) => {
                    let n = random as usize % streams.len();
                    streams[n].pop_any(priority, random >> 32)
                }
                None => {
                    let oldest = streams.iter_mut().min_by_key(|s| s.rank());
                    oldest.and_then(|s| s.lines.pop_front())
                }
            };
            return Ok(line);
        }
    }

    /// One LIST of all; if that is not enough, another for the shards that there are.
    async fn begin(&mut self, left: &Left) -> Result<()> {
        let mut all = Stream::new(prefix::live(&self.queue), MAX_PAGE);
        let next = all.read(&self.root, &self.queue, left).await?;
        if all.after == After::End {
            self.look_again(next);
            all.lines
                .make_contiguous()
                .sort_by_key(|line| (line.id.priority(), line.id));
            self.streams = vec![all];
            return Ok(());
        }
        let mut list = List::prefix(prefix::live(&self.queue)).folded();
        let mut folders = Vec::new();
        loop {
            let page = self.root.list(&list).await?.value;
            folders.extend(page.folders);
            match page.next {
                Some(next) => list = list.after(next),
                None => break,
            }
        }
        let limit = (IN_MEMORY / folders.len().max(1)).clamp(16, usize::from(MAX_PAGE));
        let limit = u16::try_from(limit).unwrap_or(MAX_PAGE);
        self.streams = folders.into_iter().map(|f| Stream::new(f, limit)).collect();
        Ok(())
    }

    /// Lists what has nothing left to try, and again what others took from.
    async fn fill(&mut self, left: &Left) -> Result<()> {
        let now = self.root.env().now();
        let (root, queue) = (&self.root, &self.queue);
        let mut dry: Vec<&mut Stream> = self.streams.iter_mut().filter(|s| s.dry(now)).collect();
        let mut next = None;
        for some in dry.chunks_mut(AT_A_TIME) {
            let reads = some.iter_mut().map(|stream| stream.read(root, queue, left));
            next = try_join_all(reads)
                .await?
                .into_iter()
                .flatten()
                .chain(next)
                .min();
        }
        self.look_again(next);
        Ok(())
    }

    fn look_again(&mut self, at: Option<StoreTime>) {
        self.next = self.next.into_iter().chain(at).min();
    }
}

impl Stream {
    fn new(prefix: String, limit: u16) -> Stream {
        Stream {
            prefix,
            limit,
            from: None,
            after: After::Head,
            lines: VecDeque::new(),
            listed: Mono::default(),
            stale: false,
        }
    }

    fn rank(&self) -> Option<(Priority, ObjectId)> {
        let line = self.lines.front()?;
        Some((line.id.priority(), line.id))
    }

    fn dry(&self, now: Mono) -> bool {
        let again = self.stale && now.since(self.listed) >= STALE;
        again || (self.lines.is_empty() && self.after != After::End)
    }

    /// Any line of the present page that is as urgent as the first.
    fn pop_any(&mut self, priority: Priority, random: u64) -> Option<Line> {
        let alike = |line: &&Line| line.id.priority() == priority;
        let alike = self.lines.iter().take_while(alike).count();
        self.lines.remove(random as usize % alike.max(1))
    }

    /// Reads the next page, or the present one again; returns when something of it is worth
    /// another look.
    async fn read(
        &mut self,
        root: &Root,
        queue: &QueueName,
        left: &Left,
    ) -> Result<Option<StoreTime>> {
        if !self.stale {
            self.from = match &self.after {
                After::Head => None,
                After::Key(key) => Some(key.clone()),
                After::End => return Ok(None),
            };
        }
        let mut list = List::prefix(self.prefix.as_str()).limit(self.limit);
        if let Some(from) = &self.from {
            list = list.after(from.as_str());
        }
        let answer = root.list(&list).await?;
        self.stale = false;
        self.listed = root.env().now();
        self.lines.clear();
        let mut next = None;
        let mut last = None;
        for entry in &answer.value.entries {
            let Some(id) = parse(queue, entry) else {
                continue;
            };
            if let Some(known) = left.covers(id, &entry.etag, answer.date) {
                next = next
                    .into_iter()
                    .chain(known.look_again.then_some(known.until))
                    .min();
                continue;
            }
            let hint = Hint::of_size(entry.size);
            last = None;
            let later = match judge(id, hint, entry.last_modified, answer.date) {
                Verdict::Now { .. } => {
                    let etag = entry.etag.clone();
                    self.lines.push_back(Line { id, etag });
                    continue;
                }
                Verdict::NotDue(at) => {
                    last = Some(id);
                    at
                }
                Verdict::Later { at, .. } => at,
            };
            next = next.into_iter().chain([later]).min();
        }
        self.after = match (answer.value.next, last) {
            (None, _) => After::End,
            // Nothing behind an object that is not due is due either, down to the next priority.
            (Some(_), Some(id)) => {
                After::Key(prefix::behind_priority(queue, id.shard(), id.priority()))
            }
            (Some(next), None) => After::Key(next),
        };
        Ok(next)
    }
}

/// The object of a listed key. What is not ours is left alone.
fn parse(queue: &QueueName, entry: &Listed) -> Option<ObjectId> {
    match Key::parse(entry.key.as_str()) {
        Some(Key::Live(q, id)) if q == *queue => Some(id),
        _ => {
            tracing::debug!(key = ?entry.key, "this key is not one of oq's; it is left alone");
            None
        }
    }
}
