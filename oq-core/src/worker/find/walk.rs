//! One pass over the keys of a shard, page by page, without the I/O.
//!
//! Keys sort by priority, then by due time. Behind the first keys of a priority that are not due
//! yet nothing of that priority is, so the walk goes on behind it. Long stretches of keys that run
//! or wait are remembered, so that later walks jump over them; the first one is split (`crowd`).

mod crowd;

use std::time::Duration;

pub(super) use self::crowd::{Beyond, live_key};
use super::buffer::{Rank, rank};
use crate::env::Mono;
use crate::record::{ObjectId, Priority, QueueName, Shard, prefix};
use crate::store::{List, Page};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// Stretches shorter than this are walked again.
const LONG: usize = 500;

/// A stretch is walked again after this long: objects in it may have been given back.
const STALE: Duration = Duration::from_secs(30);

/// One walk ends here; the next goes on behind the stretch that this one found.
const MAX_PAGES: u32 = 16;

/// So many pages of a foreign shard are read at a time.
const SHORT: u32 = 2;

/// So many delayed objects of a priority are remembered one by one.
const DELAYED: usize = 64;

/// A run of keys that held nothing to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its first key; empty: it begins where the shard does.
    first: String,
    /// A listing may go on after this.
    last: String,
    keys: usize,
    /// When something in it may be worth a try that nobody remembers by itself.
    next: StoreTime,
    made: Mono,
}

impl Stretch {
    /// Something in it may be worth a try at that time.
    pub fn look_by(&mut self, at: StoreTime) {
        self.next = self.next.min(at);
    }
}

/// What to do about a delayed object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delayed {
    /// Remember it by itself.
    Remember,
    /// The walk goes on behind its priority and the shard is to be looked at when it is due.
    Skip,
    /// Nothing.
    Forget,
}

#[derive(Debug)]
pub(super) struct Walk {
    queue: QueueName,
    pub shard: Shard,
    after: Option<String>,
    pub pages: u32,
    pub from_head: bool,
    /// It says nothing of what is in front of this …
    start: String,
    /// … or from here on.
    until: Option<String>,
    /// All keys so far wait: where else something may be to try.
    pub crowd: Option<Beyond>,
    amid: bool,
    /// It is to go through the crowd.
    pub through: bool,
    old: Vec<Stretch>,
    made: Vec<Stretch>,
    run: Option<Stretch>,
    skip: Option<Priority>,
    delayed: (Option<Priority>, usize),
    next_look: Option<StoreTime>,
    found: usize,
    want: usize,
    most: u32,
    last: Option<Rank>,
    beyond: Option<Rank>,
    done: bool,
    pub started: Mono,
}

/// What is known of a shard after a walk.
#[derive(Debug)]
pub(super) struct Walked {
    pub stretches: Vec<Stretch>,
    pub next_look: Option<StoreTime>,
    /// There may be more from here on.
    pub beyond: Option<Rank>,
}

impl Walk {
    /// A walk that ends when it has found about `want` candidates. Unless `from_head` is asked for,
    /// it begins behind the stretch at the head of the shard, if there is one.
    pub fn new(
        queue: QueueName,
        shard: Shard,
        want: usize,
        from_head: bool,
        old: &[Stretch],
        now: (Mono, StoreTime),
    ) -> Walk {
        let good = |s: &&Stretch| s.next > now.1 && now.0.since(s.made) < STALE;
        let old: Vec<Stretch> = old.iter().filter(good).cloned().collect();
        let mut walk = Walk {
            queue,
            shard,
            after: None,
            pages: 0,
            from_head: true,
            start: String::new(),
            until: None,
            crowd: None,
            amid: false,
            through: false,
            made: Vec::new(),
            run: None,
            skip: None,
            delayed: (None, 0),
            next_look: None,
            found: 0,
            want: want.max(1),
            most: MAX_PAGES,
            last: None,
            beyond: None,
            done: false,
            started: now.0,
            old,
        };
        if !from_head && let Some(lead) = walk.old.iter().find(|s| s.first.is_empty()).cloned() {
            walk.from_head = false;
            walk.after = Some(lead.last.clone());
            walk.look_at(lead.next);
            walk.run = Some(lead);
        }
        walk
    }

    /// The same, but of few pages.
    pub fn short(mut self) -> Walk {
        self.most = SHORT;
        self
    }

    /// The same, but from there on; what it shows of the head of the shard is nothing.
    pub fn from(self, (priority, id): Rank) -> Walk {
        let first = prefix::live_since(&self.queue, self.shard, priority, id.due());
        self.behind(first)
    }

    /// The next question to the store, until there is none.
    pub fn request(&self) -> Option<List> {
        if self.done {
            return None;
        }
        let list = List::prefix(prefix::live_shard(&self.queue, self.shard));
        Some(match &self.after {
            None => list,
            Some(after) => list.after(after.clone()),
        })
    }

    /// Whether this key lies in a priority that the walk has left.
    pub fn skips(&mut self, id: ObjectId, key: &str) -> bool {
        if !self.done && self.is_over(key) {
            self.end();
        }
        if self.done {
            return true;
        }
        if self.skip == Some(id.priority()) {
            return true;
        }
        self.skip = None;
        self.last = Some(rank(id));
        false
    }

    /// A key to try.
    pub fn found(&mut self) {
        self.found += 1;
        self.close();
    }

    /// There is no place for what begins here.
    pub fn stop(&mut self) {
        self.close();
        self.beyond = self.last;
        self.done = true;
    }

    /// A key that is to be left alone; until then, unless somebody remembers that.
    pub fn passed(&mut self, key: &str, until: Option<StoreTime>) {
        let until = until.filter(|_| self.pages == 0 || !mutated(Mutant::ForgetDueOnPageTwo));
        self.extend(key, key, 1, until.unwrap_or(StoreTime::MAX));
    }

    /// A key that is not due before then.
    pub fn not_due(&mut self, id: ObjectId) -> Delayed {
        let priority = id.priority();
        let forget = self.pages > 0 && mutated(Mutant::ForgetDueOnPageTwo);
        if mutated(Mutant::ListStopsAtFirstWaiting) {
            self.look_at(id.due());
            self.done = true;
            return Delayed::Forget;
        }
        if self.delayed.0 != Some(priority) {
            self.delayed = (Some(priority), 0);
        }
        self.delayed.1 += 1;
        if self.delayed.1 <= DELAYED {
            return if forget {
                Delayed::Forget
            } else {
                Delayed::Remember
            };
        }
        self.skip = Some(priority);
        let behind = prefix::behind_priority(&self.queue, self.shard, priority);
        let until = if forget { StoreTime::MAX } else { id.due() };
        self.extend(&behind, &behind, LONG, until);
        Delayed::Skip
    }

    /// The page is over.
    pub fn turn(&mut self, page: &Page) {
        self.pages += 1;
        if self.done {
            return;
        }
        let Some(next) = &page.next else {
            self.done = true;
            return;
        };
        let skip = self.skip.take();
        self.see_crowd(skip);
        let mut after = match skip {
            Some(p) => prefix::behind_priority(&self.queue, self.shard, p),
            None => next.clone(),
        };
        if self.found >= self.want || self.pages >= self.most {
            self.beyond = self.last;
            self.done = true;
            return;
        }
        let inside = |s: &&Stretch| s.first <= after && after < s.last;
        if let Some(jump) = self.old.iter().find(inside).cloned() {
            self.extend(&after, &jump.last, jump.keys, jump.next);
            after = jump.last;
            self.amid = false;
        }
        if self.is_over(&after) {
            self.end();
        }
        self.after = Some(after);
    }

    /// What the walk has shown. `forgotten`: by then something is due in the shard that was
    /// remembered by itself when the walk passed it, and had to be forgotten since.
    pub fn finish(mut self, forgotten: Option<StoreTime>) -> Walked {
        self.close();
        if let Some(at) = forgotten {
            self.look_at(at);
            self.made.iter_mut().for_each(|s| s.look_by(at));
        }
        Walked {
            stretches: self.made,
            next_look: self.next_look,
            beyond: self.beyond,
        }
    }

    fn look_at(&mut self, at: StoreTime) {
        if at < StoreTime::MAX {
            self.next_look = Some(self.next_look.map_or(at, |t| t.min(at)));
        }
    }

    fn extend(&mut self, first: &str, last: &str, keys: usize, next: StoreTime) {
        self.look_at(next);
        let whole = self.found == 0 && self.made.is_empty();
        let first = if whole { &self.start } else { first };
        let started = self.started;
        let run = self.run.get_or_insert_with(|| Stretch {
            first: first.to_owned(),
            last: String::new(),
            keys: 0,
            next,
            made: started,
        });
        last.clone_into(&mut run.last);
        run.keys += keys;
        run.next = run.next.min(next);
    }

    fn close(&mut self) {
        if let Some(run) = self.run.take()
            && run.keys >= LONG
        {
            self.made.push(run);
        }
    }
}
