//! Every write of a function is an event that starts a function again. The chain ends.

use std::time::Duration;

use futures::future::join_all;
use oq_core::queue::TaskState;
use oq_core::record::Retry;
use oq_core::{Queue, Task};

use crate::world::{S, World, invoke, pause};

const TICK: &str = include_str!("../events/eventbridge-schedule.json");

/// What came of feeding every event back until there was none, with a tick a minute.
struct Chain {
    invocations: usize,
    /// How many of them took no request at all.
    free: usize,
    ticks: usize,
}

/// Every event in a function of its own, all of a round at once; `seconds` is the function's timeout.
async fn feed(world: &World, queue: &Queue, seconds: u64) -> Chain {
    let mut chain = Chain {
        invocations: 0,
        free: 0,
        ticks: 0,
    };
    let mut functions = Vec::new();
    for _ in 0..8 {
        functions.push(world.function().await);
    }
    let clock = queue.root().env().clone();
    loop {
        let mut events = world.events();
        // Twice and out of order, as they may come.
        if let Some(first) = events.first().cloned() {
            events.push(first);
        }
        events.reverse();
        for some in events.chunks(functions.len()) {
            let before = world.meter.snapshot();
            let answers = join_all(
                some.iter()
                    .zip(&functions)
                    .map(|(e, f)| invoke(f, e, seconds)),
            )
            .await;
            chain.invocations += answers.len();
            if (world.meter.snapshot() - before).total() == 0 {
                chain.free += answers.len();
            }
            answers.into_iter().for_each(|answer| drop(answer.unwrap()));
            assert!(chain.invocations < 2000, "it goes on and on");
        }
        if !world.bucket.is_quiet() {
            continue;
        }
        if world.live().await == 0 {
            return chain;
        }
        let began = clock.now();
        invoke(&functions[0], TICK, seconds).await.unwrap();
        chain.ticks += 1;
        assert!(chain.ticks < 200, "ticks for ever");
        let rest = Duration::from_secs(60).saturating_sub(clock.now().since(began));
        pause(rest.as_secs()).await;
    }
}

async fn states(queue: &Queue, ids: &[oq_core::record::TaskId]) -> Vec<TaskState> {
    let mut states = Vec::new();
    for id in ids {
        states.push(queue.get(*id).await.unwrap().state);
    }
    states
}

#[tokio::test(start_paused = true)]
async fn lone_tasks_take_two_invocations_each_of_which_the_second_takes_no_request() {
    let world = World::new();
    let queue = world.queue().await;
    for _ in 0..8 {
        queue
            .submit(Task::new("sleep", &1u64).unwrap())
            .await
            .unwrap();
    }
    let chain = feed(&world, &queue, 60).await;
    assert_eq!(chain.ticks, 0);
    // Eight submissions and eight claims, and an event of either round twice.
    assert_eq!(chain.invocations, 18);
    assert!(chain.free >= 8, "{}", chain.free);
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_every_kind_of_write_ends() {
    let world = World::new();
    let queue = world.queue().await;
    let long = |task: Task| task.timeout(Duration::from_secs(3600));
    let retry = |times| Retry::fixed(times, S);
    let tasks = [
        (Task::new("sleep", &1u64).unwrap(), TaskState::Completed),
        // Renews its lease, each time with a write.
        (
            long(Task::new("sleep", &50u64).unwrap()),
            TaskState::Completed,
        ),
        (
            Task::new("fail", &()).unwrap().retry(retry(4)),
            TaskState::Failed,
        ),
        (Task::new("later", &3u32).unwrap(), TaskState::Completed),
        // Never fits into the function's time, and says so in the end.
        (
            long(Task::new("sleep", &10_000u64).unwrap()).retry(retry(3)),
            TaskState::Failed,
        ),
        // Does not fit either, but goes on from where it was.
        (
            long(Task::new("save", &7u32).unwrap()),
            TaskState::Completed,
        ),
        (
            Task::new("sleep", &1u64)
                .unwrap()
                .delay(Duration::from_secs(130)),
            TaskState::Completed,
        ),
    ];
    let (mut ids, mut expected) = (Vec::new(), Vec::new());
    for (task, state) in tasks {
        ids.push(queue.submit(task).await.unwrap().id);
        expected.push(state);
    }
    let chain = feed(&world, &queue, 150).await;
    assert_eq!(states(&queue, &ids).await, expected);
    println!(
        "{} invocations, {} of them without a request, {} ticks",
        chain.invocations, chain.free, chain.ticks
    );
    // Most are renewals, every 10 s of a task that runs for minutes. None of them asks for anything.
    assert!(chain.invocations < 200 && chain.free > chain.invocations / 2);
}
