//! What a finder learns from the pages of its listings: of its own shards, of foreign ones that it
//! helps with, and of the whole queue when it sweeps.

use std::ops::Range;
use std::time::Duration;

use super::Why;
use super::buffer::Entry;
use super::help;
use super::judge::Verdict;
use super::memory::{Known, Then};
use super::state::State;
use super::walk::{Delayed, Walk};
use crate::env::{Env, Mono};
use crate::record::{Hint, ObjectId, Shard, prefix};
use crate::store::{List, Listed, Page};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// A record that runs is looked at again at most so often for the sake of its lease.
const RECHECK: Duration = Duration::from_secs(10);

/// Both clocks at one moment.
pub(super) type Now = (Mono, StoreTime);

/// Runnable objects of one foreign shard, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    entries: Vec<(ObjectId, Entry, Duration)>,
}

/// How a listing of the whole queue goes on.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    after: Option<String>,
    rung: Vec<Shard>,
    next_look: Vec<(Shard, StoreTime)>,
    /// It took work that nobody else did: there may be more.
    pub took: bool,
}

fn entry(line: &Listed, why: Why, probe: bool, now: Mono) -> Entry {
    Entry {
        etag: Some(line.etag.clone()),
        last_modified: Some(line.last_modified),
        hint: Hint::of_size(line.size),
        why,
        probe,
        listed: Some(now),
        told: None,
    }
}

impl State {
    /// Takes note of a page of a shard of one's own.
    pub fn absorb(&mut self, walk: &mut Walk, page: &Page, now: Now) {
        if walk.pages == 0 {
            let covered = |id| walk.covers(id);
            self.buffer.clear_part(walk.shard, now.0, covered);
        }
        for line in &page.entries {
            let key = line.key.as_str();
            let Some(id) = self.parse(line).filter(|id| !walk.skips(*id, key)) else {
                continue;
            };
            match self.look(id, line, now.0, now.1) {
                None => walk.passed(key, None),
                Some(Verdict::Now { why, probe }) => {
                    let dropped = self.buffer.insert(id, entry(line, why, probe, now.0));
                    match dropped {
                        Some(dropped) if dropped.shard() == walk.shard => walk.stop(),
                        dropped => {
                            self.owe(dropped.as_slice());
                            walk.found();
                        }
                    }
                }
                Some(Verdict::NotDue(due)) => match walk.not_due(id) {
                    Delayed::Remember => {
                        let until = self.expect(id, line, due, Why::Due, false);
                        walk.passed(key, until);
                    }
                    Delayed::Skip => {}
                    Delayed::Forget => walk.passed(key, None),
                },
                Some(Verdict::Later { at, held: true, .. }) => {
                    walk.passed(key, Some(at.max(now.1.plus(RECHECK))));
                }
                Some(Verdict::Later { at, why, .. }) => {
                    let until = self.expect(id, line, at, why, true);
                    walk.passed(key, until);
                }
            }
        }
        walk.turn(page);
    }

    /// Takes note of a page of a foreign shard; how much it held to help with.
    pub fn absorb_foreign(&mut self, walk: &mut Walk, page: &Page, env: &Env, now: Now) -> usize {
        let mut foreign = Foreign::default();
        for line in &page.entries {
            let key = line.key.as_str();
            let Some(id) = self.parse(line).filter(|id| !walk.skips(*id, key)) else {
                continue;
            };
            let verdict = self.look(id, line, now.0, now.1);
            match verdict {
                Some(Verdict::NotDue(due)) if walk.not_due(id) != Delayed::Skip => {
                    walk.passed(line.key.as_str(), Some(due));
                }
                Some(Verdict::Later { at, .. }) => walk.passed(line.key.as_str(), Some(at)),
                Some(Verdict::NotDue(_) | Verdict::Now { .. }) => {}
                None => walk.passed(line.key.as_str(), None),
            }
            if let Some(verdict) = verdict
                && self.offer(&mut foreign, id, line, verdict, now)
            {
                walk.found();
            }
        }
        walk.turn(page);
        self.help_with(foreign, env, now.0)
    }

    /// Remembers a listed object until then; returns that time if there was no place for it.
    fn expect(
        &mut self,
        id: ObjectId,
        line: &Listed,
        until: StoreTime,
        why: Why,
        probe: bool,
    ) -> Option<StoreTime> {
        let then = Then {
            why,
            probe,
            hint: Hint::of_size(line.size),
            last_modified: Some(line.last_modified),
        };
        let known = Known {
            until,
            etag: Some(line.etag.clone()),
            then: Some(then),
        };
        self.remember(id, known)
    }

    /// An object of a foreign shard. What its owner seems to have missed for long is taken as it
    /// is; whether it is merely runnable and so a matter of helping.
    fn offer(
        &mut self,
        foreign: &mut Foreign,
        id: ObjectId,
        line: &Listed,
        verdict: Verdict,
        now: Now,
    ) -> bool {
        let Verdict::Now { why, probe } = verdict else {
            return false;
        };
        let since = line.last_modified.max(id.due());
        let waited = now.1.since(since);
        let entry = entry(line, why, probe, now.0);
        if !probe {
            foreign.entries.push((id, entry, waited));
            return true;
        }
        let bound = match entry.hint {
            Hint::Running(lease) => lease,
            Hint::Waiting(least) => least,
            Hint::Runnable | Hint::Terminal(_) => Duration::ZERO,
        };
        if waited >= bound + help::DEAF {
            let dropped = self.buffer.insert(id, entry);
            self.owe(dropped.as_slice());
        }
        false
    }

    fn help_with(&mut self, foreign: Foreign, env: &Env, now: Mono) -> usize {
        // What the owner does meanwhile, if it is as fast as this worker.
        let owners = self.pace.recent(now) / 2;
        let waited: Vec<Duration> = foreign.entries.iter().map(|(_, _, w)| *w).collect();
        let most = self.room.saturating_mul(4).max(64);
        let picked = help::pick(&waited, self.workers, owners, env);
        let short = |r: &Range<usize>| r.start..r.end.min(r.start + most);
        let [head, rest] = [short(&picked[0]), short(&picked[1])];
        let mut found = 0;
        for (n, (id, entry, _)) in foreign.entries.into_iter().enumerate() {
            if head.contains(&n) || rest.contains(&n) {
                found += 1;
                let dropped = self.buffer.insert(id, entry);
                self.owe(dropped.as_slice());
            }
        }
        found
    }

    /// Begins one question about the whole queue. Rings heard from now on are not answered by it.
    pub fn sweep_begin(&mut self, sweep: &mut Sweep) -> List {
        for (shard, s) in &mut self.shards {
            if std::mem::take(&mut s.rung) {
                sweep.rung.push(*shard);
            }
        }
        let list = List::prefix(prefix::live(&self.queue));
        match &sweep.after {
            None => list,
            Some(after) => list.after(after.clone()),
        }
    }

    /// The question got no answer.
    pub fn sweep_failed(&mut self, sweep: &mut Sweep) {
        for shard in sweep.rung.drain(..) {
            self.failed(shard);
        }
    }

    /// Takes note of a page of the whole queue; whether another one should follow at once, because
    /// this one showed nothing to do.
    pub fn absorb_sweep(&mut self, sweep: &mut Sweep, page: &Page, env: &Env, now: Now) -> bool {
        let from = sweep.after.take();
        let mut foreign: (Option<Shard>, Foreign) = (None, Foreign::default());
        let mut delayed = (None, 0);
        let mut skip = None;
        let mut stopped = None;
        let mut last = None;
        let mut fruitful = false;
        sweep.next_look.clear();
        for line in &page.entries {
            let Some(id) = self.parse(line) else { continue };
            let (shard, priority) = (id.shard(), id.priority());
            last = Some(shard);
            if skip == Some((shard, priority)) {
                continue;
            }
            skip = None;
            if stopped == Some(shard) {
                continue;
            }
            if foreign.0 != Some(shard) {
                let before = std::mem::take(&mut foreign.1);
                sweep.took |= self.missed(before, env, now.0);
                foreign.0 = Some(shard);
            }
            let Some(verdict) = self.look(id, line, now.0, now.1) else {
                continue;
            };
            if let Verdict::NotDue(_) = verdict {
                if delayed.0 != Some((shard, priority)) {
                    delayed = (Some((shard, priority)), 0);
                }
                if mutated(Mutant::ListStopsAtFirstWaiting) {
                    stopped = Some(shard);
                }
                delayed.1 += 1;
                if delayed.1 > 64 {
                    skip = Some((shard, priority));
                }
            }
            if !self.own.contains(&shard) {
                self.offer(&mut foreign.1, id, line, verdict, now);
                continue;
            }
            let until = match verdict {
                Verdict::Now { why, probe } => {
                    fruitful = true;
                    let dropped = self.buffer.insert(id, entry(line, why, probe, now.0));
                    self.owe(dropped.as_slice());
                    None
                }
                Verdict::NotDue(due) if skip.is_some() => Some(due),
                Verdict::NotDue(due) => self.expect(id, line, due, Why::Due, false),
                Verdict::Later { at, held: true, .. } => Some(at.max(now.1.plus(RECHECK))),
                Verdict::Later { at, why, .. } => self.expect(id, line, at, why, true),
            };
            sweep.next_look.extend(until.map(|at| (shard, at)));
        }
        sweep.took |= self.missed(foreign.1, env, now.0);
        fruitful |= sweep.took;
        self.settle(sweep, from.as_deref(), page, last, now);
        self.small = from.is_none() && page.next.is_none();
        sweep.after = match (&page.next, skip) {
            (None, _) => None,
            (Some(_), Some((s, p))) => Some(prefix::behind_priority(&self.queue, s, p)),
            (Some(next), None) => Some(next.clone()),
        };
        sweep.after.is_some() && !fruitful
    }

    /// What a sweep found in a foreign shard.
    fn missed(&mut self, foreign: Foreign, env: &Env, now: Mono) -> bool {
        if !self.settled {
            // Those who start together find all of it at once; each has shards of its own.
            return false;
        }
        let long = foreign.entries.iter().any(|(_, _, w)| *w >= help::DEAF);
        let shard = foreign.entries.first().map(|(id, _, _)| id.shard());
        let found = self.help_with(foreign, env, now) > 0;
        if long || found {
            self.steal.start(now, shard);
        }
        found
    }

    /// Which of the own shards a page of the whole queue showed completely, and what that means.
    fn settle(
        &mut self,
        sweep: &mut Sweep,
        from: Option<&str>,
        page: &Page,
        last: Option<Shard>,
        now: Now,
    ) {
        let rung: Vec<Shard> = sweep.rung.drain(..).collect();
        for (shard, s) in &mut self.shards {
            let begins = prefix::live_shard(&self.queue, *shard);
            let whole = from.is_none_or(|f| f < begins.as_str())
                && (page.next.is_none() || last.is_some_and(|l| *shard < l));
            let looks = sweep.next_look.iter().filter(|(l, _)| l == shard);
            let next_look = looks.map(|(_, at)| *at).min();
            if whole {
                s.unseen = false;
                s.listed_at = Some(now.0);
                s.backlog = None;
                s.next_look = s.next_look.filter(|at| *at > now.1);
            } else {
                s.rung |= rung.contains(shard);
            }
            s.next_look = s.next_look.into_iter().chain(next_look).min();
        }
    }
}
