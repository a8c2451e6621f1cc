//! Tasks by HTTP: what is accepted, and what is refused and why.

use oq_core::Queue;
use oq_core::record::QueueName;
use serde_json::{Value, json};

use crate::world::{World, invoke, post, request};

/// A body that says to be Base64.
fn bent(body: &str) -> String {
    json!({ "version": "2.0", "headers": { "content-type": "application/json" }, "body": body,
        "isBase64Encoded": true,
        "requestContext": { "http": { "method": "POST" } } })
    .to_string()
}

async fn submitter(world: &World) -> (Queue, oq_lambda::Function) {
    let queue = world.queue().await;
    (queue.clone(), oq_lambda::submitter(queue))
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_posted_is_accepted_once_for_its_key() {
    let world = World::new();
    let (queue, function) = submitter(&world).await;
    let mut ids = Vec::new();
    // The same task by a function URL, in Base64, through a REST API and a load balancer.
    for (event, status) in [
        (include_str!("../events/url-post.json"), 202),
        (include_str!("../events/url-post-base64.json"), 200),
        (include_str!("../events/api-v1-post.json"), 200),
        (include_str!("../events/alb-post.json"), 200),
    ] {
        let reply = invoke(&function, event, 3).await.unwrap();
        assert_eq!(reply["statusCode"], status, "{reply}");
        assert_eq!(reply["isBase64Encoded"], false);
        let body: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["existing"], status == 200);
        ids.push(body["id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let view = queue.get(ids[0].parse().unwrap()).await.unwrap();
    assert_eq!(view.tags["customer"], "c1");
    let input = queue.input(&view).await.unwrap().unwrap();
    assert_eq!(input.as_str(), r#"{"path": "cat.png"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_request_is_said_and_nothing_is_written() {
    let world = World::new();
    let (_, function) = submitter(&world).await;
    let ok = r#"{ "type": "a" }"#;
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!(r#"{{ "type": "a", "input": {nested} }}"#);
    let long = format!(r#"{{ "type": "a", "input": "{}" }}"#, "x".repeat(1 << 20));
    let table = [
        (
            include_str!("../events/url-get.json").to_owned(),
            405,
            "POST a task",
        ),
        (
            request(&json!({ "content-type": "text/plain" }), ok),
            415,
            "text/plain; send it with Content-Type: application/json",
        ),
        // What a page of another site may send without being asked: fetch with a Blob.
        (request(&json!({}), ok), 415, "of no type; send it with"),
        (
            request(&json!({ "content-type": "" }), ok),
            415,
            "of no type",
        ),
        (
            request(&json!({ "content-type": "application/jsonp" }), ok),
            415,
            "application/jsonp",
        ),
        (post(None, ""), 400, "not a task"),
        (post(None, "{"), 400, "not a task"),
        (post(None, "[1]"), 400, "not a JSON object"),
        (
            // What serde would take for the fields in their order.
            post(None, r#"["a",1,null,null,null,null,null,{}]"#),
            400,
            "not a JSON object",
        ),
        (bent("%%%"), 400, "not Base64"),
        (bent("/w=="), 400, "not UTF-8"),
        (post(None, r#"{ "input": 1 }"#), 400, "`type`"),
        (post(None, r#"{ "type": "../x" }"#), 400, "../x"),
        (
            post(None, r#"{ "type": "a", "delya_s": 1 }"#),
            400,
            "delya_s",
        ),
        (
            post(None, r#"{ "type": "a", "delay_s": 1e309 }"#),
            400,
            "not a task",
        ),
        (
            post(None, r#"{ "type": "a", "input": "\ud800" }"#),
            400,
            "not valid JSON",
        ),
        (post(None, &deep), 400, "not valid JSON"),
        (
            post(None, r#"{ "type": "a", "timeout_s": 0 }"#),
            400,
            "timeout",
        ),
        (
            post(None, r#"{ "type": "a", "queue": "other" }"#),
            403,
            "other",
        ),
        (post(None, &long), 413, "longer than"),
        (post(Some(""), ok), 400, "idempotency key"),
        (post(Some(&"k".repeat(2000)), ok), 400, "2000 bytes"),
        (
            post(Some("a"), r#"{ "type": "a", "key": "b" }"#),
            400,
            "differ",
        ),
    ];
    let before = world.meter.snapshot();
    for (event, status, why) in table {
        let reply = invoke(&function, &event, 3).await.unwrap();
        let body = reply["body"].as_str().unwrap();
        assert_eq!(reply["statusCode"], status, "{body}");
        assert!(body.contains(why), "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(body["error"]["code"].as_str().unwrap().starts_with("OQ-"));
    }
    assert_eq!((world.meter.snapshot() - before).put(), 0);
    assert_eq!(world.live().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_function_with_handlers_takes_tasks_by_http_only_if_it_is_opened() {
    let world = World::new();
    let event = include_str!("../events/url-post.json");
    let closed = world.function().await;
    assert_eq!(invoke(&closed, event, 60).await.unwrap()["statusCode"], 403);
    let open = world
        .function()
        .await
        .open_to([QueueName::new("default").unwrap()], 1000);
    assert_eq!(invoke(&open, event, 60).await.unwrap()["statusCode"], 202);
}

#[tokio::test(start_paused = true)]
async fn a_function_without_handlers_says_so_when_it_is_to_run_something() {
    let world = World::new();
    let (_, function) = submitter(&world).await;
    let error = invoke(&function, r#"{ "drain": true }"#, 60)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only submits"), "{error}");
    let direct = include_str!("../events/direct-submit.json");
    let accepted = invoke(&function, direct, 60).await.unwrap();
    assert_eq!(
        (&accepted["queue"], &accepted["existing"]),
        (&json!("default"), &json!(false))
    );
}
