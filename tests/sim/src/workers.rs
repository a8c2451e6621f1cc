//! The worker processes of a run.

use std::sync::Arc;

use oq_core::protocol::Root;
use oq_core::testing::sim_clock::SimHost;
use tokio::sync::watch;

use crate::producer::queue_name;
use crate::scenario::Machine;
use crate::small::Small;
use crate::stage::Stage;

/// Works until `stop` says so.
pub async fn work(
    host: Arc<SimHost>,
    stage: Arc<Stage>,
    machine: Machine,
    stop: watch::Receiver<bool>,
) {
    let env = host.env(stage.scenario.seed);
    let root = Root::new(stage.book.store.client(&host), env);
    let queues = (0..stage.scenario.queues).map(queue_name).collect();
    let (concurrency, poll) = (machine.concurrency, machine.poll);
    let small = Small { root, host, stage, queues, concurrency, poll };
    small.run(stop).await;
}
