//! What handlers were given, and what became of what they said: I11 (the record says what the
//! handler said, a fatal failure is not tried again, saved cursors never go back), I7 (what failed or
//! panicked is charged, "later" is not), I12 (nobody is out of time before his time).

use std::time::Duration;

use oq_core::record::{Ending, Failure, Live, Outcome, Slot, Step};

use super::slots::taken_over;
use super::{Change, Histories, History, Name, Violation};
use crate::observe::{End, Start};
use crate::parcel::Parcel;
use crate::play::Played;
use crate::producer::queue_name;
use crate::scenario::{Kind, Script, Submission};
use crate::stage::Cursor;

/// How long after its time a handler may go on.
const LATE: Duration = Duration::from_secs(2);

type Found = Option<(&'static str, String)>;

/// Checks every run of a handler, and what it left in the records.
pub fn check(run: &Played, all: &Histories, bad: &mut Vec<Violation>) {
    for (serial, start) in run.observed.starts.iter().enumerate() {
        let name: Name = (queue_name(start.queue), start.task.object());
        let Some(history) = all.objects.get(&name) else {
            continue;
        };
        let one = One::of(run, all, history, start, serial);
        let found = one.map(|one| [one.given(), one.told(), one.in_time()]);
        for (invariant, what) in found.into_iter().flatten().flatten() {
            let what = format!("run {serial}, of {}: {what}", start.task);
            let at = start.ended.map_or(start.at, |(at, _)| at);
            bad.push(Violation::new(invariant, Some(name.clone()), at, what));
        }
    }
    for (name, history) in &all.objects {
        for change in &history.live {
            for (invariant, what) in kept(run, name, change) {
                let name = Some(name.clone());
                bad.push(Violation::new(invariant, name, change.at, what));
            }
        }
    }
}

/// One run, the write that allowed it, and what it played.
struct One<'a> {
    run: &'a Played,
    all: &'a Histories,
    history: &'a History,
    start: &'a Start,
    serial: usize,
    declared: &'a Change<Live>,
    script: &'a Script,
    submission: &'a Submission,
}

impl<'a> One<'a> {
    fn of(
        run: &'a Played,
        all: &'a Histories,
        history: &'a History,
        start: &'a Start,
        serial: usize,
    ) -> Option<One<'a>> {
        let mut submissions = run.scenario.submissions.iter();
        Some(One {
            run,
            all,
            history,
            start,
            serial,
            declared: declaration(history, start)?,
            script: run.scenario.scripts.get(start.script)?,
            submission: submissions.find(|s| s.tasks.contains(&start.script))?,
        })
    }

    fn slot<'b>(&self, change: &'b Change<Live>) -> Option<&'b Slot> {
        change.new.as_ref()?.tasks.get(self.start.task.index())
    }

    /// It was given what was submitted, and what was saved.
    fn given(&self) -> Found {
        if !self.start.whole {
            return Some(("I11", "its input is not what was submitted".into()));
        }
        let saved = self.slot(self.declared).and_then(cursor);
        let told = self.start.saved;
        if self.run.scenario.kind == Kind::Real && told != saved {
            return Some(("I11", format!("it was told {told:?}, saved was {saved:?}")));
        }
        None
    }

    /// What is written of it is what its handler said.
    fn told(&self) -> Found {
        let (_, end) = self.start.ended?;
        let index = self.start.task.index();
        let starts = self.slot(self.declared)?.starts;
        let over = |c: &&Change<Live>| {
            let slot = self.slot(c);
            slot.is_some_and(|slot| !slot.running || slot.starts > starts)
        };
        let written = self.holders().find(over);
        let (outcome, failure, attempts) = match written {
            Some(change) => {
                let slot = self.slot(change)?;
                // It runs again already; or the small worker was told to stop before it listened.
                let small = self.run.scenario.kind == Kind::Small;
                let live = change.new.as_ref()?;
                let released = live
                    .history
                    .last()
                    .is_some_and(|e| e.what == Step::Released);
                if slot.running || (small && released) {
                    return None;
                }
                let failure = slot.failure.as_ref();
                (slot.outcome.as_ref(), failure, slot.attempts())
            }
            None => {
                let mut done = self.history.done.iter().filter_map(|c| c.new.as_ref());
                let mine = done.find(|d| !d.is_seal() && d.token == self.start.token)?;
                let outcome = &mine.tasks.get(index)?.outcome;
                (Some(outcome), None, outcome.attempts)
            }
        };
        let failure = failure.or(outcome.and_then(|o| o.failure.as_ref()));
        let kind = failure.map_or("", |f| f.kind.as_str());
        let is = |end: Ending| outcome.is_some_and(|o| o.ending == end);
        let charged = attempts == self.start.attempt;
        let fits = match end {
            End::Completed => {
                let late = charged && kind == Failure::TIMEOUT && self.was_late();
                self.completed(outcome) || self.not_stored(outcome, kind, charged) || late
            }
            End::Failed => charged && kind == "error",
            End::Fatal => charged && kind == "fatal" && is(Ending::Failed),
            End::Panicked => charged && kind == Failure::PANIC,
            End::Later => attempts + 1 == self.start.attempt,
            End::Cancelled => is(Ending::Cancelled),
            End::Stopped => true,
        };
        if fits {
            return None;
        }
        let ending = outcome.map(|o| o.ending);
        let broken = match charged {
            false if !matches!(end, End::Completed | End::Later) => "I7",
            _ => "I11",
        };
        let what = format!(
            "attempt {} ended as {end:?}; written is {ending:?} {kind:?}, {attempts} attempts",
            self.start.attempt
        );
        Some((broken, what))
    }

    /// What its holder wrote since. A worker may also take over what it held itself.
    fn holders(&self) -> impl Iterator<Item = &'a Change<Live>> {
        let (start, seq) = (self.start, self.declared.seq);
        let mine = move |c: &&Change<Live>| {
            let (Some(old), Some(new)) = (&c.old, &c.new) else {
                return false;
            };
            let held = old.lease.as_ref().is_some_and(|l| l.token == start.token);
            held && c.client == start.client && c.seq > seq && !taken_over(old, new)
        };
        self.history.live.iter().filter(mine)
    }

    fn completed(&self, outcome: Option<&Outcome>) -> bool {
        let name = (queue_name(self.start.queue), self.start.task.object());
        outcome.is_some_and(|o| {
            let output = o.output.as_ref();
            let parcel = output.and_then(|data| self.all.parcels.open(&name.0, name.1, data));
            let whole = |p: &Parcel| p.number() == self.serial && p.is_whole(self.script.result);
            o.ending == Ending::Completed && parcel.as_ref().is_some_and(whole)
        })
    }

    /// A result that gets an object of its own may fail to get it, or its worker was told to stop
    /// meanwhile: by the end of a drain after most of its time, which is charged.
    fn not_stored(&self, outcome: Option<&Outcome>, kind: &str, charged: bool) -> bool {
        // What is shown may be an earlier attempt's failure.
        let released = outcome.is_none() && !(charged && kind == "error");
        let machine = self.run.machines.get(&self.start.client);
        let drains = machine.is_some_and(|m| m.drain.is_some());
        let late = drains && kind == Failure::TIMEOUT;
        self.run.scenario.inline.is_some() && (kind == "payload" || released || late)
    }

    /// Whether it ended after its time, while its worker was starved and did not see it.
    fn was_late(&self) -> bool {
        let time = self.script.time(self.submission.timeout);
        let ended = self.start.ended.map(|(at, _)| at - self.start.at);
        ended.is_some_and(|ran| ran >= self.run.truly(self.start.client, time))
    }

    /// It has all its time, and no more than a stall adds.
    fn in_time(&self) -> Found {
        let (ended, end) = self.start.ended?;
        let time = self.script.time(self.submission.timeout);
        let (client, began) = (self.start.client, self.start.at);
        let truly = self.run.truly(client, time);
        let ran = ended - began;
        let still = self.run.observed.still(client, began, ended);
        // The small worker knows no timeouts.
        let real = self.run.scenario.kind == Kind::Real;
        if real && ran > truly + still + LATE {
            let what = format!("it ran for {ran:?}, it had {time:?} and was still for {still:?}");
            return Some(("I12", what));
        }
        // A drain that is over itself leaves none of its time to handlers.
        let machine = self.run.machines.get(&self.start.client);
        let stays = machine.is_some_and(|m| m.drain.is_none());
        let early = ran + Duration::from_millis(5) < truly;
        if end == End::Stopped && stays && early && self.out_of_time() {
            let what = format!("it was out of time after {ran:?}, it had {time:?}");
            return Some(("I12", what));
        }
        None
    }

    /// Whether the next write of this holder says that it was out of time.
    fn out_of_time(&self) -> bool {
        let ended = |c: &&Change<Live>| self.slot(c).is_some_and(|slot| !slot.running);
        let next = self.holders().find(ended);
        let failure = next.and_then(|c| {
            // What is not charged is what an earlier attempt failed of.
            let charged = |slot: &&Slot| slot.attempts() == self.start.attempt;
            let slot = self.slot(c).filter(charged)?;
            let failure = slot.failure.as_ref();
            failure.or(slot.outcome.as_ref().and_then(|o| o.failure.as_ref()))
        });
        failure.is_some_and(|f| f.kind == Failure::TIMEOUT)
    }
}

/// The write that last declared it before it started: under one lease it may be tried again.
fn declaration<'a>(history: &'a History, start: &Start) -> Option<&'a Change<Live>> {
    let declares = |c: &&Change<Live>| {
        let live = c.new.as_ref().filter(|_| c.at <= start.at);
        live.is_some_and(|live| {
            let lease = live.lease.as_ref();
            let slot = live.tasks.get(start.task.index());
            let charged = |s: &Slot| s.running && s.attempts() == start.attempt;
            lease.is_some_and(|l| l.token == start.token) && slot.is_some_and(charged)
        })
    };
    history.live.iter().rev().find(declares)
}

fn cursor(slot: &Slot) -> Option<Cursor> {
    slot.saved.as_ref()?.to().ok()
}

/// What one write does to what handlers saved, and to what failed for good.
fn kept(run: &Played, name: &Name, change: &Change<Live>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let Some(new) = &change.new else {
        return found;
    };
    for (index, is) in new.tasks.iter().enumerate() {
        let was = change.old.as_ref().and_then(|old| old.tasks.get(index));
        let (before, now) = (was.and_then(cursor), cursor(is));
        let step = |cursor: Option<Cursor>| cursor.map_or(0, |cursor| cursor.step);
        if step(now) < step(before) && is.outcome.is_none() {
            let what = format!("task {index} had saved {before:?}, and now it is {now:?}");
            found.push(("I11", what));
        }
        let said = |start: &Start, upto: u32| {
            let mine = start.task == name.1.task(index) && queue_name(start.queue) == name.0;
            mine && start
                .said
                .iter()
                .any(|(at, step)| *step >= upto && *at <= change.at)
        };
        let anybody = |upto: u32| run.observed.starts.iter().any(|start| said(start, upto));
        if now != before && now.is_some_and(|c| !anybody(c.step)) {
            found.push((
                "I11",
                format!("task {index} is at {now:?}, which nobody said"),
            ));
        }
        let progress = is.progress.map_or(0, |p| p.done as u32);
        if is.progress != was.and_then(|was| was.progress) && progress > 0 && !anybody(progress) {
            found.push(("I11", format!("task {index} is said to be at {progress}")));
        }
        let fatal = is.failure.as_ref().is_some_and(|f| f.fatal);
        if fatal && is.outcome.is_none() {
            found.push(("I11", format!("task {index} failed for good, and goes on")));
        }
    }
    found
}
