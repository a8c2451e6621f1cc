//! Tasks by the clock: a schedule of EventBridge's invokes the function with the task itself.

use oq_core::queue::TaskState;
use serde_json::{Value, json};

use crate::world::{World, invoke, pause};

/// What a schedule of the templates sends, for one time.
const NIGHT: &str = include_str!("../events/direct-scheduled.json");
const TICK: &str = include_str!("../events/eventbridge-schedule.json");
const DAY: u64 = 24 * 3600;

/// The event of the `n`th night, with a task that fails for good if `failing`.
fn night(n: u64, failing: bool) -> String {
    let mut event: Value = serde_json::from_str(NIGHT).unwrap();
    let key = event["key"].as_str().unwrap();
    event["key"] = json!(key.replace("-21T", &format!("-{}T", 21 + n)));
    if failing {
        event["type"] = json!("fail");
        event["input"] = Value::Null;
        event["retry"] = json!({ "attempts": 1 });
    }
    event.to_string()
}

#[tokio::test(start_paused = true)]
async fn each_time_has_one_task_however_often_the_schedule_calls() {
    let world = World::new();
    let queue = world.queue().await;
    let function = world.function().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        // Both at once, as EventBridge may call twice; a late third after the task has run.
        let event = night(n, n == 0);
        let other = world.function().await;
        let (first, second) =
            tokio::join!(invoke(&function, &event, 60), invoke(&other, &event, 60));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(first["id"], second["id"]);
        assert_eq!(world.live().await, 1);
        invoke(&function, TICK, 60).await.unwrap();
        assert_eq!(world.live().await, 0);
        let id = first["id"].as_str().unwrap().parse().unwrap();
        if n > 0 {
            let late = invoke(&other, &event, 60).await.unwrap();
            assert_eq!(
                (&late["id"], &late["existing"]),
                (&first["id"], &json!(true))
            );
            assert_eq!(world.live().await, 0);
        }
        ids.push(id);
        pause(DAY).await;
    }
    // That one night's task failed changes nothing for the others.
    let mut states = Vec::new();
    for id in &ids {
        states.push(queue.get(*id).await.unwrap().state);
    }
    assert_eq!(
        states,
        [
            TaskState::Failed,
            TaskState::Completed,
            TaskState::Completed
        ]
    );
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_which_nobody_put_the_time_is_refused_since_it_would_stand_for_every_time() {
    let world = World::new();
    let function = world.function().await;
    let word = "<aws.scheduler.scheduled-time>";
    let hidden = r"\u003caws.scheduler.scheduled-time\u003e";
    for time in [word, hidden, "<aws.scheduler.execution-id>"] {
        let event = NIGHT.replace("2026-11-21T03:00:00Z", time);
        let failed = invoke(&function, &event, 60).await.unwrap_err();
        let said = failed.to_string();
        assert_eq!(failed.code(), "OQ-INVALID", "{said}");
        for part in ["nightly:<aws.scheduler.", "each later time", "rule"] {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(world.live().await, 0);
    }
    // In an input it is a text as any other.
    let mut event: Value = serde_json::from_str(NIGHT).unwrap();
    event["input"] = json!(word);
    invoke(&function, &event.to_string(), 60).await.unwrap();
    assert_eq!(world.live().await, 1);
}
