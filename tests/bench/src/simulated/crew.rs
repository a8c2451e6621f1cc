//! The workers of a world.

use std::sync::Arc;
use std::time::Duration;

use oq_core::Result;
use oq_core::worker::{Context, Event, TaskError, Worker};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::world::World;

/// The type of every task; its input says when it was made, in microseconds of the world.
pub const TASK: &str = "noop";

/// What a handler does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    Nothing,
    /// Its first attempt fails.
    FailsFirst,
    Takes(Duration),
}

/// How a worker is set up; the defaults are the product's own.
#[derive(Debug, Clone, Copy)]
pub struct Hands {
    pub slots: usize,
    pub poll: Duration,
    pub work: Work,
}

impl Default for Hands {
    fn default() -> Hands {
        Hands {
            slots: 32,
            poll: Duration::from_secs(2),
            work: Work::Nothing,
        }
    }
}

#[derive(Default)]
pub struct Crew {
    stop: Arc<Notify>,
    running: JoinSet<Result<()>>,
}

impl Crew {
    /// Starts workers.
    pub async fn hire(&mut self, world: &World, workers: usize, hands: Hands) -> Result<()> {
        for _ in 0..workers {
            let worker = worker(world, hands).await?;
            let stop = self.stop.clone();
            self.running
                .spawn(async move { worker.run(async move { stop.notified().await }).await });
        }
        Ok(())
    }

    /// Stops all and waits for their end.
    pub async fn dismiss(mut self) -> Result<()> {
        self.stop.notify_waiters();
        while let Some(ended) = self.running.join_next().await {
            ended.expect("a worker panicked")?;
        }
        Ok(())
    }
}

async fn worker(world: &World, hands: Hands) -> Result<Worker> {
    let (log, clock) = (world.log.clone(), world.clock());
    let (ended, recorded) = (world.log.clone(), world.clock());
    Worker::builder()
        .queue(&world.client().await?)
        .concurrency(hands.slots)
        .poll(hands.poll)
        .handler(TASK, move |ctx: Context, made: u64| {
            let log = log.clone();
            log.started(ctx.id(), Duration::from_micros(made), clock());
            async move {
                match hands.work {
                    Work::Nothing => {}
                    Work::FailsFirst if ctx.attempt() > 1 => {}
                    Work::FailsFirst => return Err(TaskError::of_kind("first", "not yet")),
                    Work::Takes(time) => {
                        ctx.sleep(time).await;
                    }
                }
                log.ran.add();
                Ok::<_, TaskError>(())
            }
        })
        .on_event(move |event| match event {
            Event::Finished { id, .. } => ended.recorded(*id, recorded()),
            Event::Claimed { .. } => ended.claimed.add(),
            _ => {}
        })
        .build()
}
