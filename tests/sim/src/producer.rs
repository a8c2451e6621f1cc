//! A simulated producer: submits, looks up and cancels through the public interface.

mod submissions;

use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::protocol::sweep::{sweep_keys, sweep_outcomes};
use oq_core::queue::{Filter, Listed, Queue, TaskState, TaskView};
use oq_core::record::{Data, Ending, Json, Priority, QueueName, Shard, TaskId};
use oq_core::testing::sim_clock::SimHost;
use oq_core::{Error, Result};
use tokio::sync::OnceCell;

use crate::observe::{
    Answer, Cancel, Cancelled, Look, Notebook, Read, Retry as Retried, Sight, Submit, What,
};
use crate::parcel;
use crate::scenario::Scenario;

/// The one task type of the simulation.
pub const TASK_TYPE: &str = "act";

/// How long a caller goes on trying to open its queue.
const OPEN_EVERY: Duration = Duration::from_secs(2);

/// One producer process.
#[derive(Debug)]
pub struct Producer {
    pub host: Arc<SimHost>,
    pub scenario: Arc<Scenario>,
    pub book: Notebook,
    newer: bool,
    env: Env,
    queues: Vec<OnceCell<Queue>>,
}

/// The name of queue number `n`.
pub fn queue_name(n: usize) -> QueueName {
    let text = if n == 0 { "mail" } else { "work" };
    QueueName::new(text).expect("a valid name")
}

impl Producer {
    pub fn new(
        host: Arc<SimHost>,
        newer: bool,
        scenario: Arc<Scenario>,
        book: Notebook,
    ) -> Producer {
        let env = host.env(scenario.seed);
        let queues = (0..scenario.queues).map(|_| OnceCell::new()).collect();
        Producer {
            host,
            scenario,
            book,
            newer,
            env,
            queues,
        }
    }

    /// A queue, opened as often as it takes.
    async fn queue(&self, n: usize) -> &Queue {
        let inline = self.scenario.inline;
        let open = || async move {
            let queue = open(&self.book, &self.host, self.newer, self.env.clone(), n).await;
            match inline {
                Some(bytes) => queue.inline_up_to(bytes).await.expect("it is not too much"),
                None => queue,
            }
        };
        self.queues[n].get_or_init(open).await
    }

    /// Submits one object and notes the answer.
    pub async fn submit(&self, n: usize) {
        let submission = &self.scenario.submissions[n];
        self.book.notes().asked.insert(n);
        let queue = self.queue(submission.queue).await;
        self.book
            .store
            .tell(|| format!("{:>3} submits {n}", self.host.id()));
        let asked = self.book.store.elapsed();
        let answer = match submission.tasks.len() {
            1 => self.one(queue, submission).await,
            _ => self.pack(queue, submission).await,
        };
        self.book
            .store
            .tell(|| format!("{:>3} submitted {n}: {answer:?}", self.host.id()));
        let at = self.book.store.elapsed();
        self.book.store.mix(format!("{answer:?}").as_bytes());
        let client = self.host.id();
        self.book.notes().submits.push(Submit {
            submission: n,
            client,
            asked,
            at,
            answer,
        });
    }

    /// The id of a task of a submission, if the producer was told.
    pub fn known(&self, n: usize, index: usize) -> Option<TaskId> {
        let notes = self.book.notes();
        let told = notes.submits.iter().rev().find(|s| s.submission == n)?;
        match &told.answer {
            Answer::Ok { id, .. } | Answer::Doubt(Some(id)) => Some(id.task(index)),
            Answer::Doubt(None) | Answer::Refused => None,
        }
    }

    /// Looks one task up and notes what it shows.
    pub async fn look(&self, n: usize, index: usize) {
        let Some(task) = self.known(n, index) else {
            return;
        };
        let of = self.scenario.submissions[n].queue;
        let queue = self.queue(of).await;
        let asked = self.book.store.elapsed();
        let answer = queue.get(task).await;
        let read = match &answer {
            Ok(view) => self.read_back(queue, view).await,
            Err(_) => Read::Nothing,
        };
        self.saw(of, task, asked, (sight(answer), read));
    }

    /// Waits for one task and notes what that shows.
    pub async fn wait(&self, n: usize, index: usize) {
        let Some(task) = self.known(n, index) else {
            return;
        };
        let of = self.scenario.submissions[n].queue;
        let queue = self.queue(of).await;
        let asked = self.book.store.elapsed();
        match queue.wait(task, Duration::from_secs(60)).await {
            Err(Error::TimedOut(_)) => {}
            answer => self.saw(of, task, asked, (sight(answer), Read::Nothing)),
        }
    }

    /// Reads what a task that is over returned, or was given.
    async fn read_back(&self, queue: &Queue, view: &TaskView) -> Read {
        if !view.state.is_over() {
            return Read::Nothing;
        }
        let completed = view.state == TaskState::Completed;
        let (data, read) = match completed {
            true => (&view.output, queue.output(view).await),
            false => (&view.input, queue.input(view).await),
        };
        if matches!(data, Some(Data::At(_))) {
            self.book.trouble(self.host.id(), What::ReadBack);
        }
        told(read, completed)
    }

    fn saw(&self, queue: usize, task: TaskId, asked: Duration, (seen, read): (Sight, Read)) {
        self.book
            .store
            .tell(|| format!("{:>3} sees {task}: {seen:?} {read:?}", self.host.id()));
        let at = self.book.store.elapsed();
        self.book.notes().looks.push(Look {
            queue,
            task,
            asked,
            at,
            seen,
            read,
        });
    }

    /// Cancels one task and notes the answer.
    pub async fn cancel(&self, n: usize, index: usize) {
        let Some(task) = self.known(n, index) else {
            return;
        };
        let queue = self.queue(self.scenario.submissions[n].queue).await;
        let answer = match queue.cancel(task).await {
            Ok(oq_core::queue::Cancelled::Cancelled) => Cancelled::Over,
            Ok(oq_core::queue::Cancelled::Requested) => Cancelled::Requested,
            Ok(oq_core::queue::Cancelled::AlreadyOver(_)) => Cancelled::Nothing,
            Err(_) => Cancelled::Error,
        };
        self.book
            .store
            .tell(|| format!("{:>3} cancels {task}: {answer:?}", self.host.id()));
        let at = self.book.store.elapsed();
        self.book.notes().cancels.push(Cancel { task, at, answer });
    }
}

/// What users do besides; what fails is left.
impl Producer {
    /// Tries one task again, if it failed.
    pub async fn retry(&self, n: usize, index: usize) {
        let Some(task) = self.known(n, index) else {
            return;
        };
        let of = self.scenario.submissions[n].queue;
        let queue = self.queue(of).await;
        let asked = self.book.store.elapsed();
        if let Ok(new) = queue.retry(task).await {
            let at = self.book.store.elapsed();
            self.book.trouble(self.host.id(), What::Retried);
            self.book.notes().retries.push(Retried {
                queue: of,
                old: task,
                new: new.id,
                asked,
                at,
            });
        }
    }

    /// Cancels everything of one priority.
    pub async fn cancel_many(&self, n: usize, priority: u8) {
        let Ok(priority) = Priority::new(priority) else {
            return;
        };
        let filter = Filter::new().priority(priority);
        let answer = self.queue(n).await.cancel_many(filter, None).await;
        if answer.error.is_none() {
            self.book.trouble(self.host.id(), What::CancelledMany);
        }
    }

    /// Lists a queue and notes the outcomes that it shows.
    pub async fn list(&self, n: usize, filtered: bool) {
        let mut filter = Filter::new();
        if filtered {
            filter = filter.state(TaskState::Failed).state(TaskState::Completed);
            filter = filter.limit(20);
        }
        let asked = self.book.store.elapsed();
        let listing = match self.queue(n).await.list(filter) {
            Ok(listing) => listing.all().await,
            Err(e) => panic!("a filter that may be asked for: {e}"),
        };
        let Ok(found) = listing else { return };
        self.book.trouble(self.host.id(), What::Relisted);
        for found in found {
            let Listed::Task(view) = found else { continue };
            let task = view.id;
            // A listing is of no one moment: only what it shows as over must be so.
            if let Sight::Outcome(ending, _) = sight(Ok(*view)) {
                self.saw(n, task, asked, (Sight::Listed(ending), Read::Nothing));
            }
        }
    }
}

/// What operators do, until it succeeds.
impl Producer {
    /// Purges a queue.
    pub async fn purge(&self, n: usize) {
        let queue = self.queue(n).await;
        while queue.purge().await.is_err() {
            self.env.sleep(Duration::from_secs(1)).await;
        }
        self.book.trouble(self.host.id(), What::Purged);
    }

    /// Pauses a queue for a while, but not beyond the end of the trouble.
    pub async fn pause(&self, n: usize, length: Duration) {
        let queue = self.queue(n).await;
        let left = || {
            self.scenario
                .quiet_at
                .saturating_sub(self.book.store.elapsed())
        };
        while !left().is_zero() && queue.pause().await.is_err() {
            self.env.sleep(Duration::from_secs(1)).await;
        }
        self.env.sleep(length.min(left())).await;
        while queue.resume().await.is_err() {
            self.env.sleep(Duration::from_secs(1)).await;
        }
    }

    pub async fn shards(&self, n: usize, shards: u16) {
        let queue = self.queue(n).await;
        while queue.set_shards(shards).await.is_err() {
            self.env.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Deletes what is past its time, and what a purge left to its second pass.
    pub async fn clear_up(&self, n: usize) {
        let queue = self.queue(n).await;
        while queue.purge_again().await.is_err() {
            self.env.sleep(Duration::from_secs(1)).await;
        }
        self.sweep(n, true).await;
    }

    /// Sweeps all shards there can be in a run, page by page; what fails is left to the next sweep.
    pub async fn sweep(&self, n: usize, thorough: bool) {
        let root = self.queue(n).await.root();
        let name = queue_name(n);
        for shard in (0..40).filter_map(|s| Shard::new(s).ok()) {
            let mut after: Option<String> = None;
            while let Ok(swept) =
                sweep_outcomes(root, &name, shard, after.as_deref(), thorough).await
            {
                after = swept.next;
                if after.is_none() {
                    break;
                }
            }
        }
        let mut after: Option<String> = None;
        while let Ok(swept) = sweep_keys(root, &name, after.as_deref()).await {
            after = swept.next;
            if after.is_none() {
                break;
            }
        }
    }
}

/// Opens queue number `n` for the client on `host`, as often as it takes.
pub async fn open(book: &Notebook, host: &Arc<SimHost>, newer: bool, env: Env, n: usize) -> Queue {
    let root = Root::new(book.client(host, newer), env.clone());
    loop {
        match Queue::open(root.clone(), queue_name(n)).await {
            Ok(queue) => return queue,
            Err(_) => env.sleep(OPEN_EVERY).await,
        }
    }
}

/// What a reader was told who asked for what a task returned, or if it did not complete, was given.
/// Here every task is given something, and whoever completes returns something.
fn told(answer: Result<Option<Json>>, completed: bool) -> Read {
    match answer {
        Ok(Some(json)) => match (parcel::read(&json), completed) {
            (Some(parcel), true) => Read::Output(parcel),
            (Some(parcel), false) => Read::Input(parcel),
            (None, _) => Read::Lost("it is nothing that anybody submitted".into()),
        },
        Ok(None) => Read::Lost("there is nothing".into()),
        Err(e @ Error::Unreadable { .. }) => Read::Lost(e.to_string()),
        Err(_) => Read::Nothing,
    }
}

fn sight(answer: Result<TaskView>) -> Sight {
    let view = match answer {
        Ok(view) => view,
        Err(Error::NotFound(_)) => return Sight::Unknown,
        Err(_) => return Sight::Error,
    };
    let ending = match view.state {
        TaskState::Completed => Ending::Completed,
        TaskState::Failed => Ending::Failed,
        TaskState::Cancelled => Ending::Cancelled,
        TaskState::Expired => Ending::Expired,
        _ => return Sight::Open,
    };
    let output = view.output.as_ref().map(|o| format!("{o:?}"));
    Sight::Outcome(ending, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_lost_and_what_the_store_keeps_to_itself_is_not() {
        for completed in [true, false] {
            assert!(matches!(told(Ok(None), completed), Read::Lost(_)));
            let busy = Error::Unavailable("busy".into());
            assert_eq!(told(Err(busy), completed), Read::Nothing);
        }
    }
}
