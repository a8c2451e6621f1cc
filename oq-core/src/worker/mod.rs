//! The worker: finds tasks, claims them, runs their handlers and records what came of it.
//!
//! [`Worker`] is built with handlers and queues and then [`Worker::run`] until told to stop.
//! `find` decides what to try next, `dispatch` claims it with a free slot, `runner` holds one object
//! from claim to outcome, `attempt` runs one handler. The parts share nothing but
//! `Shared`.

mod attempt;
mod builder;
mod context;
mod deleter;
mod dispatch;
mod error;
mod find;
mod hooks;
mod idle;
mod meters;
mod registry;
mod runner;
mod sweeper;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use builder::{Worker, WorkerBuilder};
pub use context::Context;
pub use error::TaskError;
pub use hooks::{Event, Hook};
pub use idle::{Idle, PRESENT};

use crate::error::Result;
use crate::record::{Token, WorkerId};
use deleter::Deleter;
use dispatch::{Dispatcher, Lane};
use find::Finder;
use hooks::Hooks;
use meters::Meters;
use registry::Registry;

/// How many claims whose answer was lost a worker remembers.
const MAX_DOUBTFUL: usize = 1000;

/// How long giving back may take once the grace period is over: the store may be slow, and a handler
/// that blocks its thread cannot be stopped at all.
const LAST: Duration = Duration::from_secs(15);

/// What all parts of one running worker share.
struct Shared {
    id: WorkerId,
    registry: Registry,
    hooks: Hooks,
    slots: Arc<Semaphore>,
    finishing: Arc<Semaphore>,
    /// Cancelled when handlers are to be stopped and their tasks given back.
    release: CancellationToken,
    inline_limit: usize,
    cancel_grace: Duration,
    longest_lease: Duration,
    doubtful: Mutex<BTreeSet<Token>>,
}

impl Shared {
    fn releasing(&self) -> bool {
        self.release.is_cancelled()
    }

    fn doubtful(&self, token: Token) {
        let mut doubtful = self.doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        doubtful.insert(token);
        if doubtful.len() > MAX_DOUBTFUL {
            doubtful.pop_first();
        }
    }

    fn is_doubtful(&self, token: &Token) -> bool {
        self.doubtful
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(token)
    }

    fn not_doubtful(&self, token: &Token) {
        self.doubtful
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token);
    }
}

impl Worker {
    /// Works until `shutdown` completes; then claims nothing more, lets what runs run for the grace
    /// period, gives the rest back and returns. Dropping the future stops everything at once, as a
    /// crash would: what was running is taken over by others when its lease ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let env = self.queues[0].0.env().clone();
        let shared = Arc::new(Shared {
            id: WorkerId::new(env.entropy.as_ref()),
            registry: self.registry,
            hooks: self.hooks,
            slots: Arc::new(Semaphore::new(self.concurrency)),
            finishing: Arc::new(Semaphore::new((self.concurrency * 2).max(64))),
            release: CancellationToken::new(),
            inline_limit: self.inline_limit,
            cancel_grace: self.cancel_grace,
            longest_lease: self.longest_lease,
            doubtful: Mutex::new(BTreeSet::new()),
        });
        let mut finding = JoinSet::new();
        let mut deleting = JoinSet::new();
        let mut lanes = Vec::new();
        for (root, queue, weight) in self.queues {
            let finder = Finder::new(
                root.clone(),
                queue.clone(),
                shared.id.clone(),
                self.find.clone(),
            );
            let (deleter, work) = Deleter::new(root.clone());
            deleting.spawn(work);
            let found = finder.clone();
            finding.spawn(async move { found.run().await });
            finding.spawn(sweeper::run(root.clone(), queue.clone(), finder.clone()));
            let meters = Meters::new(&queue);
            lanes.push(Arc::new(Lane {
                root,
                queue,
                weight,
                finder,
                deleter,
                meters,
            }));
        }
        shared.hooks.tell(|| Event::Started {
            worker: shared.id.clone(),
        });
        tracing::info!(worker = %shared.id, "started");
        let mut dispatcher = Dispatcher::new(shared.clone(), lanes);
        tokio::select! {
            biased;
            () = shutdown => {}
            () = dispatcher.claim_on() => {}
        }
        shared.hooks.tell(|| Event::Stopping);
        tracing::info!(worker = %shared.id, running = dispatcher.running(), "stopping");
        finding.shutdown().await;
        for lane in &dispatcher.lanes {
            lane.finder.withdraw().await;
        }
        if env.within(self.grace, dispatcher.idle()).await.is_none() {
            shared.release.cancel();
            if env.within(LAST, dispatcher.idle()).await.is_none() {
                tracing::error!(
                    running = dispatcher.running(),
                    "handlers that block their thread could not be stopped; their tasks are taken over when their leases end"
                );
            }
        }
        for lane in &dispatcher.lanes {
            lane.finder.flush().await;
        }
        drop(dispatcher);
        while deleting.join_next().await.is_some() {}
        shared.hooks.tell(|| Event::Stopped);
        tracing::info!(worker = %shared.id, "stopped");
        Ok(())
    }
}
