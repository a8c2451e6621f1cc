//! The memory of a worker while a million tasks wait, measured in a process of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oq_core::Result;
use oq_core::queue::{Queue, Task};
use oq_core::worker::{Context, TaskError, Worker};

use super::process::peak_mib;
use crate::table::{Bound, Table};

const TASKS: usize = 1_000_000;
const QUEUE: &str = "backlog";

fn runtime() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    built.expect("a runtime")
}

async fn fill(url: &str) -> Result<()> {
    let queue = Queue::connect(url).await?.named(QUEUE).await?;
    let tasks = (0..TASKS).map(|n| Task::new("slow", &n).expect("a number is JSON"));
    // Lone tasks: a million objects.
    let report = queue.submit_many(tasks).pack(1).in_flight(512).run().await;
    assert_eq!(report.accepted, TASKS as u64, "not all tasks were accepted");
    Ok(())
}

/// The worker's process: works for a while on tasks that take a second each, then prints its peak
/// memory and how many tasks it ran.
pub fn worker(url: &str) -> Result<()> {
    runtime().block_on(async {
        let queue = Queue::connect(url).await?.named(QUEUE).await?;
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let worker = Worker::builder()
            .queue(&queue)
            .concurrency(64)
            .grace(Duration::from_secs(5))
            .handler("slow", move |ctx: Context, _: u64| {
                count.fetch_add(1, Ordering::Relaxed);
                async move {
                    ctx.sleep(Duration::from_secs(1)).await;
                    Ok::<_, TaskError>(())
                }
            })
            .build()?;
        let env = oq_core::env::Env::system();
        worker
            .run(async move { env.sleep(Duration::from_secs(25)).await })
            .await?;
        println!("{} {}", peak_mib(), ran.load(Ordering::Relaxed));
        Ok(())
    })
}

/// The tables of `oq-bench print backlog`.
pub fn tables() -> Result<Vec<Table>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = format!(
        "sqlite:{}",
        Path::new(dir.path()).join("backlog.db").display()
    );
    runtime().block_on(fill(&url))?;
    let me = std::env::current_exe().expect("the path of this program");
    let output = Command::new(me)
        .args(["backlog-worker", &url])
        .output()
        .expect("a process");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text
        .split_whitespace()
        .map(|n| n.parse::<f64>().unwrap_or(0.0));
    let (mib, ran) = (numbers.next().unwrap_or(0.0), numbers.next().unwrap_or(0.0));
    let mut t = Table::new(
        "A worker in front of a million waiting tasks",
        "A million lone tasks in an SQLite file; a worker with 64 slots runs one-second tasks for 25 s. One run.",
    );
    t.add(
        "peak memory of the worker's process",
        mib,
        "MiB",
        Bound::AtMost(150.0),
    );
    t.add("tasks run meanwhile", ran, "", Bound::AtLeast(1000.0));
    Ok(vec![t])
}
