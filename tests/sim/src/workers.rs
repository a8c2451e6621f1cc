//! The worker processes of a run: oq's own, or the small one that stands on the protocol alone.

use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::testing::sim_clock::SimHost;
use oq_core::{Context, TaskError, Worker};
use tokio_util::sync::CancellationToken;

use crate::clone::Cloned;
use crate::producer::{TASK_TYPE, open, queue_name};
use crate::scenario::{Kind, Machine};
use crate::small::Small;
use crate::stage::{Call, Reply, Stage};

/// Works until `stop` says so. `original` is the worker that the machine is a clone of.
pub async fn work(
    host: Arc<SimHost>,
    stage: Arc<Stage>,
    machine: Machine,
    original: Option<u16>,
    stop: CancellationToken,
) {
    let seed = stage.scenario.seed;
    let mut env = host.env(seed);
    if let Some(original) = original {
        env.entropy = Arc::new(Cloned::new(seed, original, host.id()));
    }
    match stage.scenario.kind {
        Kind::Small => {
            let root = Root::new(stage.book.client(&host, machine.newer), env);
            let queues = (0..stage.scenario.queues).map(queue_name).collect();
            let (concurrency, poll) = (machine.concurrency, machine.poll);
            let small = Small {
                root,
                host,
                stage,
                queues,
                concurrency,
                poll,
            };
            small.run(stop).await;
        }
        Kind::Real => real(host, env, stage, machine, stop).await,
    }
}

async fn real(
    host: Arc<SimHost>,
    env: Env,
    stage: Arc<Stage>,
    machine: Machine,
    stop: CancellationToken,
) {
    let mut builder = Worker::builder()
        .concurrency(machine.concurrency)
        .poll(machine.poll)
        .grace(machine.grace)
        .cancel_grace(Duration::from_secs(5));
    for n in 0..stage.scenario.queues {
        builder = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            queue = open(&stage.book, &host, machine.newer, env.clone(), n) => builder.queue(&queue),
        };
    }
    let worker = builder
        .handler(TASK_TYPE, move |context: Context, script: usize| {
            let names = (0..stage.scenario.queues).map(queue_name);
            let queue = names.into_iter().position(|name| name == *context.queue());
            let call = Call {
                host: host.clone(),
                env: env.clone(),
                queue: queue.unwrap_or(usize::MAX),
                task: context.id(),
                attempt: context.attempt(),
                delivery: context.delivery(),
                token: context.token().clone(),
                script,
            };
            let stage = stage.clone();
            async move {
                match stage.play(call, context.cancelled()).await {
                    Reply::Done(serial) => Ok(serial),
                    Reply::Fail => Err(TaskError::new("as the script says")),
                    Reply::Later(delay) => Err(TaskError::later(delay)),
                    Reply::Cancelled => Err(TaskError::cancelled()),
                }
            }
        })
        .build()
        .expect("one handler and at least one queue");
    worker
        .run(stop.cancelled())
        .await
        .expect("a worker ends well when it is told to stop");
}
