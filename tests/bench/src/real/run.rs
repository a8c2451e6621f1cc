//! One part of a load in this process: submitting, working off, or both at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
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
    /// Both at once.
    Both,
}

#[derive(clap::Args)]
pub struct Run {
    /// The store
    pub url: String,
    /// How many tasks
    pub tasks: u64,
    /// How many to an object
    pub pack: usize,
    /// What to do, one after the other
    #[arg(required = true)]
    pub roles: Vec<Role>,
    /// Wait for so many milliseconds between two looks at the bell at the most
    #[arg(long, default_value_t = 50)]
    pub poll: u64,
}

/// What one role took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Took {
    pub seconds: f64,
    /// Microseconds of this process's processor time a task.
    pub processor: f64,
    /// The most memory that this process had so far.
    pub peak_mib: f64,
}

const TASK: &str = "noop";

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
        let (began, before) = (Instant::now(), process::cpu());
        let work = async {
            match role {
                Role::Submit => self.submit(queue).await,
                Role::Drain => self.work(queue).await,
                Role::Both => tokio::try_join!(self.submit(queue), self.work(queue)).map(|_| ()),
            }
        };
        let done = tokio::time::timeout(LIMIT, work).await;
        done.map_err(|_| Error::TimedOut(LIMIT))??;
        let used = process::cpu() - before;
        Ok(Took {
            seconds: began.elapsed().as_secs_f64(),
            processor: used.as_secs_f64() * 1e6 / self.tasks as f64,
            peak_mib: process::peak_mib(),
        })
    }

    async fn submit(&self, queue: &Queue) -> Result<()> {
        let task = Task::new(TASK, &"x".repeat(BYTES))?;
        let tasks = (0..self.tasks).map(|_| task.clone());
        let many = queue.submit_many(tasks).pack(self.pack).in_flight(64);
        match many.run().await.error {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Until the last outcome is recorded.
    async fn work(&self, queue: &Queue) -> Result<()> {
        let recorded = Arc::new(Count::default());
        let count = recorded.clone();
        let worker = Worker::builder()
            .queue(queue)
            .concurrency(256)
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
        let tasks = self.tasks;
        worker
            .run(async move { recorded.reaches(tasks).await })
            .await
    }
}
