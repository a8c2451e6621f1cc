//! The worker processes of a run: oq's own, or the small one that stands on the protocol alone.

use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::testing::sim_clock::SimHost;
use oq_core::{Context, TaskError, Worker};
use tokio_util::sync::CancellationToken;

use crate::clone::Cloned;
use crate::drains::Drains;
use crate::panics::PLANNED;
use crate::parcel::Parcel;
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
    if let Some(bytes) = stage.scenario.inline {
        builder = builder.inline_limit(bytes);
    }
    for n in 0..stage.scenario.queues {
        builder = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            queue = open(&stage.book, &host, machine.newer, env.clone(), n) => builder.queue(&queue),
        };
    }
    let (its_host, its_env, its_stage) = (host.clone(), env.clone(), stage.clone());
    let worker = builder
        .handler(TASK_TYPE, move |context: Context, input: Parcel| {
            let names = (0..stage.scenario.queues).map(queue_name);
            let queue = names.into_iter().position(|name| name == *context.queue());
            let call = Call {
                host: host.clone(),
                env: host.beside(&env),
                queue: queue.unwrap_or(usize::MAX),
                task: context.id(),
                attempt: context.attempt(),
                delivery: context.delivery(),
                token: context.token().clone(),
                input,
                context: Some(context.clone()),
            };
            let (stage, host) = (stage.clone(), host.clone());
            async move {
                let reply = stage.play(call, context.cancelled()).await;
                // The worker hears of it when it goes on.
                host.awake().await;
                match reply {
                    Reply::Done(result) => Ok(result),
                    Reply::Fail => Err(TaskError::new("as the script says")),
                    Reply::Fatal => Err(TaskError::fatal("as the script says")),
                    Reply::Panic => panic!("{PLANNED}"),
                    Reply::Later(delay) => Err(TaskError::later(delay)),
                    Reply::Cancelled => Err(TaskError::cancelled()),
                }
            }
        })
        .build()
        .expect("one handler and at least one queue");
    if let Some(how) = machine.drain {
        let drains = Drains {
            host: its_host,
            env: its_env,
            stage: its_stage,
            how,
        };
        return drains.run(worker, stop).await;
    }
    worker
        .run(stop.cancelled())
        .await
        .expect("a worker ends well when it is told to stop");
}
