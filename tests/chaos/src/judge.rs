//! What must not have happened, told from the log of effects and from what clients were told.

use std::collections::{BTreeMap, BTreeSet};

use oq_core::queue::TaskState;

use crate::effects::{Did, Effect, by_task};
use crate::play::{LEASE, SLOTS};

/// What the clients of a run were told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Tasks whose submission was answered as accepted.
    pub accepted: BTreeSet<String>,
    /// Tasks whose submission was answered as in doubt.
    pub doubtful: BTreeSet<String>,
    /// Tasks that somebody tried to cancel.
    pub asked: BTreeSet<String>,
    /// What was answered to that.
    pub cancelled: BTreeMap<String, Cancel>,
    /// How often two submissions under one key were both answered with an id.
    pub pairs: usize,
    /// For each key, the tasks that whoever submitted under it was told of, in doubt or not.
    pub keys: BTreeMap<String, BTreeSet<String>>,
    /// When each outcome was first read, what it was, and what the handler returned.
    pub over: BTreeMap<String, Over>,
}

/// A request to cancel that was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cancel {
    pub at: f64,
    /// The task is cancelled; else whoever holds it will be asked to stop.
    pub over: bool,
}

/// An outcome that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    pub at: f64,
    pub state: TaskState,
    /// The token that the winner returned.
    pub output: Option<String>,
}

impl Told {
    /// The tasks without an outcome.
    pub fn open_ones(&self) -> Vec<String> {
        let all = self.accepted.union(&self.doubtful);
        let open = all.filter(|id| !self.over.contains_key(*id));
        open.cloned().collect()
    }

    /// How many tasks have no outcome.
    pub fn open(&self) -> usize {
        self.open_ones().len()
    }

    /// How many tasks ended as cancelled whose holders were asked to stop.
    pub fn stopped(&self) -> usize {
        let asked = self.cancelled.iter().filter(|(_, cancel)| !cancel.over);
        let over = asked.filter_map(|(id, _)| self.over.get(id));
        over.filter(|over| over.state == TaskState::Cancelled)
            .count()
    }

    /// Since when it was known of a task that it is over.
    fn over_since(&self, task: &str) -> Option<f64> {
        let told = self.cancelled.get(task).filter(|cancel| cancel.over);
        let read = self.over.get(task).map(|over| over.at);
        let times = read.into_iter().chain(told.map(|cancel| cancel.at));
        times.min_by(f64::total_cmp)
    }

    /// Of how many keys more than one task was accepted or ran.
    fn split_keys(&self, ran: impl Fn(&str) -> bool) -> usize {
        let there = |id: &&String| self.accepted.contains(*id) || ran(id);
        let several = |ids: &&BTreeSet<String>| ids.iter().filter(there).count() > 1;
        self.keys.values().filter(several).count()
    }

    /// Whether every accepted task has an outcome.
    pub fn all_over(&self) -> bool {
        self.accepted.iter().all(|id| self.over.contains_key(id))
    }
}

/// The counts of one run. All but the last two must be zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted, and without an outcome at the end.
    pub lost: usize,
    /// Started after their outcome had been read.
    pub after_outcome: usize,
    /// Two claims of it started after it had been answered that it is to be cancelled: the holder of
    /// that moment may, and nobody after it.
    pub after_cancel: usize,
    /// Failed or expired, or were cancelled though nobody asked for it.
    pub other_outcome: usize,
    /// It was answered that they are cancelled, and they ended otherwise.
    pub not_cancelled: usize,
    /// Ran although nobody had been told that they might exist.
    pub unasked: usize,
    /// Keys under which more than one task was accepted or ran.
    pub split_key: usize,
    /// Two tokens for one delivery.
    pub shared_delivery: usize,
    /// The recorded result is of no run that ended.
    pub wrong_result: usize,
    /// The recorded result came under a token, and a newer one had started.
    pub stale_result: usize,
    /// Started under an older token than one that had started before, and not by a worker that had
    /// just gone on after a stop and could not know of the other.
    pub stale_start: usize,
    /// Ended more than once: at least once is what is promised.
    pub again: usize,
    /// Effects under an older token than one seen before: a sink that keeps the highest refuses them.
    pub late: usize,
}

impl Counts {
    /// What must not be, with its name.
    pub fn wrong(&self) -> Vec<(&'static str, usize)> {
        let all = [
            ("lost", self.lost),
            ("started after an outcome", self.after_outcome),
            ("claimed and started after a cancel", self.after_cancel),
            ("ended as nobody asked for", self.other_outcome),
            (
                "ended otherwise than a cancel was answered",
                self.not_cancelled,
            ),
            ("ran unasked", self.unasked),
            ("two tasks for one key", self.split_key),
            ("two tokens for one delivery", self.shared_delivery),
            ("wrong result", self.wrong_result),
            ("result under a stale token", self.stale_result),
            ("started under a stale token", self.stale_start),
        ];
        all.into_iter().filter(|(_, n)| *n > 0).collect()
    }
}

/// A while in which a worker was stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pause {
    pub stopped: f64,
    pub woken: f64,
}

/// When each worker was stopped.
pub type Pauses = BTreeMap<usize, Vec<Pause>>;

/// What workers started when they went on, and when they had been stopped.
type Drowsy<'a> = BTreeMap<(&'a str, u32), f64>;

/// What each worker started first when it went on, as many tasks as it runs at once, until it next
/// looked at its leases. If it was stopped between its last look at a lease and the start of a handler,
/// it cannot know that others went on meanwhile.
fn drowsy<'a>(effects: &'a [Effect], pauses: &Pauses) -> Drowsy<'a> {
    // It looks at each lease three times while it lasts.
    let awake = (LEASE / 3).as_secs_f64();
    let each = pauses
        .iter()
        .flat_map(|(worker, pauses)| pauses.iter().map(move |pause| (*worker, *pause)));
    let first = each.flat_map(|(worker, pause)| {
        let soon = move |e: &&Effect| e.at >= pause.woken && e.at < pause.woken + awake;
        let starts = effects.iter().filter(soon);
        let mine = starts.filter(move |e| e.did == Did::Start && e.worker == worker);
        mine.take(SLOTS).map(move |e| (e, pause.stopped))
    });
    first
        .map(|(e, stopped)| ((e.task.as_str(), e.delivery), stopped))
        .collect()
}

/// Counts.
pub fn judge(effects: &[Effect], told: &Told, pauses: &Pauses) -> Counts {
    let mut counts = Counts {
        lost: told
            .accepted
            .iter()
            .filter(|id| !told.over.contains_key(*id))
            .count(),
        ..Counts::default()
    };
    let by_task = by_task(effects);
    counts.split_key = told.split_keys(|id| by_task.contains_key(id));
    let drowsy = drowsy(effects, pauses);
    for (task, effects) in &by_task {
        of_task(&mut counts, task, effects, told, &drowsy);
    }
    for (task, over) in &told.over {
        let effects = by_task.get(task.as_str()).map_or(&[][..], Vec::as_slice);
        of_outcome(&mut counts, over, effects, told.asked.contains(task));
        let cancelled = told.cancelled.get(task).is_some_and(|cancel| cancel.over);
        counts.not_cancelled += usize::from(cancelled && over.state != TaskState::Cancelled);
    }
    counts
}

fn of_task(counts: &mut Counts, task: &str, effects: &[&Effect], told: &Told, drowsy: &Drowsy<'_>) {
    counts.unasked += usize::from(!told.accepted.contains(task) && !told.doubtful.contains(task));
    let mut tokens: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    let mut cancelled: BTreeSet<u32> = BTreeSet::new();
    let (mut highest, mut ends) = (0, 0);
    // When a delivery was first seen that made the ones before it stale.
    let newer = |than: u32| effects.iter().find(|e| e.delivery > than).map(|e| e.at);
    let over = told.over_since(task);
    for effect in effects {
        let token = effect.token.as_str();
        tokens.entry(effect.delivery).or_default().insert(token);
        let stale = effect.delivery < highest;
        highest = highest.max(effect.delivery);
        counts.late += usize::from(stale);
        ends += usize::from(effect.did == Did::End);
        if effect.did == Did::Start {
            let over = over.is_some_and(|at| at < effect.at);
            counts.after_outcome += usize::from(over);
            let stopped = drowsy.get(&(task, effect.delivery));
            let meanwhile = |stopped: &f64| newer(effect.delivery) >= Some(*stopped);
            let may = stopped.is_some_and(meanwhile);
            counts.stale_start += usize::from(stale && !may);
            if told.cancelled.get(task).is_some_and(|c| c.at < effect.at) {
                cancelled.insert(effect.delivery);
            }
        }
    }
    counts.after_cancel += usize::from(cancelled.len() > 1);
    counts.shared_delivery += tokens.values().filter(|tokens| tokens.len() > 1).count();
    counts.again += usize::from(ends > 1);
}

fn of_outcome(counts: &mut Counts, over: &Over, effects: &[&Effect], asked: bool) {
    match over.state {
        TaskState::Completed => {}
        TaskState::Cancelled if asked => return,
        _ => {
            counts.other_outcome += 1;
            return;
        }
    }
    let ends = |e: &&&Effect| e.did == Did::End && Some(&e.token) == over.output.as_ref();
    let Some(winner) = effects.iter().find(ends) else {
        counts.wrong_result += 1;
        return;
    };
    let mut starts = effects.iter().filter(|e| e.did == Did::Start);
    counts.stale_result += usize::from(starts.any(|e| e.delivery > winner.delivery));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(at: f64, did: Did, delivery: u32, token: &str) -> Effect {
        let (worker, process, task, token) = (0, 0, "a".to_owned(), token.to_owned());
        Effect {
            at,
            did,
            worker,
            process,
            task,
            delivery,
            token,
        }
    }

    fn told(over: Option<(f64, &str)>) -> Told {
        let mut told = Told {
            accepted: ["a".to_owned()].into(),
            ..Told::default()
        };
        if let Some((at, output)) = over {
            let (state, output) = (TaskState::Completed, Some(output.to_owned()));
            told.over.insert("a".into(), Over { at, state, output });
        }
        told
    }

    fn judged(effects: &[Effect], told: &Told) -> Counts {
        judge(effects, told, &Pauses::new())
    }

    #[test]
    fn a_good_run_has_nothing_wrong_and_each_fault_is_counted() {
        let good = [
            effect(1.0, Did::Start, 1, "T"),
            effect(2.0, Did::End, 1, "T"),
        ];
        assert_eq!(judged(&good, &told(Some((3.0, "T")))), Counts::default());

        assert_eq!(judged(&good, &told(None)).lost, 1);
        assert_eq!(judged(&good, &told(Some((0.5, "T")))).after_outcome, 1);
        assert_eq!(judged(&good, &Told::default()).unasked, 1);
        assert_eq!(judged(&good, &told(Some((3.0, "other")))).wrong_result, 1);
        let shared = [
            effect(1.0, Did::Start, 1, "T"),
            effect(1.0, Did::Start, 1, "U"),
        ];
        assert_eq!(judged(&shared, &told(None)).shared_delivery, 1);
    }

    #[test]
    fn a_key_is_split_whose_two_tasks_were_accepted_or_ran() {
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        let mut told = told(Some((3.0, "T")));
        told.doubtful = ids(&["b"]);
        told.keys.insert("key".into(), ids(&["a", "b"]));
        let one = effect(1.0, Did::Start, 1, "T");
        let mut other = one.clone();
        other.task = "b".into();
        assert_eq!(judged(std::slice::from_ref(&one), &told).split_key, 0);
        assert_eq!(judged(&[one.clone(), other], &told).split_key, 1);
        told.accepted = ids(&["a", "b"]);
        assert_eq!(judged(&[one], &told).split_key, 1);
    }

    #[test]
    fn late_effects_are_allowed_and_stale_tokens_are_not() {
        let late = [
            effect(1.0, Did::Start, 1, "T"),
            effect(2.0, Did::Start, 2, "U"),
            effect(3.0, Did::End, 1, "T"),
            effect(4.0, Did::End, 2, "U"),
        ];
        let counts = judged(&late, &told(Some((5.0, "U"))));
        assert_eq!((counts.late, counts.again), (1, 1));
        assert!(counts.wrong().is_empty());
        assert_eq!(judged(&late, &told(Some((5.0, "T")))).stale_result, 1);

        let stale = [
            effect(1.0, Did::Start, 2, "U"),
            effect(2.0, Did::Start, 1, "T"),
            effect(3.0, Did::End, 2, "U"),
        ];
        let told = told(Some((4.0, "U")));
        assert_eq!(judged(&stale, &told).stale_start, 1);
        let pause = |stopped, woken| Pauses::from([(0, vec![Pause { stopped, woken }])]);
        assert!(judge(&stale, &told, &pause(0.5, 1.5)).wrong().is_empty());
        assert_eq!(judge(&stale, &told, &pause(0.5, 2.5)).stale_start, 1);
        // It was stopped when the other had started: it had looked at its lease too early.
        assert_eq!(judge(&stale, &told, &pause(1.2, 1.5)).stale_start, 1);
        // And it had the time to look again.
        let mut late = stale.clone();
        late[1].at = 9.0;
        assert_eq!(judge(&late, &told, &pause(0.5, 1.5)).stale_start, 1);
        // As many as it runs at once were started before it.
        let mut others = vec![effect(1.6, Did::Start, 1, "V"); SLOTS];
        others.iter_mut().for_each(|e| e.task = "b".into());
        others.splice(0..0, [stale[0].clone()]);
        others.extend_from_slice(&stale[1..]);
        assert_eq!(judge(&others, &told, &pause(0.5, 1.5)).stale_start, 1);
        others.remove(1);
        assert_eq!(judge(&others, &told, &pause(0.5, 1.5)).stale_start, 0);
    }

    #[test]
    fn what_is_cancelled_was_asked_for_and_is_not_claimed_again() {
        let mut told = told(None);
        let (at, state, output) = (9.0, TaskState::Cancelled, None);
        told.over.insert("a".into(), Over { at, state, output });
        let first = [effect(2.0, Did::Start, 1, "T")];
        assert_eq!(judged(&first, &told).other_outcome, 1);
        told.asked.insert("a".into());
        let cancelled = |over| {
            let mut told = told.clone();
            told.cancelled.insert("a".into(), Cancel { at: 1.0, over });
            told
        };
        let told = cancelled(false);
        assert!(judged(&first, &told).wrong().is_empty());
        assert_eq!(told.stopped(), 1);
        let second = [first[0].clone(), effect(3.0, Did::Start, 2, "U")];
        assert_eq!(judged(&second, &told).after_cancel, 1);
    }

    #[test]
    fn what_is_answered_as_cancelled_starts_no_more_and_ends_so() {
        let mut told = told(Some((9.0, "T")));
        told.asked.insert("a".into());
        let (at, over) = (1.5, true);
        told.cancelled.insert("a".into(), Cancel { at, over });
        let ran = [
            effect(2.0, Did::Start, 1, "T"),
            effect(3.0, Did::End, 1, "T"),
        ];
        let counts = judged(&ran, &told);
        assert_eq!((counts.not_cancelled, counts.after_outcome), (1, 1));
        assert_eq!(told.stopped(), 0);
    }
}
