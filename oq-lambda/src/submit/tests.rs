//! The handler, on the events that Lambda would pass.

use oq_core::queue::TaskState;
use serde_json::json;

use super::*;

async fn submit(queue: &Queue, event: serde_json::Value) -> Accepted {
    submit_handler(queue, Submit::parse(&event.to_string()).unwrap())
        .await
        .unwrap()
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

#[tokio::test]
async fn a_task_says_its_times_as_on_the_command_line_or_in_seconds() {
    let queue = Queue::connect("memory:").await.unwrap();
    for delay in [r#""delay":"10m""#, r#""delay":600"#, r#""delay_s":600"#] {
        let json = format!(r#"{{"type":"t","input":[1,  2],"retention":"2h",{delay}}}"#);
        let accepted = submit_handler(&queue, Submit::parse(&json).unwrap()).await;
        let view = queue.get(accepted.unwrap().id).await.unwrap();
        assert_eq!(view.state, TaskState::Waiting, "{json}");
        let input = queue.input(&view).await.unwrap().unwrap();
        assert_eq!(input.as_str(), "[1,  2]", "byte for byte");
    }
}

#[test]
fn what_is_no_task_is_refused_and_nothing_of_the_program_s_inside_is_shown() {
    for (wrong, says) in [
        (
            r#"["resize", 1, null, null, null, null, null, {}]"#,
            "not a JSON object",
        ),
        ("null", "not a JSON object"),
        ("7", "not a JSON object"),
        ("", "not valid JSON"),
        (r#"{"type":"a","#, "not valid JSON"),
        (r#"{"input":1}"#, "missing field `type`"),
        (r#"{"type":"a b"}"#, "task type"),
        (r#"{"type":"a","retry":[9]}"#, "expected an object"),
        (r#"{"type":["a"]}"#, "expected a string"),
        (
            r#"{"type":"a","dealy":5}"#,
            "unknown field `dealy`, expected one of `queue`, `type`, `input`",
        ),
        (
            r#"{"type":"a","retry":{"queue":"x"}}"#,
            "unknown field `queue`, expected one of `attempts`",
        ),
        (r#"{"type":"a","delay_s":-1}"#, "negative"),
        (
            r#"{"type":"a","delay":5,"delay_s":5}"#,
            "duplicate field `delay`",
        ),
        (r#"{"type":"a","queue":"../x"}"#, "../x"),
        (
            r#"{"type":"a","queue":"x","queue":"y"}"#,
            "duplicate field `queue`",
        ),
        (r#"{"type":"a","queue":["x"]}"#, "queue"),
        (r#"{"type":"a","priority":32}"#, "priority 32"),
    ] {
        let why = Submit::parse(wrong).expect_err(wrong).to_string();
        assert!(why.contains(says), "{wrong}: {why}");
        assert!(!why.contains("struct "), "{wrong}: {why}");
    }
}
