//! One part of a load in this process: submitting, working off, or both at once.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use oq_core::env::Env;
use oq_core::measure::Count;
use oq_core::queue::{Queue, Task};
use oq_core::worker::{Context, Event, TaskError, Worker};
use oq_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::process;

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Role {
    /// Submits, and nobody works.
    Submit,
    /// Works off what is there.
    Drain,
    /// Both at once, in this process.
    Both,
}

#[derive(clap::Args)]
pub struct Run {
    /// The store: memory:, sqlite:PATH, or an S3 URL with its credentials in the environment
    pub url: String,
    /// How many tasks
    pub tasks: u64,
    /// How many to an object
    pub pack: usize,
    /// What to do, one after the other
    #[arg(required = true)]
    pub roles: Vec<Role>,
    /// Wait for so many milliseconds between two looks at the bell at the most
    #[arg(long, default_value_t = POLL)]
    pub poll: u64,
    /// One task more comes first, and is waited for: whoever submits knows that a worker is there
    #[arg(long)]
    pub warm: bool,
}

/// What one role took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Took {
    /// By a clock that all processes of the machine share.
    pub began: f64,
    pub ended: f64,
    /// Microseconds of this process's processor time a task.
    pub processor: f64,
    /// The most memory that this process had so far.
    pub peak_mib: f64,
}

impl Took {
    pub fn seconds(&self) -> f64 {
        self.ended - self.began
    }
}

/// From one moment to another.
type Span = (f64, f64);

fn now() -> f64 {
    Env::system().now().0.as_secs_f64()
}

const TASK: &str = "noop";

/// How many tasks a worker runs at once.
pub const SLOTS: usize = 256;

/// In milliseconds.
pub const POLL: u64 = 50;

/// The input of a task: 100 bytes of JSON.
const BYTES: usize = 98;

/// A run that hangs must end.
const LIMIT: Duration = Duration::from_secs(300);

impl Run {
    /// Does it, and prints a line of JSON for each role.
    pub fn run(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let queue = Queue::connect(&self.url).await?;
            for role in &self.roles {
                let took = self.one(&queue, *role).await?;
                println!(
                    "{}",
                    serde_json::to_string(&took).expect("figures are JSON")
                );
            }
            Ok(())
        })
    }

    #[allow(clippy::disallowed_methods)] // a benchmark measures the machine's time
    async fn one(&self, queue: &Queue, role: Role) -> Result<Took> {
        let before = process::cpu();
        let work = async {
            match role {
                Role::Submit => self.submit(queue).await,
                Role::Drain => self.work(queue).await,
                Role::Both => {
                    let both = tokio::try_join!(self.submit(queue), self.work(queue));
                    both.map(|(submitted, worked)| (submitted.0, worked.1))
                }
            }
        };
        let done = tokio::time::timeout(LIMIT, work).await;
        let (began, ended) = done.map_err(|_| Error::TimedOut(LIMIT))??;
        let used = process::cpu() - before;
        Ok(Took {
            began,
            ended,
            processor: used.as_secs_f64() * 1e6 / self.tasks as f64,
            peak_mib: process::peak_mib(),
        })
    }

    /// Until the last is accepted.
    async fn submit(&self, queue: &Queue) -> Result<Span> {
        let task = Task::new(TASK, &"x".repeat(BYTES))?;
        if self.warm {
            let first = queue.submit(task.clone()).await?.id;
            queue.wait(first, LIMIT).await?;
        }
        let began = now();
        let tasks = (0..self.tasks).map(|_| task.clone());
        let many = queue.submit_many(tasks).pack(self.pack).in_flight(64);
        if let Some(error) = many.run().await.error {
            return Err(error);
        }
        let span = (began, now());
        // As a process does that ends: the last ring is still to go out.
        queue.flush().await;
        Ok(span)
    }

    /// Until the last outcome is recorded.
    async fn work(&self, queue: &Queue) -> Result<Span> {
        let began = now();
        let recorded = Arc::new(Count::default());
        let count = recorded.clone();
        let worker = Worker::builder()
            .queue(queue)
            .concurrency(SLOTS)
            .poll(Duration::from_millis(self.poll))
            .handler(TASK, |_: Context, _: String| async {
                Ok::<_, TaskError>(())
            })
            .on_event(move |event| {
                if let Event::Finished { .. } = event {
                    count.add();
                }
            })
            .build()?;
        let tasks = self.tasks + u64::from(self.warm);
        let ended = Arc::new(std::sync::OnceLock::new());
        let tell = ended.clone();
        worker
            .run(async move {
                recorded.reaches(tasks).await;
                tell.get_or_init(now);
            })
            .await?;
        Ok((began, *ended.get_or_init(now)))
    }
}
