//! Draining: a worker that runs what is due and returns. It does not join the fleet, does not ask
//! the bell and does not sweep; so it suits functions that are started for a while, and cron.
//!
//! This module owns what a caller says; `report` what he is told. `leads` are tried first, `pass`
//! lists what may be claimed, `run` claims it and ends in time.

mod leads;
mod pass;
mod report;
mod run;
mod sweep;
mod tries;

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

pub use leads::{Lead, LeadEnd};
pub use report::{Drained, Stopped};
pub(super) use run::MOST_RESERVE;

use super::{Worker, distinct};
use crate::error::{Error, Result};
use crate::record::{MIN_LEASE, QueueName};
use crate::span;

/// What to drain, and for how long.
///
/// ```
/// use std::time::Duration;
/// use oq_core::worker::{Drain, Stopped};
/// use oq_core::{Context, Queue, Task, TaskError, Worker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> oq_core::Result<()> {
/// let queue = Queue::connect("memory:").await?;
/// queue.submit_many((0..250).map(|n| Task::new("double", &n).unwrap())).run().await;
/// let worker = Worker::builder()
///     .queue(&queue)
///     .handler("double", |_: Context, n: i64| async move { Ok::<_, TaskError>(2 * n) })
///     .build()?;
/// let drained = worker.drain(Drain::all().within(Duration::from_secs(60))).await?;
/// assert_eq!((drained.completed, drained.stopped), (250, Stopped::Empty));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Drain {
    leads: Vec<Lead>,
    look: bool,
    max_tasks: Option<u64>,
    within: Option<Duration>,
    linger: Duration,
    queues: Option<BTreeSet<QueueName>>,
    sweep_one_in: Option<u64>,
}

impl Drain {
    /// The shortest time for [`within`](Drain::within): a lease lasts 15 s at least, and nothing is
    /// claimed whose lease would not be over in time. The rest is for claiming.
    pub const LEAST: Duration = MIN_LEASE.saturating_add(Duration::from_secs(5));

    /// Everything that is due: also what a dead worker left, and what was not written down to its
    /// end. One LIST shows a small queue; a large one takes one for each thousand objects.
    pub fn all() -> Drain {
        Drain {
            leads: Vec::new(),
            look: true,
            max_tasks: None,
            within: None,
            linger: Duration::ZERO,
            queues: None,
            sweep_one_in: None,
        }
    }

    /// Only these objects, without looking for others: 2 GET, 2 PUT and 1 DELETE for one with a
    /// lone task, no LIST. The settings of the queue are read again when they are a minute old.
    pub fn leads(leads: impl IntoIterator<Item = Lead>) -> Drain {
        Drain {
            leads: leads.into_iter().collect(),
            look: false,
            ..Drain::all()
        }
    }

    /// Afterwards everything else that is due.
    pub fn then_all(mut self) -> Drain {
        self.look = true;
        self
    }

    /// Claims nothing more once so many tasks were claimed. Tasks that share an object are claimed
    /// together, so the last one may bring more.
    pub fn max_tasks(mut self, tasks: u64) -> Drain {
        self.max_tasks = Some(tasks);
        self
    }

    /// Must be over by then, counted from the call. No lease is asked for that lasts longer, so
    /// nothing is claimed in the last 15 s; what still runs shortly before the end is stopped and
    /// given back. That is not charged, unless the task ran for two thirds of the time and saved
    /// nothing: it would come back for ever. At least [`Drain::LEAST`], 20 s.
    pub fn within(mut self, time: Duration) -> Drain {
        self.within = Some(time);
        self
    }

    /// When nothing is due any more, also waits for tasks that become due within this time, such
    /// as a second attempt; after leads alone, for those of them. Zero unless set.
    pub fn linger(mut self, time: Duration) -> Drain {
        self.linger = time;
        self
    }

    /// Takes from these of the worker's queues only.
    pub fn only(mut self, queues: impl IntoIterator<Item = QueueName>) -> Drain {
        self.queues = Some(queues.into_iter().collect());
        self
    }

    /// Afterwards, if time remains, also clears away what is past its retention, in one shard of so
    /// many, drawn anew each time: where no worker stays, somebody has to. A shard takes one LIST
    /// while nothing is due. With a drain a minute, 60 sweeps each shard about once an hour.
    pub fn sweep_one_in(mut self, calls: u64) -> Drain {
        self.sweep_one_in = Some(calls.max(1));
        self
    }

    fn takes_from(&self, queue: &QueueName) -> bool {
        self.queues
            .as_ref()
            .is_none_or(|queues| queues.contains(queue))
    }

    fn check(&self, worker: &Worker) -> Result<()> {
        let known = |name: &&QueueName| worker.queues().any(|queue| queue.name() == *name);
        if let Some(queues) = &self.queues
            && let Some(unknown) = queues.iter().find(|name| !known(name))
        {
            return Err(Error::invalid(
                format!("queue {unknown}"),
                "this worker does not take from it",
            ));
        }
        if self.queues.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(Error::invalid(
                "a drain of no queue",
                "name one, or none to take from all",
            ));
        }
        match self.within {
            Some(time) if time < Drain::LEAST => Err(Error::invalid(
                format!("a drain within {}", span::exact(time)),
                format!(
                    "use {} or more: nothing is claimed in the last {}, so nothing could be run",
                    span::exact(Drain::LEAST),
                    span::exact(MIN_LEASE)
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl Worker {
    /// Runs what is due and returns. The same worker may drain again and again.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a time that is too short. A store that fails on the way is told in
    /// [`Drained::stopped`], with what was done before.
    pub async fn drain(&self, how: Drain) -> Result<Drained> {
        self.drain_until(how, std::future::pending()).await
    }

    /// The same, but ends early when `shutdown` completes: claims nothing more, lets what runs go
    /// on for the grace period, and gives the rest back.
    pub async fn drain_until(
        &self,
        how: Drain,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Drained> {
        how.check(self)?;
        let roots = distinct(self.queues().map(|queue| queue.root().clone()));
        let mut drained = pin!(run::drain(self, how, shutdown));
        let drained = tokio::select! {
            biased;
            drained = &mut drained => drained,
            // What is refused for good the drain meets itself.
            _refused = self.outages.watch(&roots, &self.hooks) => drained.await,
        };
        // What its last requests showed would else be told by the next drain, if there is one.
        self.outages.look(&roots, &self.hooks);
        Ok(drained)
    }
}
