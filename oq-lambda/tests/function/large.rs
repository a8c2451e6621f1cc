//! An event as large as Lambda lets one be.

use oq_core::Task;
use oq_core::queue::TaskState;
use serde_json::{Value, json};

use crate::world::{World, invoke, worker};

const TICK: &str = include_str!("../events/eventbridge-schedule.json");
const RECORD: &str = include_str!("../events/s3-put.json");

/// What Lambda takes.
const MOST: usize = 6 << 20;

#[tokio::test(start_paused = true)]
async fn six_megabytes_of_live_objects_are_answered_in_time_and_the_rest_is_run_by_ticks() {
    let world = World::new();
    let queue = world.queue().await;
    let own = world.queue().await;
    let function = oq_lambda::handler(worker(&own).build().unwrap());
    let whole: Value = serde_json::from_str(RECORD).unwrap();
    let (mut records, mut ids, mut length) = (Vec::new(), Vec::new(), 20);
    while length < MOST {
        let task = Task::new("sleep", &1u64).unwrap();
        ids.push(queue.submit(task).await.unwrap().id);
        let event: Value = serde_json::from_str(&world.events().pop().unwrap()).unwrap();
        // All that S3 says of it, beside what oq reads.
        let mut record = whole["Records"][0].clone();
        record["s3"]["bucket"]["name"] = event["Records"][0]["s3"]["bucket"]["name"].clone();
        record["s3"]["object"] = event["Records"][0]["s3"]["object"].clone();
        record["eventTime"] = event["Records"][0]["eventTime"].clone();
        length += record.to_string().len() + 1;
        records.push(record);
    }
    records.pop();
    let last = ids.pop().unwrap();
    let event = json!({ "Records": records }).to_string();
    assert!(
        event.len() <= MOST && event.len() > MOST - 2000,
        "{}",
        event.len()
    );

    let clock = queue.root().env();
    let began = clock.now();
    let answer = invoke(&function, &event, 60).await.unwrap();
    assert!(clock.now().since(began).as_secs() < 60);
    assert!(answer.to_string().len() < 500, "{answer}");
    let (ran, untried) = (&answer["leads"]["ran"], &answer["leads"]["untried"]);
    assert_eq!(answer["stopped"], "deadline");
    assert!(ran.as_u64().unwrap() > 100, "{answer}");
    assert_eq!(
        ran.as_u64().unwrap() + untried.as_u64().unwrap(),
        ids.len() as u64
    );

    ids.push(last);
    let mut ticks = 0;
    while world.live().await > 0 {
        invoke(&function, TICK, 60).await.unwrap();
        ticks += 1;
        assert!(ticks < 30, "ticks for ever");
    }
    println!(
        "{} objects, {ran} run at once, the rest by {ticks} ticks",
        ids.len()
    );
    for id in ids {
        let view = queue.get(id).await.unwrap();
        assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    }
}
