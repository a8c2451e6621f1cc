//! The worker that is written in Rust: a program with oq's crate, as users write one, whose handlers
//! append to the log of effects.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::{Context, Error, Queue, TaskError, Worker};
use tokio::signal::unix::{SignalKind, signal};

use crate::effects::wall;

/// Where effects go.
struct Log {
    file: File,
    worker: String,
    env: Env,
}

impl Log {
    /// One line, in one write.
    fn effect(&self, did: &str, task: &Context) {
        let (at, worker) = (wall(), &self.worker);
        let (id, delivery, token) = (task.id(), task.delivery(), task.token());
        let line = format!("{at:.6} {did} {worker} 0 {id} {delivery} {token}\n");
        (&self.file)
            .write_all(line.as_bytes())
            .expect("the log takes a line");
    }

    /// Runs for so long, unless it is cancelled.
    async fn run(&self, task: &Context, run: f64) -> Result<(), TaskError> {
        self.effect("start", task);
        tokio::select! {
            () = self.env.sleep(Duration::from_secs_f64(run)) => Ok(()),
            () = task.cancelled() => Err(TaskError::cancelled()),
        }
    }

    fn end(&self, task: &Context) -> String {
        self.effect("end", task);
        task.token().to_string()
    }
}

/// Works until SIGTERM.
pub async fn work() -> Result<(), String> {
    let said = |name: &str| std::env::var(name).map_err(|e| format!("{name}: {e}"));
    let path = said("EFFECTS")?;
    let file = OpenOptions::new().append(true).open(&path);
    let log = Arc::new(Log {
        file: file.map_err(|e| format!("{path}: {e}"))?,
        worker: said("WORKER")?,
        env: Env::system(),
    });
    let slots = said("SLOTS")?.parse().map_err(|e| format!("SLOTS: {e}"))?;
    let queue = connect(&said("OQ_URL")?).await.map_err(|e| e.to_string())?;
    let (act, block, flaky, later) = (log.clone(), log.clone(), log.clone(), log);
    let worker = Worker::builder()
        .queue(&queue)
        .concurrency(slots)
        .poll(Duration::from_secs(1))
        .grace(Duration::from_secs(5))
        .handler("act", move |task: Context, run: f64| {
            let log = act.clone();
            async move {
                log.run(&task, run).await?;
                Ok::<_, TaskError>(log.end(&task))
            }
        })
        .handler("block", move |task: Context, run: f64| {
            let log = block.clone();
            async move { tokio::task::spawn_blocking(move || blocking(&log, &task, run)).await }
        })
        .handler("flaky", move |task: Context, run: f64| {
            let log = flaky.clone();
            async move {
                log.run(&task, run).await?;
                if task.attempt() < 3 {
                    log.effect("turn", &task);
                    return Err(TaskError::new("not yet"));
                }
                Ok(log.end(&task))
            }
        })
        .handler("later", move |task: Context, run: f64| {
            let log = later.clone();
            async move {
                log.run(&task, run).await?;
                if task.delivery() < 3 {
                    log.effect("turn", &task);
                    return Err(TaskError::later(Duration::from_secs(1)));
                }
                Ok(log.end(&task))
            }
        });
    let worker = worker.build().map_err(|e| e.to_string())?;
    let mut told = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let until = async move {
        let _told = told.recv().await;
    };
    worker.run(until).await.map_err(|e| e.to_string())
}

/// The first request may fail already.
pub async fn connect(url: &str) -> oq_core::Result<Queue> {
    loop {
        match Queue::connect(url).await {
            Err(Error::Unavailable(_)) => {}
            connected => return connected,
        }
    }
}

/// A handler that cannot be stopped.
#[allow(clippy::disallowed_methods)] // it blocks on purpose
fn blocking(log: &Log, task: &Context, run: f64) -> String {
    log.effect("start", task);
    std::thread::sleep(Duration::from_secs_f64(run));
    log.end(task)
}
