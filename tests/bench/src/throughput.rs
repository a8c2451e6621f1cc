//! Tasks a second, end to end, in one process on the machine's own time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oq_core::Result;
use oq_core::queue::{Queue, Task};
use oq_core::worker::{Context, TaskError, Worker};

use crate::table::{Bound, Table};
use crate::world::Done;

/// Submits `tasks` while a worker runs them; tasks a second from the first submit to the last
/// recorded outcome.
#[allow(clippy::disallowed_methods)] // a benchmark measures the machine's time
async fn end_to_end(url: &str, tasks: usize, pack: usize) -> Result<f64> {
    let queue = Queue::connect(url).await?;
    let done = Arc::new(Done::default());
    let count = done.clone();
    let worker = Worker::builder()
        .queue(&queue)
        .concurrency(256)
        .poll(Duration::from_millis(50))
        .handler("noop", |_: Context, _: u64| async {
            Ok::<_, TaskError>(())
        })
        .on_event(move |event| {
            if let oq_core::worker::Event::Finished { .. } = event {
                count.add();
            }
        })
        .build()?;
    let begin = Instant::now();
    let finished = async move { done.reaches(tasks).await };
    let running = tokio::spawn(worker.run(finished));
    let all = (0..tasks as u64)
        .map(|n| Task::new("noop", &n))
        .collect::<Result<Vec<_>>>()?;
    let report = queue.submit_many(all).pack(pack).run().await;
    assert_eq!(report.accepted, tasks as u64, "not all tasks were accepted");
    let ended = tokio::time::timeout(Duration::from_secs(120), running).await;
    ended
        .expect("the tasks did not finish in two minutes")
        .expect("the worker panicked")?;
    Ok(tasks as f64 / begin.elapsed().as_secs_f64())
}

/// The median of five runs, each on a store of its own.
fn median(store: &str, tasks: usize, pack: usize) -> Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..5 {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = match store {
            "sqlite:" => format!("sqlite:{}", dir.path().join("bench.db").display()),
            other => other.to_owned(),
        };
        rates.push(runtime.block_on(end_to_end(&url, tasks, pack))?);
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates[2])
}

/// One run, for a profiler: `oq-bench one URL TASKS PACK`.
pub fn one(url: &str, tasks: usize, pack: usize) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(end_to_end(url, tasks, pack))
}

/// The tables of `oq-bench throughput`.
pub fn tables() -> Result<Vec<Table>> {
    let mut t = Table::new(
        "Tasks a second, end to end, one process",
        "No-op handlers; median of five runs; from the first submit to the last recorded outcome.",
    );
    for (what, store, tasks, pack, bound) in [
        (
            "`memory:`, packed by 100",
            "memory:",
            200_000,
            100,
            100_000.0,
        ),
        ("`memory:`, lone", "memory:", 50_000, 1, 15_000.0),
        (
            "`sqlite:`, packed by 100",
            "sqlite:",
            100_000,
            100,
            50_000.0,
        ),
        ("`sqlite:`, lone", "sqlite:", 20_000, 1, 4_000.0),
    ] {
        t.add(
            what,
            median(store, tasks, pack)?,
            "tasks/s",
            Bound::AtLeast(bound),
        );
    }
    Ok(vec![t])
}
