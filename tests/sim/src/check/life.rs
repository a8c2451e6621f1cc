//! The life of one object: created, changed, recorded, deleted, and nothing of it comes back.
//! I1 (not lost), I2 (one outcome, which never changes), I6 (no earlier life comes back), I13 (dead
//! letters say what the outcome says).

use std::sync::Arc;
use std::time::Duration;

use oq_core::record::{Done, Ending, Live, LiveState, Outcome};

use super::history::BY_HAND;
use super::{Change, Histories, History, Name, Violation};

enum Step<'a> {
    Live(&'a Change<Live>),
    Done(&'a Change<Done>),
}

/// What is known at one point of the log.
#[derive(Default)]
struct Now {
    live: Option<Arc<Live>>,
    done: Option<Arc<Done>>,
    /// The first outcome that was recorded, even if it was deleted since.
    recorded: Option<Arc<Done>>,
    recorded_at: Option<Duration>,
}

/// Checks one object.
pub fn check(all: &Histories, name: &Name, history: &History, bad: &mut Vec<Violation>) {
    let live = history.live.iter().map(|c| (c.seq, Step::Live(c)));
    let done = history.done.iter().map(|c| (c.seq, Step::Done(c)));
    let mut steps: Vec<_> = live.chain(done).collect();
    steps.sort_by_key(|(seq, _)| *seq);
    let mut now = Now::default();
    for (_, step) in steps {
        let found = match step {
            Step::Live(change) => now.live_changes(all, name, history, change),
            Step::Done(change) => now.done_changes(change),
        };
        for (invariant, at, what) in found {
            // A purge is the one exception: what it took along may be gone, and may come back late.
            if all.purged(name, at) {
                continue;
            }
            bad.push(Violation::new(invariant, Some(name.clone()), at, what));
        }
    }
    if !all.purged(name, Duration::MAX) {
        dead_letters(all, name, history, bad);
    }
}

/// Dead letters come after the outcome that they are made from, and go when its retention is over.
fn dead_letters(all: &Histories, name: &Name, history: &History, bad: &mut Vec<Violation>) {
    let mut fault = |at, what: &str| {
        bad.push(Violation::new("I13", Some(name.clone()), at, what));
    };
    let mut outcomes = history.done.iter().filter_map(|c| {
        let done = c.new.as_ref().filter(|d| !d.is_seal())?;
        Some((c.seq, c.at, done.keep))
    });
    let never = (usize::MAX, Duration::MAX, Duration::ZERO);
    let (seq, at, keep) = outcomes.next().unwrap_or(never);
    for (index, change) in history
        .dead
        .iter()
        .flat_map(|(i, l)| l.iter().map(move |c| (i, c)))
    {
        if all.retried(&name.0, name.1.task(*index)) {
            continue;
        }
        if change.seq < seq {
            fault(
                change.at,
                "a dead letter was written before the outcome was recorded",
            );
        }
        if change.new.is_none() && change.at.saturating_sub(at) < keep {
            fault(change.at, "a dead letter was deleted before its time");
        }
    }
}

type Found = Vec<(&'static str, Duration, String)>;

impl Now {
    fn live_changes(
        &mut self,
        all: &Histories,
        name: &Name,
        history: &History,
        change: &Change<Live>,
    ) -> Found {
        let mut found = Found::new();
        let at = change.at;
        match (&change.old, &change.new) {
            // A deletion was undone: whatever it was, nothing may come of it.
            (None, Some(_)) if change.client == BY_HAND => {}
            (None, Some(new)) => {
                if new.state != LiveState::Pending || new.delivery != 0 {
                    found.push(("I5", at, "it was created as something else than new".into()));
                }
                let twice = history.live.iter().find(|c| {
                    let same = c.old.is_none()
                        && c.new
                            .as_ref()
                            .is_some_and(|n| n.write.created_by == new.write.created_by);
                    let by_hand = c.client == BY_HAND;
                    same && !by_hand && c.seq < change.seq && c.sent != change.sent
                });
                if twice.is_some() {
                    found.push((
                        "I5",
                        at,
                        "two sends of its create carried the same bytes".into(),
                    ));
                }
            }
            (Some(old), Some(new)) => {
                // A claim that was sent before and landed late on a late copy starts nothing. Nor does
                // one whose reads took long: it looks once more, finds the outcome and deletes the copy.
                let claimed = old.state == LiveState::Pending && new.state == LiveState::Running;
                let next = history.live.iter().find(|c| c.seq > change.seq);
                let cleared = next.is_some_and(|c| c.new.is_none());
                if claimed && !cleared && self.recorded_at.is_some_and(|t| t < change.sent) {
                    found.push((
                        "I6",
                        at,
                        "it was claimed although its outcome was recorded".into(),
                    ));
                }
                if old.state == LiveState::Terminal {
                    found.push(("I2", at, "it was changed although it was over".into()));
                }
                let open = new.tasks.iter().any(|s| s.outcome.is_none());
                if new.state == LiveState::Terminal && open {
                    found.push((
                        "I2",
                        at,
                        "it became terminal with tasks that have no outcome".into(),
                    ));
                }
            }
            (_, None) => {
                if self.done.as_ref().is_none_or(|d| d.is_seal()) {
                    found.push((
                        "I1",
                        at,
                        "it was deleted and no outcome of it is recorded".into(),
                    ));
                }
                for index in self.failed() {
                    if all.retried(&name.0, name.1.task(index)) {
                        continue;
                    }
                    let dead = history
                        .dead
                        .get(&index)
                        .and_then(|c| c.iter().take_while(|c| c.seq < change.seq).last());
                    if dead.is_none_or(|c| c.new.is_none()) {
                        let what = format!(
                            "it was deleted before the dead letter of task {index} was written"
                        );
                        found.push(("I13", at, what));
                    }
                }
            }
        }
        self.live.clone_from(&change.new);
        found
    }

    fn failed(&self) -> Vec<usize> {
        let tasks = self.done.iter().flat_map(|d| d.tasks.iter().enumerate());
        tasks
            .filter(|(_, t)| t.outcome.ending == Ending::Failed)
            .map(|(i, _)| i)
            .collect()
    }

    fn done_changes(&mut self, change: &Change<Done>) -> Found {
        let mut found = Found::new();
        let at = change.at;
        match &change.new {
            None => {
                let recorded = change.old.as_ref().filter(|d| !d.is_seal());
                let kept = recorded.map_or(Duration::MAX, |d| d.keep);
                let age = at.saturating_sub(self.recorded_at.unwrap_or_default());
                if age < kept {
                    let what = format!(
                        "its outcome was deleted after {age:?} and was to be kept {kept:?}"
                    );
                    found.push(("I1", at, what));
                }
                if self.live.is_some() {
                    found.push((
                        "I6",
                        at,
                        "its outcome was deleted while it was there itself".into(),
                    ));
                }
            }
            Some(new) => {
                if let Some(first) = &self.recorded {
                    let what = format!(
                        "a second write of its outcome, after {:?}",
                        first.write.last()
                    );
                    found.push(("I2", at, what));
                } else if !new.is_seal() {
                    found.extend(self.records(new).into_iter().map(|(i, what)| (i, at, what)));
                    self.recorded = Some(new.clone());
                    self.recorded_at = Some(at);
                }
                let before = change.old.as_ref().and_then(|d| d.open);
                if new.open.zip(before).is_some_and(|(new, old)| new < old) {
                    found.push((
                        "I2",
                        at,
                        "an older take-over sealed over a newer one".into(),
                    ));
                }
            }
        }
        self.done.clone_from(&change.new);
        found
    }

    /// An outcome is recorded: it must be the one that the live record shows, as far as it shows.
    fn records(&self, done: &Done) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let Some(live) = &self.live else {
            return vec![(
                "I2",
                "an outcome was recorded although the object was gone".into(),
            )];
        };
        if live.write.created_by != done.life {
            found.push(("I6", "the outcome of another life was recorded".into()));
        }
        if done.tasks.len() != live.tasks.len() {
            found.push((
                "I2",
                "an outcome was recorded without some of its tasks".into(),
            ));
        }
        for (index, (slot, task)) in live.tasks.iter().zip(&done.tasks).enumerate() {
            let shown = slot.outcome.as_ref();
            if shown.is_some_and(|shown| !same(shown, &task.outcome)) {
                let (shown, recorded) = (shown.map(|o| o.ending), task.outcome.ending);
                found.push((
                    "I2",
                    format!("task {index} showed {shown:?}, recorded is {recorded:?}"),
                ));
            }
        }
        found
    }
}

/// Two outcomes that say the same.
pub fn same(a: &Outcome, b: &Outcome) -> bool {
    a.ending == b.ending && a.at == b.at && a.output == b.output && a.attempts == b.attempts
}
