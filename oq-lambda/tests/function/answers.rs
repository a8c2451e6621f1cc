//! What comes of each kind of event, and what it costs.

use oq_core::queue::TaskState;
use oq_core::store::Requests;
use oq_core::{Queue, Task};
use serde_json::{Value, json};

use crate::world::{World, invoke, pause};

const TICK: &str = include_str!("../events/eventbridge-schedule.json");

fn sleep(seconds: u64) -> Task {
    Task::new("sleep", &seconds).unwrap()
}

async fn counted(world: &World, work: impl Future<Output = Value>) -> (Value, Requests) {
    let before = world.meter.snapshot();
    let value = work.await;
    (value, world.meter.snapshot() - before)
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_lone_task_takes_two_get_two_put_one_delete_and_no_list() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    let id = queue.submit(sleep(1)).await.unwrap().id;
    let event = world.events().pop().unwrap();
    let work = async { invoke(&function, &event, 60).await.unwrap() };
    let (answer, used) = counted(&world, work).await;
    assert_eq!(
        answer,
        json!({ "leads": { "ran": 1 }, "claimed": 1, "completed": 1, "stopped": "empty" })
    );
    let counts = (used.get(), used.put(), used.delete(), used.list());
    println!(
        "a lone task by its event: {} GET, {} PUT, {} DELETE, {} LIST",
        counts.0, counts.1, counts.2, counts.3
    );
    assert_eq!(counts, (2, 2, 1, 0));
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Completed);

    // The claim was a write, too. Its event needs nothing.
    let own = world.events();
    assert_eq!(own.len(), 1);
    let work = async { invoke(&function, &own[0], 60).await.unwrap() };
    let (answer, used) = counted(&world, work).await;
    assert_eq!(
        answer,
        json!({ "leads": { "held": 1 }, "stopped": "empty" })
    );
    assert_eq!(used.total(), 0);

    // The same event again, and late.
    pause(600).await;
    let work = async { invoke(&function, &event, 60).await.unwrap() };
    let (answer, used) = counted(&world, work).await;
    assert_eq!(
        answer,
        json!({ "leads": { "over": 1 }, "stopped": "empty" })
    );
    assert!(used.get() <= 2 && used.total() == used.get(), "{used:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_at_the_same_time_to_two_functions_runs_its_task_once() {
    let world = World::new();
    let queue = world.queue().await;
    let id = queue.submit(sleep(5)).await.unwrap().id;
    let event = world.events().pop().unwrap();
    let (a, b) = (world.function().await, world.function().await);
    let (a, b) = futures::join!(invoke(&a, &event, 60), invoke(&b, &event, 60));
    let ran = [a.unwrap(), b.unwrap()]
        .iter()
        .filter(|a| a["completed"] == 1)
        .count();
    assert_eq!(ran, 1);
    assert_eq!(queue.get(id).await.unwrap().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_tick_finds_what_no_event_told_of() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    for n in 0..3 {
        queue.submit(sleep(n)).await.unwrap();
    }
    queue
        .submit(sleep(0).delay(std::time::Duration::from_secs(90)))
        .await
        .unwrap();
    let answer = invoke(&function, TICK, 60).await.unwrap();
    assert_eq!(
        (&answer["completed"], &answer["stopped"]),
        (&json!(3), &json!("empty"))
    );
    assert!(answer["next"].is_number(), "{answer}");
    pause(91).await;
    assert_eq!(invoke(&function, TICK, 60).await.unwrap()["completed"], 1);
    assert_eq!(world.live().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_function_left_is_taken_over_by_a_tick() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    let id = queue.submit(sleep(20)).await.unwrap().id;
    let event = world.events().pop().unwrap();
    tokio::select! {
        biased;
        () = pause(5) => {}
        _ = invoke(&function, &event, 60) => panic!("it was to be killed"),
    }
    let mut ticks = 0;
    while queue.get(id).await.unwrap().state != TaskState::Completed {
        pause(30).await;
        invoke(&world.function().await, TICK, 60).await.unwrap();
        ticks += 1;
    }
    assert!(ticks <= 3, "{ticks}");
    // One crash charges nobody: a neighbour may have been to blame.
    let view = queue.get(id).await.unwrap();
    assert_eq!((view.attempts, view.delivery), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_packed_tasks_are_drained_in_one_invocation() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    queue.submit_many((0..1000).map(|_| sleep(0))).run().await;
    let work = async { invoke(&function, r#"{ "drain": true }"#, 60).await.unwrap() };
    let (answer, used) = counted(&world, work).await;
    println!(
        "1000 packed tasks in one invocation: {} GET, {} PUT, {} DELETE, {} LIST",
        used.get(),
        used.put(),
        used.delete(),
        used.list()
    );
    assert_eq!(
        (&answer["completed"], &answer["stopped"]),
        (&json!(1000), &json!("empty"))
    );
    assert!(used.total() <= 1000 / 5, "{used:?}");
}

#[tokio::test(start_paused = true)]
async fn a_direct_drain_takes_what_it_is_told_to() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    let ids = submit(&queue, 5).await;
    let one = json!({ "drain": [ids[0]] }).to_string();
    assert_eq!(
        invoke(&function, &one, 60).await.unwrap()["leads"]["ran"],
        1
    );
    let two = json!({ "drain": "all", "queues": ["default"], "max_tasks": 2 }).to_string();
    let answer = invoke(&function, &two, 60).await.unwrap();
    assert_eq!(
        (&answer["completed"], &answer["stopped"]),
        (&json!(2), &json!("limit"))
    );
    let elsewhere = json!({ "drain": true, "queues": ["elsewhere"] }).to_string();
    let error = invoke(&function, &elsewhere, 60).await.unwrap_err();
    assert_eq!(error.code(), "OQ-INVALID");
    assert!(error.to_string().contains("elsewhere"), "{error}");
}

async fn submit(queue: &Queue, n: u64) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(queue.submit(sleep(0)).await.unwrap().id.to_string());
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_in_time_and_what_runs_is_given_back() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    let id = queue
        .submit(
            Task::new("save", &10u32)
                .unwrap()
                .timeout(std::time::Duration::from_secs(3600)),
        )
        .await
        .unwrap()
        .id;
    let event = world.events().pop().unwrap();
    let clock = queue.root().env();
    let began = clock.now();
    let answer = invoke(&function, &event, 100).await.unwrap();
    let took = clock.now().since(began).as_secs();
    assert!((90..100).contains(&took), "{took}");
    assert_eq!(
        (&answer["released"], &answer["stopped"]),
        (&json!(1), &json!("deadline"))
    );
    let view = queue.get(id).await.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Pending, 0));
}

#[tokio::test(start_paused = true)]
async fn too_little_time_is_said_before_anything_is_claimed() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    queue.submit(sleep(0)).await.unwrap();
    for event in [world.events()[0].as_str(), TICK] {
        for seconds in [3, 16, 20] {
            let error = invoke(&function, event, seconds).await.unwrap_err();
            assert!(error.to_string().contains("less than 20.5 s"), "{error}");
            assert!(error.to_string().contains("timeout"), "{error}");
        }
    }
    assert_eq!(invoke(&function, TICK, 60).await.unwrap()["completed"], 1);
}

#[tokio::test(start_paused = true)]
async fn sqs_is_told_which_messages_to_deliver_again() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    queue.submit(sleep(0)).await.unwrap();
    let good = world.events().pop().unwrap();
    let message =
        |id: &str, body: &str| json!({ "messageId": id, "body": body, "eventSource": "aws:sqs" });
    let foreign = include_str!("../events/s3-foreign-bucket.json");
    let test = include_str!("../events/s3-test.json");
    let batch = |messages: &[Value]| json!({ "Records": messages }).to_string();
    let event = batch(&[
        message("good", &good),
        message("poison", "hello"),
        json!({ "messageId": "empty", "eventSource": "aws:sqs" }),
        json!({ "messageId": "number", "eventSource": "aws:sqs", "body": 5 }),
        message("foreign", foreign),
        message("twice", &good),
        message("test", test),
    ]);
    let answer = invoke(&function, &event, 60).await.unwrap();
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": "poison" },
            { "itemIdentifier": "empty" }, { "itemIdentifier": "number" }] })
    );
    assert_eq!(world.live().await, 0);

    // Paused: nothing is lost when SQS forgets the message, the tick finds the task.
    queue.submit(sleep(0)).await.unwrap();
    let good = world.events().pop().unwrap();
    queue.pause().await.unwrap();
    pause(61).await;
    let answer = invoke(&function, &batch(&[message("paused", &good)]), 60)
        .await
        .unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(world.live().await, 1);
    queue.resume().await.unwrap();
    pause(61).await;
    assert_eq!(invoke(&function, TICK, 60).await.unwrap()["completed"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_event_is_taken_for_a_backlog_and_one_in_time_is_not() {
    // By how many seconds the event is late, and how many tasks are run for it.
    for (late, completed) in [(1, 1), (9, 1), (11, 20), (30, 20)] {
        let world = World::new();
        let (queue, function) = (world.queue().await, world.function().await);
        submit(&queue, 20).await;
        let events = world.events();
        pause(late).await;
        let work = async { invoke(&function, &events[0], 60).await.unwrap() };
        let (answer, used) = counted(&world, work).await;
        assert_eq!(
            (&answer["completed"], &answer["leads"]["ran"]),
            (&json!(completed), &json!(1)),
            "{late}"
        );
        assert_eq!(used.list() > 0, completed > 1, "{late}: {used:?}");

        // What it found nothing to run for says nothing of others.
        pause(30).await;
        submit(&queue, 1).await;
        let work = async { invoke(&function, &events[0], 60).await.unwrap() };
        let (answer, used) = counted(&world, work).await;
        assert_eq!(answer["leads"], json!({ "over": 1 }), "{late}");
        assert_eq!(used.list(), 0, "{late}: {used:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_ask_for_nothing_are_answered_and_counted() {
    let world = World::new();
    let function = world.function().await;
    let table = [
        (
            include_str!("../events/s3-empty.json"),
            json!({ "leads": {}, "stopped": "empty" }),
        ),
        (
            include_str!("../events/s3-test.json"),
            json!({ "leads": {}, "stopped": "empty" }),
        ),
        (
            include_str!("../events/s3-foreign-bucket.json"),
            json!({ "leads": {}, "ignored": { "other_bucket": 1 }, "stopped": "empty" }),
        ),
        (
            include_str!("../events/s3-foreign-prefix.json"),
            json!({ "leads": {}, "ignored": { "not_live": 1 }, "stopped": "empty" }),
        ),
    ];
    let before = world.meter.snapshot();
    for (event, expected) in table {
        assert_eq!(invoke(&function, event, 60).await.unwrap(), expected);
    }
    assert_eq!((world.meter.snapshot() - before).total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_keeps_no_other_from_being_run() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    queue.submit(sleep(0)).await.unwrap();
    let good = world.events().pop().unwrap();
    let sns = |text: &str| json!({ "EventSource": "aws:sns", "Sns": { "Message": text } });
    let event = json!({ "Records": [sns("hello"), sns(&good), { "s3": {} }] }).to_string();
    let answer = invoke(&function, &event, 60).await.unwrap();
    assert_eq!(
        answer,
        json!({ "leads": { "ran": 1 }, "ignored": { "unreadable": 2 }, "claimed": 1,
            "completed": 1, "stopped": "empty" })
    );
    let alone = json!({ "Records": [sns("hello")] }).to_string();
    let error = invoke(&function, &alone, 60).await.unwrap_err();
    assert_eq!(error.code(), "OQ-INVALID");
}
