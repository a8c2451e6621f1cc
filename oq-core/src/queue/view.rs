//! [`TaskView`]: one task, as it looks from outside.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::protocol::lookup::Found;
use crate::record::{
    Data, Done, Ending, Event, Failure, Live, LiveState, Options, Priority, Progress, TaskId,
    TaskType, WorkerId,
};
use crate::time::StoreTime;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It may be started now.
    Pending,
    /// It may be started later: delayed, to be tried again, or told to come again.
    Waiting,
    /// A worker holds it.
    Running,
    /// It is over, and its outcome is being recorded.
    Finishing,
    /// Its handler succeeded.
    Completed,
    /// It failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was not started before its time was over.
    Expired,
}

impl TaskState {
    /// All of them, in the order of a task's life.
    pub const ALL: [TaskState; 8] = [
        TaskState::Pending,
        TaskState::Waiting,
        TaskState::Running,
        TaskState::Finishing,
        TaskState::Completed,
        TaskState::Failed,
        TaskState::Cancelled,
        TaskState::Expired,
    ];

    /// The word for it, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::Pending => "pending",
            TaskState::Waiting => "waiting",
            TaskState::Running => "running",
            TaskState::Finishing => "finishing",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Cancelled => "cancelled",
            TaskState::Expired => "expired",
        }
    }

    /// Whether its outcome is recorded and will not change any more.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            TaskState::Completed | TaskState::Failed | TaskState::Cancelled | TaskState::Expired
        )
    }
}

impl From<Ending> for TaskState {
    fn from(ending: Ending) -> TaskState {
        match ending {
            Ending::Completed => TaskState::Completed,
            Ending::Failed => TaskState::Failed,
            Ending::Cancelled => TaskState::Cancelled,
            Ending::Expired => TaskState::Expired,
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for TaskState {
    type Err = Error;

    fn from_str(text: &str) -> Result<TaskState> {
        let found = TaskState::ALL.into_iter().find(|s| s.as_str() == text);
        found.ok_or_else(|| {
            let words = TaskState::ALL.map(TaskState::as_str).join(", ");
            Error::invalid(
                format!("state {}", crate::record::quoted(text)),
                format!("use one of {words}"),
            )
        })
    }
}

/// One task, as it looks from outside.
#[derive(Debug, Clone, Serialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// Which handler runs it.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// Where it stands.
    pub state: TaskState,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was submitted.
    pub submitted: StoreTime,
    /// While it waits: until when.
    pub available_at: Option<StoreTime>,
    /// When it ended.
    pub ended: Option<StoreTime>,
    /// How many attempts were charged so far.
    pub attempts: u32,
    /// How often it was started, the attempts that were not its fault included.
    pub starts: u32,
    /// How often its object was claimed or taken over.
    pub delivery: u32,
    /// While it runs: where.
    pub worker: Option<WorkerId>,
    /// While it runs: how far its handler says it is.
    pub progress: Option<Progress>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// What its handler returned; [`super::Queue::output`] reads it.
    #[serde(skip)]
    pub output: Option<Data>,
    /// Its input, unless it completed; [`super::Queue::input`] reads it.
    #[serde(skip)]
    pub input: Option<Data>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// Free names and values.
    pub tags: BTreeMap<String, String>,
    /// Its submitter's trace context.
    pub trace: Option<String>,
    /// How it is run.
    pub options: Options,
    /// The dead task that it tries again.
    pub retry_of: Option<TaskId>,
    /// What became of its object, the newest last.
    pub history: Vec<Event>,
}

impl TaskView {
    /// The task `id` of what a look-up found.
    pub(super) fn of(id: TaskId, found: &Found, now: StoreTime) -> Option<TaskView> {
        match found {
            Found::Live { live, .. } => TaskView::of_live(id, &live.record, now),
            Found::Done { done, .. } => TaskView::of_done(id, &done.record),
        }
    }

    pub(super) fn of_live(id: TaskId, live: &Live, now: StoreTime) -> Option<TaskView> {
        let slot = live.tasks.get(id.index())?;
        let until = live.available_at.max(slot.available_at);
        let waits = until.filter(|at| *at > now);
        let outcome = slot.outcome.as_ref();
        let state = match live.state {
            LiveState::Terminal => TaskState::Finishing,
            // Inside a pack that still runs: decided, but recorded only with the whole pack.
            _ if outcome.is_some() => TaskState::Finishing,
            LiveState::Running if slot.running => TaskState::Running,
            LiveState::Running | LiveState::Pending if waits.is_some() => TaskState::Waiting,
            LiveState::Running | LiveState::Pending => TaskState::Pending,
        };
        let lease = live.lease.as_ref().filter(|_| slot.running);
        Some(TaskView {
            id,
            task_type: live.task_type.clone(),
            state,
            priority: id.object().priority(),
            submitted: live.write.created,
            available_at: waits.filter(|_| state == TaskState::Waiting),
            ended: outcome.map(|o| o.at),
            attempts: slot.attempts(),
            starts: slot.starts,
            delivery: live.delivery,
            worker: lease.map(|l| l.worker.clone()),
            progress: slot.progress,
            cancel_requested: slot.cancel_requested,
            output: outcome.and_then(|o| o.output.clone()),
            input: Some(slot.input.clone()),
            failure: outcome
                .and_then(|o| o.failure.clone())
                .or_else(|| slot.failure.clone()),
            tags: slot.tags.clone(),
            trace: slot.trace.clone(),
            options: live.options.clone(),
            retry_of: live.retry_of,
            history: live.history.clone(),
        })
    }

    pub(super) fn of_done(id: TaskId, done: &Done) -> Option<TaskView> {
        let task = done.tasks.get(id.index())?;
        let outcome = &task.outcome;
        let delivery = done.history.iter().map(|e| e.delivery).max().unwrap_or(0);
        Some(TaskView {
            id,
            task_type: done.task_type.clone(),
            state: outcome.ending.into(),
            priority: id.object().priority(),
            submitted: done.submitted,
            available_at: None,
            ended: Some(outcome.at),
            attempts: outcome.attempts,
            starts: task.starts,
            delivery,
            worker: None,
            progress: None,
            cancel_requested: false,
            output: outcome.output.clone(),
            input: task.input.clone(),
            failure: outcome.failure.clone(),
            tags: task.tags.clone(),
            trace: task.trace.clone(),
            options: done.options.clone(),
            retry_of: done.retry_of,
            history: done.history.clone(),
        })
    }
}
