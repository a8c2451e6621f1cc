//! Measures a queue end to end: submits tasks, runs them with a worker in this process, and says how
//! long it took and what was asked of the store.
//!
//! `oq bench`, `oq demo` and the benchmarks of the core read their numbers here. The queue should be
//! one of its own: [`remove`] deletes all of it afterwards.

mod quantiles;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use quantiles::Quantiles;

use crate::env::{Env, Mono};
use crate::error::{Error, Result};
use crate::queue::{Queue, Task};
use crate::store::{List, Requests, StoreKey, Verb};
use crate::worker::{Context, Event, TaskError, Worker};

/// The type of the tasks that are submitted.
const TASK_TYPE: &str = "oq.measure";

/// What to submit, and how to run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// How many tasks.
    pub tasks: u64,
    /// How many of them may share an object; 1 for lone tasks.
    pub pack: usize,
    /// One is submitted after the other, this far apart; all at once if there is none.
    pub pace: Option<Duration>,
    /// How many tasks run at once.
    pub concurrency: usize,
    /// How often the worker asks at least.
    pub poll: Duration,
}

impl Load {
    /// Lone tasks, submitted at once.
    pub fn lone(tasks: u64) -> Load {
        Load {
            tasks,
            pack: 1,
            pace: None,
            concurrency: 64,
            poll: Duration::from_secs(2),
        }
    }

    /// Tasks that share objects.
    pub fn packed(tasks: u64, pack: usize) -> Load {
        Load {
            pack,
            ..Load::lone(tasks)
        }
    }

    /// Lone tasks, one after the other: how long one waits when no other does.
    pub fn paced(tasks: u64, pace: Duration) -> Load {
        Load {
            pace: Some(pace),
            ..Load::lone(tasks)
        }
    }
}

/// What came of a [`Load`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How many tasks were run.
    pub tasks: u64,
    /// How many shared an object.
    pub pack: usize,
    /// From the first submission to the last recorded outcome, in seconds.
    pub seconds: f64,
    /// From the moment a task was handed over for submission until its handler ran.
    pub start: Quantiles,
    /// What was asked of the store meanwhile, for each verb that was used.
    pub requests: Vec<(String, u64)>,
    /// What that costs at the prices of S3 Standard.
    pub dollars: f64,
}

impl Measured {
    /// Tasks in a second.
    pub fn rate(&self) -> f64 {
        self.tasks as f64 / self.seconds.max(f64::EPSILON)
    }

    /// What a million such tasks cost.
    pub fn dollars_per_million(&self) -> f64 {
        self.dollars * 1e6 / self.tasks.max(1) as f64
    }

    /// How many requests of each verb a task took.
    pub fn requests_per_task(&self) -> impl Iterator<Item = (&str, f64)> {
        let tasks = self.tasks.max(1) as f64;
        let each = self.requests.iter();
        each.map(move |(verb, n)| (verb.as_str(), *n as f64 / tasks))
    }
}

/// Counts events until there are as many as were waited for.
#[derive(Debug, Default)]
pub struct Count {
    count: AtomicU64,
    changed: Notify,
}

impl Count {
    /// One more.
    pub fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Completes when there are so many.
    pub async fn reaches(&self, target: u64) {
        loop {
            let changed = self.changed.notified();
            if self.get() >= target {
                return;
            }
            changed.await;
        }
    }
}

/// Runs a load on this queue with a worker of its own. `requests` reads the meter of the queue's
/// store; `done` counts the tasks that are over, for those who watch.
///
/// ```
/// use std::sync::Arc;
/// use oq_core::Queue;
/// use oq_core::measure::{self, Load};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> oq_core::Result<()> {
/// let queue = Queue::connect("memory:").await?;
/// let measured = measure::run(&queue, &Load::packed(1000, 100), || queue.requests(), Arc::default()).await?;
/// assert_eq!(measured.tasks, 1000);
/// println!("{:.0} tasks/s, ${:.2} a million", measured.rate(), measured.dollars_per_million());
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// What the store answers, and [`Error::Unavailable`] when not all tasks were accepted.
pub async fn run(
    queue: &Queue,
    load: &Load,
    requests: impl Fn() -> Requests,
    done: Arc<Count>,
) -> Result<Measured> {
    let env = queue.root().env().clone();
    let starts = Arc::new(Mutex::new(Vec::new()));
    let target = done.get() + load.tasks;
    let worker = worker(queue, load, &env, starts.clone(), done.clone())?;
    let before = requests();
    let began = env.now();
    let mut working = std::pin::pin!(worker.run(done.reaches(target)));
    let submitting = submit(queue, load, &env);
    tokio::select! {
        // It ends when all are done, and not before they are submitted, unless it fails.
        ended = &mut working => ended?,
        submitted = submitting => {
            submitted?;
            working.await?;
        }
    }
    let seconds = env.now().since(began).as_secs_f64();
    let made = requests() - before;
    let starts = std::mem::take(&mut *starts.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Measured {
        tasks: load.tasks,
        pack: load.pack,
        seconds,
        start: Quantiles::of(starts),
        requests: Verb::ALL
            .into_iter()
            .filter(|verb| made.verb(*verb) > 0)
            .map(|verb| (verb.as_str().to_owned(), made.verb(verb)))
            .collect(),
        dollars: made.cost(&crate::store::Prices::S3_STANDARD),
    })
}

fn worker(
    queue: &Queue,
    load: &Load,
    env: &Env,
    starts: Arc<Mutex<Vec<f64>>>,
    done: Arc<Count>,
) -> Result<Worker> {
    let clock = env.clone();
    Worker::builder()
        .queue(queue)
        .concurrency(load.concurrency)
        .poll(load.poll)
        // The input is when the task was made, on the clock of this process.
        .handler(TASK_TYPE, move |_: Context, made: u64| {
            let waited = clock.now().since(Mono(Duration::from_micros(made)));
            let mut starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
            starts.push(waited.as_secs_f64());
            drop(starts);
            async { Ok::<_, TaskError>(()) }
        })
        .on_event(move |event| {
            if let Event::Finished { .. } = event {
                done.add();
            }
        })
        .build()
}

async fn submit(queue: &Queue, load: &Load, env: &Env) -> Result<()> {
    let task = || {
        let now = u64::try_from(env.now().0.as_micros()).unwrap_or(u64::MAX);
        Task::new(TASK_TYPE, &now)
    };
    if let Some(pace) = load.pace {
        for _ in 0..load.tasks {
            queue.submit(task()?).await?;
            env.sleep(pace).await;
        }
        return Ok(());
    }
    // Made when they are read, so that none waits for the others' submission on its own account.
    task()?;
    let tasks = (0..load.tasks).filter_map(|_| task().ok());
    let summary = queue.submit_many(tasks).pack(load.pack).run().await;
    match summary.error {
        Some(error) => Err(error),
        None if summary.accepted < load.tasks => Err(Error::Unavailable(format!(
            "{} of {} tasks were accepted",
            summary.accepted, load.tasks
        ))),
        None => Ok(()),
    }
}

/// Deletes every object of a queue that nobody else uses, its settings included. Returns how many.
///
/// # Errors
///
/// What the store answers; then some are left.
pub async fn remove(queue: &Queue) -> Result<u64> {
    let root = queue.root();
    let mut list = List::prefix(format!("{}/", queue.name()));
    let mut removed = 0;
    loop {
        let page = root.list(&list).await?.value;
        let keys: Vec<StoreKey> = page.entries.into_iter().map(|entry| entry.key).collect();
        if !keys.is_empty() {
            let left = root.delete_many(&keys).await?;
            if let Some((_, error)) = left.into_iter().next() {
                return Err(error.into());
            }
            removed += keys.len() as u64;
        }
        match page.next {
            Some(next) => list = list.after(next),
            None => return Ok(removed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_task_is_run_measured_and_removed() {
        let queue = Queue::connect("memory:").await.unwrap();
        let other = queue.named("other").await.unwrap();
        let kept = other.submit(Task::new("t", "").unwrap()).await.unwrap().id;
        let done = Arc::new(Count::default());
        let pace = Duration::from_millis(1);
        for load in [Load::lone(50), Load::packed(500, 100), Load::paced(5, pace)] {
            let measured = run(&queue, &load, || queue.requests(), done.clone())
                .await
                .unwrap();
            assert_eq!((measured.tasks, measured.pack), (load.tasks, load.pack));
            let Quantiles { p50, p95, p99, max } = measured.start;
            assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && p99 <= max);
            assert!(measured.seconds >= max);
            let creates = measured.requests.iter().find(|(verb, _)| verb == "create");
            let objects = load.tasks.div_ceil(load.pack as u64);
            // One for the task and one for its outcome.
            assert!(creates.unwrap().1 >= 2 * objects, "{creates:?}");
        }
        assert_eq!(done.get(), 555);
        assert!(remove(&queue).await.unwrap() > 0);
        assert_eq!(remove(&queue).await.unwrap(), 0);
        assert!(other.get(kept).await.is_ok());
    }
}
