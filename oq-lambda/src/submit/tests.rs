//! The handler, on the events that Lambda would pass.

use oq_core::queue::TaskState;
use serde_json::json;

use super::*;

async fn submit(queue: &Queue, event: serde_json::Value) -> Accepted {
    let event = serde_json::from_str(&event.to_string()).unwrap();
    submit_handler(queue, event).await.unwrap()
}

#[tokio::test]
async fn an_event_becomes_a_task_of_the_queue_that_it_names() {
    let queue = Queue::connect("memory:").await.unwrap();
    let event = json!({ "type": "resize", "input": { "n": 1 }, "queue": "images", "delay_s": 60,
        "priority": 3, "tags": { "customer": "c1" } });
    let accepted = submit(&queue, event).await;
    assert_eq!(accepted.queue.as_str(), "images");
    let images = queue.named("images").await.unwrap();
    let view = images.get(accepted.id).await.unwrap();
    assert_eq!((view.state, view.priority.value()), (TaskState::Waiting, 3));
    assert_eq!(view.tags["customer"], "c1");
    assert_eq!(
        images.input(&view).await.unwrap().unwrap().as_str(),
        r#"{"n":1}"#
    );
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_is_one_task() {
    let queue = Queue::connect("memory:").await.unwrap();
    let event = json!({ "type": "welcome", "key": "welcome:a" });
    let first = submit(&queue, event.clone()).await;
    let again = submit(&queue, event).await;
    assert_eq!(first.id, again.id);
    assert!(!first.existing && again.existing);
}

#[test]
fn a_misspelt_event_is_refused() {
    for wrong in [
        json!({ "input": 1 }),
        json!({ "type": "a b" }),
        json!({ "type": "a", "delay": 5 }),
        json!({ "type": "a", "delay_s": -1 }),
        json!({ "type": "a", "queue": "../x" }),
        json!({ "type": "a", "priority": 32 }),
    ] {
        assert!(
            serde_json::from_str::<Submit>(&wrong.to_string()).is_err(),
            "{wrong}"
        );
    }
}
