//! What must not have happened, told from the log of effects and from what clients were told.

use std::collections::{BTreeMap, BTreeSet};

use oq_core::queue::TaskState;

use crate::effects::{Effect, by_task};

/// What the clients of a run were told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Tasks whose submission was answered as accepted.
    pub accepted: BTreeSet<String>,
    /// Tasks whose submission was answered as in doubt.
    pub doubtful: BTreeSet<String>,
    pub refused: u64,
    /// When each outcome was first read, what it was, and what the handler returned.
    pub over: BTreeMap<String, Over>,
}

/// An outcome that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    pub at: f64,
    pub state: TaskState,
    /// The token that the winner returned.
    pub output: Option<String>,
}

/// The counts of one run. All but the last two must be zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted, and without an outcome at the end.
    pub lost: usize,
    /// Started after their outcome had been read.
    pub after_outcome: usize,
    /// Ran although nobody had been told that they might exist.
    pub unasked: usize,
    /// Two tokens for one delivery.
    pub shared_delivery: usize,
    /// The recorded result is of no run that ended.
    pub wrong_result: usize,
    /// Ended more than once: at least once is what is promised.
    pub again: usize,
    /// Effects under an older token than one seen before: a sink that keeps the highest refuses them.
    pub stale: usize,
}

impl Counts {
    /// What must not be, with its name.
    pub fn wrong(&self) -> Vec<(&'static str, usize)> {
        let all = [
            ("lost", self.lost),
            ("started after an outcome", self.after_outcome),
            ("ran unasked", self.unasked),
            ("two tokens for one delivery", self.shared_delivery),
            ("wrong result", self.wrong_result),
        ];
        all.into_iter().filter(|(_, n)| *n > 0).collect()
    }
}

/// Counts.
pub fn judge(effects: &[Effect], told: &Told) -> Counts {
    let mut counts = Counts {
        lost: told
            .accepted
            .iter()
            .filter(|id| !told.over.contains_key(*id))
            .count(),
        ..Counts::default()
    };
    let by_task = by_task(effects);
    for (task, effects) in &by_task {
        counts.unasked +=
            usize::from(!told.accepted.contains(*task) && !told.doubtful.contains(*task));
        let mut tokens: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
        let (mut highest, mut ends) = (0, 0);
        for effect in effects {
            tokens
                .entry(effect.delivery)
                .or_default()
                .insert(&effect.token);
            counts.stale += usize::from(effect.delivery < highest);
            highest = highest.max(effect.delivery);
            ends += usize::from(effect.ends);
            let over = told.over.get(*task).is_some_and(|over| over.at < effect.at);
            counts.after_outcome += usize::from(over && !effect.ends);
        }
        counts.shared_delivery += tokens.values().filter(|tokens| tokens.len() > 1).count();
        counts.again += usize::from(ends > 1);
    }
    for (task, over) in &told.over {
        let Some(output) = over
            .output
            .as_deref()
            .filter(|_| over.state == TaskState::Completed)
        else {
            counts.wrong_result += usize::from(over.state == TaskState::Completed);
            continue;
        };
        let ended = by_task.get(task.as_str()).into_iter().flatten();
        let ended = ended.filter(|e| e.ends).any(|e| e.token == output);
        counts.wrong_result += usize::from(!ended);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(at: f64, ends: bool, delivery: u32, token: &str) -> Effect {
        let (worker, process, task, token) = (0, 0, "a".to_owned(), token.to_owned());
        Effect {
            at,
            ends,
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

    #[test]
    fn a_good_run_has_nothing_wrong_and_each_fault_is_counted() {
        let good = [effect(1.0, false, 1, "T"), effect(2.0, true, 1, "T")];
        assert_eq!(judge(&good, &told(Some((3.0, "T")))), Counts::default());

        assert_eq!(judge(&good, &told(None)).lost, 1);
        assert_eq!(judge(&good, &told(Some((0.5, "T")))).after_outcome, 1);
        assert_eq!(judge(&good, &Told::default()).unasked, 1);
        assert_eq!(judge(&good, &told(Some((3.0, "other")))).wrong_result, 1);
        let shared = [effect(1.0, false, 1, "T"), effect(1.0, false, 1, "U")];
        assert_eq!(judge(&shared, &told(None)).shared_delivery, 1);

        let stale = [
            effect(1.0, false, 2, "U"),
            effect(2.0, true, 1, "T"),
            effect(3.0, true, 2, "U"),
        ];
        let counts = judge(&stale, &told(Some((4.0, "U"))));
        assert_eq!((counts.stale, counts.again), (1, 1));
        assert!(counts.wrong().is_empty());
    }
}
