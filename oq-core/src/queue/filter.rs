//! [`Filter`]: which tasks a listing or a bulk action is about.

use std::collections::BTreeMap;

use super::view::{TaskState, TaskView};
use crate::record::{Hint, ObjectId, Priority, TaskType};
use crate::time::StoreTime;

/// Which tasks: those that match everything that is set. Unset: all.
///
/// ```
/// use oq_core::queue::{Filter, TaskState};
///
/// let filter = Filter::new().state(TaskState::Failed).tag("customer", "c1").limit(100);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    types: Vec<TaskType>,
    tags: BTreeMap<String, String>,
    states: Vec<TaskState>,
    pub(super) priority: Option<Priority>,
    pub(super) from: Option<StoreTime>,
    pub(super) until: Option<StoreTime>,
    pub(super) limit: Option<u64>,
    pub(super) cursor: Option<String>,
}

impl Filter {
    /// All tasks.
    pub fn new() -> Filter {
        Filter::default()
    }

    /// Only of this type; more than one type may be named.
    pub fn task_type(mut self, task_type: TaskType) -> Filter {
        self.types.push(task_type);
        self
    }

    /// Only with this tag; all tags that are named must be there.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Filter {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Only in this state; more than one state may be named.
    pub fn state(mut self, state: TaskState) -> Filter {
        self.states.push(state);
        self
    }

    /// Only this urgent. Live tasks of other priorities are not even listed, where there are more
    /// than fit into a page.
    pub fn priority(mut self, priority: Priority) -> Filter {
        self.priority = Some(priority);
        self
    }

    /// Only first due at this moment or later: for a task without a delay, submitted then; a retry
    /// or a reschedule does not change it. An id carries that time and keys are in its order, so what
    /// is earlier is neither read nor, where there is more than fits into a page, listed.
    pub fn from(mut self, from: StoreTime) -> Filter {
        self.from = Some(from);
        self
    }

    /// Only first due before this moment.
    pub fn until(mut self, until: StoreTime) -> Filter {
        self.until = Some(until);
        self
    }

    /// At most so many.
    pub fn limit(mut self, limit: u64) -> Filter {
        self.limit = Some(limit);
        self
    }

    /// Go on where [`super::Listing::cursor`] stopped, with the same filter.
    pub fn after(mut self, cursor: impl Into<String>) -> Filter {
        self.cursor = Some(cursor.into());
        self
    }

    /// The same, but only what has no outcome yet.
    pub(super) fn live(mut self) -> Filter {
        let live = [TaskState::Pending, TaskState::Waiting, TaskState::Running];
        if self.states.is_empty() {
            self.states.extend(live);
        } else {
            self.states.retain(|s| live.contains(s));
        }
        // Nothing that is over can be asked for; an empty list would mean everything.
        if self.states.is_empty() {
            self.limit = Some(0);
        }
        self
    }

    /// Whether tasks in one of these states are asked for.
    pub(super) fn wants(&self, states: &[TaskState]) -> bool {
        self.states.is_empty() || self.states.iter().any(|s| states.contains(s))
    }

    /// Whether failed tasks are all that is asked for: then their pointers are enough to find them.
    pub(super) fn only_failed(&self) -> bool {
        !self.states.is_empty() && self.states.iter().all(|s| *s == TaskState::Failed)
    }

    /// Whether it leaves out what an id shows: then stretches of a listing can be passed over.
    pub(super) fn narrows(&self) -> bool {
        self.priority.is_some() || self.from.is_some() || self.until.is_some()
    }

    /// Whether an object can hold such tasks, judged by its id.
    pub(super) fn may_be(&self, id: ObjectId) -> bool {
        self.priority.is_none_or(|p| p == id.priority())
            && self.from.is_none_or(|from| id.due() >= from)
            && self.until.is_none_or(|until| id.due() < until)
    }

    /// Whether a live object can hold such tasks, judged by its length. A pack that runs holds
    /// tasks in every state.
    pub(super) fn may_hold(&self, id: ObjectId, size: u64) -> bool {
        match Hint::of_size(size) {
            Hint::Running(_) if id.count() > 1 => true,
            Hint::Running(_) => self.wants(&[TaskState::Running]),
            Hint::Terminal(_) => self.wants(&[TaskState::Finishing]),
            // What waited when it was written may be due by now; a pack holds both.
            Hint::Waiting(_) | Hint::Runnable => {
                self.wants(&[TaskState::Pending, TaskState::Waiting, TaskState::Finishing])
            }
        }
    }

    /// Whether this is such a task.
    pub fn matches(&self, view: &TaskView) -> bool {
        self.wants(&[view.state])
            && self.may_be(view.id.object())
            && (self.types.is_empty() || self.types.contains(&view.task_type))
            && self.matches_tags(&view.tags)
    }

    /// Whether a dead letter points at such a task.
    pub(super) fn matches_dead(
        &self,
        id: ObjectId,
        task_type: &TaskType,
        tags: &BTreeMap<String, String>,
    ) -> bool {
        self.may_be(id)
            && (self.types.is_empty() || self.types.contains(task_type))
            && self.matches_tags(tags)
    }

    fn matches_tags(&self, tags: &BTreeMap<String, String>) -> bool {
        self.tags
            .iter()
            .all(|(name, value)| tags.get(name) == Some(value))
    }
}
