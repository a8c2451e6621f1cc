//! How submissions are made.

use futures::StreamExt;
use oq_core::queue::{Queue, Task};
use oq_core::record::{Priority, Retry};
use oq_core::{Error, Result};

use super::{Producer, TASK_TYPE};
use crate::observe::Answer;
use crate::parcel::Parcel;
use crate::scenario::Submission;

impl Producer {
    pub(super) async fn one(&self, queue: &Queue, submission: &Submission) -> Answer {
        match queue
            .submit(self.task(submission, submission.tasks.start))
            .await
        {
            Ok(there) => Answer::Ok {
                id: there.id.object(),
                existing: there.existing,
            },
            Err(e) => failed(&e),
        }
    }

    pub(super) async fn pack(&self, queue: &Queue, submission: &Submission) -> Answer {
        let tasks = submission
            .tasks
            .clone()
            .map(|script| self.task(submission, script));
        let size = submission.tasks.len();
        let batches: Vec<_> = queue
            .submit_many(tasks)
            .pack(size)
            .into_stream()
            .collect()
            .await;
        match &batches[..] {
            [batch] => match &batch.ids {
                Ok(ids) => Answer::Ok {
                    id: ids[0].object(),
                    existing: batch.existing,
                },
                Err(e) => failed(e),
            },
            // The harness counts on one object for one submission.
            other => panic!("{size} tasks became {} objects", other.len()),
        }
    }

    fn task(&self, submission: &Submission, script: usize) -> Task {
        let built = || -> Result<Task> {
            let retry = Retry::exponential(submission.attempts, submission.retry_base);
            let mut task = Task::new(TASK_TYPE, &self.parcel(script))?
                .priority(Priority::new(submission.priority)?)
                .retry(retry)
                .timeout(submission.timeout)
                .retention(submission.retention)
                .lease(submission.lease);
            if let Some(delay) = submission.delay {
                task = task.delay(delay);
            }
            if let Some(after) = submission.expires_in {
                task = task.expires_in(after);
            }
            if let Some(key) = submission.key {
                task = task.key(format!("key {key}"));
            }
            Ok(task)
        };
        built().expect("scenarios ask only for what is allowed")
    }

    /// What a task is given.
    fn parcel(&self, script: usize) -> Parcel {
        Parcel::new(script, self.scenario.scripts[script].load)
    }
}

fn failed(e: &Error) -> Answer {
    match e {
        Error::InDoubt { ids } => Answer::Doubt(ids.first().map(|id| id.object())),
        _ => Answer::Refused,
    }
}
