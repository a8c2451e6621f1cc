//! Tasks a second, end to end, in one process on the machine's own time.

use std::sync::Arc;
use std::time::Duration;

use oq_core::Result;
use oq_core::measure::{self, Load};
use oq_core::queue::Queue;

use crate::table::{Bound, Table};

/// Submits `tasks` while a worker runs them; tasks a second from the first submit to the last
/// recorded outcome.
#[allow(clippy::disallowed_methods)] // a run that hangs must end
async fn end_to_end(url: &str, tasks: usize, pack: usize) -> Result<f64> {
    let queue = Queue::connect(url).await?;
    let load = Load {
        concurrency: 256,
        poll: Duration::from_millis(50),
        ..Load::packed(tasks as u64, pack)
    };
    let run = measure::run(&queue, &load, || queue.requests(), Arc::default());
    let measured = tokio::time::timeout(Duration::from_secs(120), run).await;
    let measured = measured.expect("the tasks did not finish in two minutes")?;
    Ok(measured.rate())
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
