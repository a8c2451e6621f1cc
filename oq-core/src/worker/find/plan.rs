//! What to list next, and when to think again: decided from the state alone.

use std::time::Duration;

use super::absorb::Now;
use super::buffer::Rank;
use super::shard::ShardState;
use super::state::State;
use crate::env::{Env, Mono};
use crate::record::Shard;
use crate::time::StoreTime;

/// A rung shard is listed at most so often while there is nothing to do …
const HUNGRY_GAP: Duration = Duration::from_millis(200);

/// … and so often while there is.
const BUSY_GAP: Duration = Duration::from_secs(1);

/// A busy worker has no free slot at most moments; it counts as having room this long after a take.
const BUSY: Duration = Duration::from_millis(500);

/// From the head of a shard at least so often while it is listed at all.
const HEAD_EVERY: Duration = Duration::from_secs(10);

/// How many shards are listed at once.
pub(super) const AT_ONCE: usize = 8;

/// From so many rung shards on, one listing of a small queue is cheaper than one for each.
const WIDE_FROM: usize = 3;

/// One listing in so many is of a foreign shard.
const FOREIGN_EVERY: u64 = 16;

/// Having taken so many, as quickly as in half a second, a worker that runs dry looks for others that
/// it could help.
const STREAK: u32 = 16;

/// One shard to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub shard: Shard,
    pub head: bool,
    /// It is somebody else's.
    pub help: bool,
    /// From there on, if work is expected there.
    pub from: Option<Rank>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    List(Vec<Job>),
    /// List the whole queue at once.
    Wide,
    /// Nothing, at most this long.
    Wait(Option<Duration>),
}

/// Looking at foreign shards while idle: from 100 ms on less and less, and no more after half a
/// minute without success.
#[derive(Debug, Default)]
pub(super) struct Steal {
    next: Option<(Mono, Duration)>,
    named: Option<Shard>,
    /// There was enough when this one was last looked at.
    more: Option<Shard>,
    /// Help was last called for with this one.
    called: Option<Shard>,
    /// Where work is expected in any shard, until looks there find nothing.
    trail: Option<Rank>,
}

const STEAL_FIRST: Duration = Duration::from_millis(200);
const STEAL_LAST: Duration = Duration::from_secs(15);
/// Having found nothing for so long, the trail is cold.
const TRAIL_UNTIL: Duration = Duration::from_secs(1);
/// Finding less than this is no reason to look again at once.
const STEAL_WORTH: usize = 16;

impl Steal {
    pub fn start(&mut self, now: Mono, shard: Option<Shard>) {
        self.next = Some((now, STEAL_FIRST));
        self.named = shard.or(self.named);
        self.called = shard.or(self.called);
    }

    /// How a look at this shard ended.
    pub fn looked(&mut self, now: Mono, shard: Shard, found: usize) {
        let Some((_, delay)) = self.next else { return };
        if found >= STEAL_WORTH {
            self.more = self.called.filter(|called| *called == shard);
        }
        if found == 0 && delay >= TRAIL_UNTIL {
            self.trail = None;
        }
        self.next = if found >= STEAL_WORTH {
            Some((now + STEAL_FIRST, STEAL_FIRST))
        } else if delay < STEAL_LAST {
            Some((now + delay, delay * 4))
        } else {
            None
        };
    }
}

/// Calls for help while full.
#[derive(Debug, Default)]
pub(super) struct HelpCall {
    /// When somebody last called.
    pub heard: Option<Mono>,
    last: Option<Mono>,
    delay: Duration,
}

const HELP_FIRST: Duration = Duration::from_secs(1);
const HELP_LAST: Duration = Duration::from_secs(16);
/// Others who hear a call look at more shards than the one it names.
const HELP_APART: Duration = Duration::from_secs(2);

impl HelpCall {
    /// It is neither full nor behind any more.
    pub fn rest(&mut self) {
        self.delay = Duration::ZERO;
    }
}

impl State {
    /// What to list next.
    pub fn plan(&mut self, now: Mono, date: StoreTime, env: &Env) -> Plan {
        self.promote(date);
        let busy = self.last_take.is_some_and(|at| now.since(at) < BUSY);
        if !self.open() || (self.room == 0 && !busy) {
            return Plan::Wait(None);
        }
        let mut aged = Vec::new();
        self.buffer.prune(now, |id| aged.push(id));
        self.owe(&aged);
        let low = self.low(now);
        let fresh = self.buffer.fresh(now, low);
        if fresh < low {
            let aging = self.buffer.aging(now);
            self.owe(&aging);
        }
        let mut wake = Wake(None);
        let mut jobs = self.urgent(now, date, fresh < low, &mut wake);
        jobs.extend(self.unseen(fresh < low, env));
        if jobs.len() >= WIDE_FROM && self.small {
            return Plan::Wide;
        }
        if jobs.is_empty() {
            jobs = self.backlog(now, fresh, low);
        }
        if jobs.is_empty() && self.buffer.is_empty() && self.workers > 1 {
            jobs.extend(self.foreign(now, env, &mut wake));
        } else if !jobs.is_empty() {
            self.lists += 1;
            if self.lists.is_multiple_of(FOREIGN_EVERY) && self.workers > 1 {
                jobs.extend(self.any_foreign(env));
            }
        }
        if !jobs.is_empty() {
            jobs.truncate(AT_ONCE);
            return Plan::List(jobs);
        }
        if !self.buffer.is_empty() {
            wake.by(BUSY);
        }
        if let Some(at) = self.memory.next() {
            wake.by(at.since(date));
        }
        Plan::Wait(wake.0.map(|d| d.max(Duration::from_millis(5))))
    }

    /// How many candidates are too few: what is taken while a shard is listed.
    pub fn low(&mut self, now: Mono) -> usize {
        self.room.max(self.pace.recent(now) / 4).clamp(1, 500)
    }

    /// Own shards that were never listed. Until all who start together know of each other, most of
    /// these are somebody else's: then only one is listed, when there is nothing else to do.
    fn unseen(&self, hungry: bool, env: &Env) -> Vec<Job> {
        let unseen = self.shards.iter().filter(|(_, s)| s.unseen);
        let mut jobs: Vec<Job> = unseen.map(|(shard, _)| from_head(*shard)).collect();
        if !self.settled && !jobs.is_empty() {
            let any = env.below(jobs.len() as u64) as usize;
            jobs = if hungry { vec![jobs[any]] } else { Vec::new() };
        }
        jobs
    }

    /// Whether to try what is equally urgent in any order: others may do the same without knowing.
    pub fn scatters(&self) -> bool {
        !self.settled && self.workers > 1
    }

    /// Own shards that were rung or in which something falls due.
    fn urgent(&self, now: Mono, date: StoreTime, hungry: bool, wake: &mut Wake) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (shard, s) in &self.shards {
            // What is due may be where that walk has been already.
            let next_look = s.next_look.filter(|_| s.through.is_none());
            let due = next_look.is_some_and(|t| t <= date);
            if !s.rung && !due {
                if let Some(t) = next_look {
                    wake.by(t.since(date));
                }
                continue;
            }
            let gap = if hungry { HUNGRY_GAP } else { BUSY_GAP };
            let since = s.listed_at.map_or(gap, |at| now.since(at));
            if since >= gap {
                jobs.push(from_head(*shard));
            } else {
                wake.by(gap - since);
            }
        }
        jobs
    }

    /// Own shards that hold more than the buffer, when that runs low or something more urgent waits.
    fn backlog(&self, now: Mono, fresh: usize, low: usize) -> Vec<Job> {
        let mut waiting: Vec<(Rank, Shard)> = self
            .shards
            .iter()
            .filter_map(|(shard, s)| Some((s.backlog?, *shard, s.through.as_ref())))
            .filter(|((_, id), _, t)| t.is_none_or(|t| !t.meets(&self.queue, *id)))
            .map(|(rank, shard, _)| (rank, shard))
            .collect();
        waiting.sort_unstable();
        let best = self.buffer.best().map(|(p, _)| p);
        let wanted = if fresh < low {
            1 + (low - fresh) / 250
        } else {
            usize::from(
                waiting
                    .first()
                    .is_some_and(|((p, _), _)| best.is_some_and(|b| *p < b)),
            )
        };
        let job = |(_, shard): &(Rank, Shard)| Job {
            shard: *shard,
            head: self.shards[shard]
                .head_at
                .is_none_or(|at| now.since(at) >= HEAD_EVERY),
            ..from_head(*shard)
        };
        waiting.iter().take(wanted).map(job).collect()
    }

    /// A foreign shard, when there is nothing of one's own to do and it is time.
    fn foreign(&mut self, now: Mono, env: &Env, wake: &mut Wake) -> Option<Job> {
        // Whoever gets a few now and then would find that others do as well, with a listing each time.
        if self.streak >= STREAK && self.pace.recent(now) >= STREAK as usize {
            self.streak = 0;
            self.steal.start(now, None);
            self.steal.trail = self.pace.trail();
        }
        let (at, _) = self.steal.next?;
        if at > now {
            wake.by(at.since(now));
            return None;
        }
        let named = self.steal.named.take();
        let more = self.steal.more.take();
        let mut known = named.into_iter().chain(more);
        let known = known.find(|s| !self.own.contains(s)).map(help_with);
        let job = known.or_else(|| self.any_foreign(env))?;
        Some(Job {
            from: self.steal.trail,
            ..job
        })
    }

    fn any_foreign(&self, env: &Env) -> Option<Job> {
        let high = self.settings.as_ref()?.shards_high;
        let foreign = (0..high)
            .filter_map(|n| Shard::new(n).ok())
            .filter(|s| !self.own.contains(s));
        let foreign: Vec<Shard> = foreign.collect();
        let pick = env.below(foreign.len() as u64) as usize;
        foreign.get(pick).copied().map(help_with)
    }

    /// The shard to call for help with, if this worker is full, or so busy that runnable tasks of its
    /// own wait, and others could take them.
    pub fn call_for_help(&mut self, (now, date): Now) -> Option<Shard> {
        let stuck = self.full_for(now) >= HELP_FIRST;
        if !stuck && !self.is_behind(now, date) {
            self.help.rest();
            return None;
        }
        if self.workers < 2 || !self.open() {
            return None;
        }
        let recent = |at: Option<Mono>, d| at.is_some_and(|at| now.since(at) < d);
        if recent(self.help.last, self.help.delay.max(HELP_FIRST))
            || recent(self.help.heard, HELP_APART)
        {
            return None;
        }
        let waits = |s: &ShardState| s.rung || s.unseen || s.backlog.is_some();
        let mut shards = self.shards.iter();
        let shard = shards
            .find_map(|(shard, s)| waits(s).then_some(*shard))
            .or_else(|| self.buffer.some_of(|s| self.own.contains(&s)))?;
        self.help.last = Some(now);
        self.help.delay = (self.help.delay * 2).clamp(HELP_FIRST, HELP_LAST);
        Some(shard)
    }
}

impl State {
    /// Whether it takes one task after the other, has more for seconds to come, and the next of its own
    /// has waited for long.
    fn is_behind(&mut self, now: Mono, date: StoreTime) -> bool {
        let busy = self.last_take.is_some_and(|at| now.since(at) < BUSY);
        let best = self.buffer.best_entry();
        let waits = best.filter(|(id, _)| self.own.contains(&id.shard()));
        // What was given back has waited since then only.
        let since = waits.map(|(id, e)| e.last_modified.map_or(id.due(), |at| at.max(id.due())));
        busy && self.room <= 1
            && since.is_some_and(|at| date.since(at) >= HELP_FIRST)
            && self.buffer.len() > MUCH * self.pace.recent(now)
    }
}

/// So many times what is taken in [`pace::WINDOW`](super::pace::WINDOW) is more than one worker should
/// have before it.
const MUCH: usize = 4;

fn help_with(shard: Shard) -> Job {
    Job {
        help: true,
        ..from_head(shard)
    }
}

pub(super) fn from_head(shard: Shard) -> Job {
    Job {
        shard,
        head: true,
        help: false,
        from: None,
    }
}

/// The earliest moment at which to think again.
struct Wake(Option<Duration>);

impl Wake {
    fn by(&mut self, d: Duration) {
        self.0 = Some(self.0.map_or(d, |w| w.min(d)));
    }
}
