//! From a live record whose tasks all have outcomes to what is recorded of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::record::{Dead, Done, DoneTask, Ending, Failure, Live, Stamp, TaskId, Token, V1};
use crate::time::StoreTime;

/// The outcome object of `live`, written by the holder of `token`.
pub fn done(live: &Live, token: &Token, write: Stamp) -> Done {
    let tasks = live.tasks.iter().filter_map(|slot| {
        let outcome = slot.outcome.clone()?;
        let again = outcome.ending != Ending::Completed;
        Some(DoneTask {
            outcome,
            tags: slot.tags.clone(),
            input: again.then(|| slot.input.clone()),
            trace: slot.trace.clone().filter(|_| again),
            starts: slot.starts,
        })
    });
    Done {
        tasks: tasks.collect(),
        history: live.history.clone(),
        ..blank(live, token, write)
    }
}

/// The seal that delivery `live.delivery` puts in place of an outcome.
pub fn seal(live: &Live, token: &Token, write: Stamp) -> Done {
    Done {
        open: Some(live.delivery),
        ..blank(live, token, write)
    }
}

fn blank(live: &Live, token: &Token, write: Stamp) -> Done {
    Done {
        v: V1,
        write,
        open: None,
        token: token.clone(),
        life: live.write.created_by.clone(),
        task_type: live.task_type.clone(),
        options: live.options.clone(),
        submitted: live.write.created,
        keep: keep(live),
        key: live.key.clone(),
        retry_of: live.retry_of,
        tasks: Vec::new(),
        history: Vec::new(),
        extra: BTreeMap::new(),
    }
}

/// An outcome is kept as long as was asked, and longer than its key stands for it.
fn keep(live: &Live) -> Duration {
    let hour = crate::record::MIN_RETENTION;
    let keyed = live
        .key
        .as_ref()
        .map_or(hour, |k| k.window.saturating_add(hour));
    live.options.retention.max(keyed).max(hour)
}

/// The dead letters that an outcome object asks for.
pub fn dead_tasks(id: crate::record::ObjectId, done: &Done) -> Vec<(TaskId, DoneTask)> {
    let failed = |t: &&DoneTask| t.outcome.ending == Ending::Failed;
    let with_ids = done.tasks.iter().enumerate();
    with_ids
        .filter(|(_, t)| failed(t))
        .map(|(i, t)| (id.task(i), t.clone()))
        .collect()
}

/// The dead letter of one failed task.
pub fn dead(done: &Done, task: &DoneTask, write: Stamp) -> Dead {
    let unknown = Failure::new("error", "");
    let failure = task.outcome.failure.as_ref().unwrap_or(&unknown);
    Dead {
        v: V1,
        write,
        task_type: done.task_type.clone(),
        at: task.outcome.at,
        attempts: task.outcome.attempts,
        kind: failure.kind.clone(),
        message: failure.message.chars().take(500).collect(),
        tags: task.tags.clone(),
        extra: BTreeMap::new(),
    }
}

/// When the last of its tasks ended.
pub fn ended(done: &Done) -> Option<StoreTime> {
    done.tasks.iter().map(|t| t.outcome.at).max()
}
