//! What Lambda and SQS are told to deliver again when the store was down or time was short, and that
//! doing so runs each task once.

use std::collections::BTreeMap;

use oq_core::queue::TaskState;
use oq_core::record::TaskId;
use oq_core::store::Faults;
use oq_core::{Queue, Task};
use oq_lambda::Function;

use crate::world::{DOWN, World, again, invoke, messages, pause, worker};

/// Tasks, each with the event of its object.
async fn submitted(
    world: &World,
    queue: &Queue,
    tasks: u64,
    seconds: u64,
) -> Vec<(TaskId, String)> {
    let mut submitted = Vec::new();
    for _ in 0..tasks {
        let task = Task::new("sleep", &seconds).unwrap();
        let id = queue.submit(task).await.unwrap().id;
        submitted.push((id, world.events().pop().unwrap()));
    }
    submitted
}

async fn assert_each_ran_once(queue: &Queue, tasks: &[(TaskId, String)]) {
    for (id, _) in tasks {
        let view = queue.get(*id).await.unwrap();
        assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    }
}

/// The records of several events in one.
fn joined(tasks: &[(TaskId, String)]) -> String {
    let records = tasks.iter().flat_map(|(_, event)| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["Records"].as_array().unwrap().clone()
    });
    serde_json::json!({ "Records": records.collect::<Vec<_>>() }).to_string()
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_store_is_down_fails_and_its_repetition_runs_each_task_once() {
    // A lone object that was not answered, and so many that the rest is not even tried.
    for tasks in [1, 40] {
        let world = World::new();
        let (queue, store) = (world.queue().await, world.faulty());
        let own = world.queue_of(store.clone()).await;
        let function = oq_lambda::handler(worker(&own).build().unwrap());
        let tasks = submitted(&world, &queue, tasks, 0).await;
        let event = joined(&tasks);
        store.set(DOWN);
        for _ in 0..2 {
            let error = invoke(&function, &event, 60).await.unwrap_err();
            assert_eq!(error.code(), "OQ-UNAVAILABLE", "{error}");
        }
        store.set(Faults::default());
        let answer = invoke(&function, &event, 60).await.unwrap();
        assert_eq!(answer["completed"], tasks.len(), "{answer}");
        let answer = invoke(&function, &event, 60).await.unwrap();
        assert_eq!(answer["leads"]["over"], tasks.len(), "{answer}");
        assert_each_ran_once(&queue, &tasks).await;
        assert_eq!(world.live().await, 0);
    }
}

/// Delivers messages until SQS is told to repeat none; which were repeated, each time.
async fn deliver(
    function: &Function,
    tasks: &[(TaskId, String)],
    seconds: u64,
) -> Vec<Vec<String>> {
    let bodies: BTreeMap<String, &str> = tasks
        .iter()
        .map(|(id, event)| (id.to_string(), event.as_str()))
        .collect();
    let mut ids: Vec<String> = bodies.keys().cloned().collect();
    let mut rounds = Vec::new();
    while !ids.is_empty() {
        let batch = messages(ids.iter().map(|id| (id.as_str(), bodies[id])));
        ids = again(&invoke(function, &batch, seconds).await.unwrap());
        rounds.push(ids.clone());
        assert!(rounds.len() < 20, "SQS delivers for ever: {ids:?}");
    }
    rounds
}

#[tokio::test(start_paused = true)]
async fn messages_whose_store_is_down_are_delivered_again_and_run_once() {
    let world = World::new();
    let (queue, store) = (world.queue().await, world.faulty());
    let own = world.queue_of(store.clone()).await;
    let function = oq_lambda::handler(worker(&own).build().unwrap());
    let tasks = submitted(&world, &queue, 40, 0).await;
    let named: Vec<String> = tasks.iter().map(|(id, _)| id.to_string()).collect();
    let batch = messages(
        named
            .iter()
            .map(String::as_str)
            .zip(tasks.iter().map(|(_, e)| e.as_str())),
    );
    store.set(DOWN);
    let answer = invoke(&function, &batch, 60).await.unwrap();
    assert_eq!(again(&answer), named);
    store.set(Faults::default());
    assert_eq!(deliver(&function, &tasks, 60).await, [Vec::<String>::new()]);
    assert_each_ran_once(&queue, &tasks).await;
}

#[tokio::test(start_paused = true)]
async fn messages_for_which_there_is_no_time_are_delivered_again_and_run_once() {
    let world = World::new();
    let queue = world.queue().await;
    let own = world.queue().await;
    let function = oq_lambda::handler(worker(&own).concurrency(1).build().unwrap());
    // 45 s in which something may be claimed, of 60: three of these.
    let tasks = submitted(&world, &queue, 10, 16).await;
    let rounds = deliver(&function, &tasks, 60).await;
    let counts: Vec<usize> = rounds.iter().map(Vec::len).collect();
    assert_eq!(counts, [7, 4, 1, 0]);
    assert_each_ran_once(&queue, &tasks).await;
    pause(1).await;
    assert_eq!(world.live().await, 0);
}
