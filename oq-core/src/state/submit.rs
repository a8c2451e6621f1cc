//! From nothing to pending: what a submitter writes.

use std::collections::BTreeMap;

use crate::record::{Keyed, Live, LiveState, Options, Slot, Stamp, Step, TaskId, TaskType, V1};
use crate::time::StoreTime;

/// What a new object is made of.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Which handler runs its tasks.
    pub task_type: TaskType,
    /// How its tasks are to be run.
    pub options: Options,
    /// Not before this moment.
    pub available_at: Option<StoreTime>,
    /// The idempotency key it is submitted under.
    pub key: Option<Keyed>,
    /// The dead task that it tries again.
    pub retry_of: Option<TaskId>,
    /// Why somebody tries it again.
    pub reason: Option<String>,
}

/// (none) → pending.
pub fn pending(draft: &Draft, tasks: Vec<Slot>, write: Stamp) -> Live {
    let created = write.created;
    let mut live = Live {
        v: V1,
        write,
        task_type: draft.task_type.clone(),
        state: LiveState::Pending,
        options: draft.options.clone(),
        available_at: draft.available_at,
        delivery: 0,
        width: None,
        lease: None,
        key: draft.key.clone(),
        retry_of: draft.retry_of,
        tasks,
        history: Vec::new(),
        extra: BTreeMap::new(),
    };
    if draft.reason.is_some() {
        live.log(created, Step::Retried, draft.reason.clone());
    }
    live
}
