//! Tasks by direct invocation, which Lambda repeats under the id of its request.

use oq_core::Queue;
use oq_core::queue::TaskState;
use oq_core::store::Faults;
use oq_lambda::{Function, Submit, Time};
use serde_json::{Value, json};

use crate::world::{DOWN, S, World, invoke, pause, post};

const TASK: &str = r#"{ "type": "sleep", "input": 1 }"#;

async fn invoke_as(function: &Function, request: &str, event: &str) -> Value {
    let answer = function.answer_as(event, Time::left(60 * S), Some(request));
    serde_json::to_value(answer.await.unwrap()).unwrap()
}

async fn submitter(world: &World) -> (Queue, Function) {
    let queue = world.queue().await;
    (queue.clone(), oq_lambda::submitter(queue))
}

#[tokio::test(start_paused = true)]
async fn a_repeated_invocation_submits_once_and_another_one_another_task() {
    let world = World::new();
    let (_, function) = submitter(&world).await;
    let first = invoke_as(&function, "request-1", TASK).await;
    assert_eq!(first["existing"], false);
    // In a process of its own, as Lambda may do it.
    let (_, other) = submitter(&world).await;
    let again = invoke_as(&other, "request-1", TASK).await;
    assert_eq!(
        (&again["id"], &again["existing"]),
        (&first["id"], &json!(true))
    );
    let second = invoke_as(&function, "request-2", TASK).await;
    assert_eq!(second["existing"], false);
    assert_eq!(world.live().await, 2);

    // Hours later, when the first is over, it still stands for it.
    let worker = world.function().await;
    invoke(&worker, r#"{ "drain": true }"#, 60).await.unwrap();
    pause(6 * 3600).await;
    let late = invoke_as(&function, "request-1", TASK).await;
    assert_eq!(
        (&late["id"], &late["existing"]),
        (&first["id"], &json!(true))
    );
    assert_eq!(world.live().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_failed_as_its_store_was_down_is_accepted_once_when_lambda_repeats_it() {
    let world = World::new();
    let (queue, store) = (world.queue().await, world.faulty());
    let function = oq_lambda::submitter(world.queue_of(store.clone()).await);
    let lost = Faults {
        unknown_applied: 1.0,
        again: 0.0,
        ..DOWN
    };
    for faults in [DOWN, lost] {
        store.set(faults);
        let failed = function.answer_as(TASK, Time::left(60 * S), Some("request"));
        failed.await.unwrap_err();
    }
    store.set(Faults::default());
    let accepted = invoke_as(&function, "request", TASK).await;
    let again = invoke_as(&function, "request", TASK).await;
    assert_eq!(accepted["id"], again["id"]);
    assert_eq!(world.live().await, 1);
    let id = accepted["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_task_s_own_holds_for_every_invocation() {
    let world = World::new();
    let (_, function) = submitter(&world).await;
    let keyed = r#"{ "type": "sleep", "input": 1, "key": "order-7" }"#;
    let first = invoke_as(&function, "request-1", keyed).await;
    let second = invoke_as(&function, "request-2", keyed).await;
    assert_eq!(first["id"], second["id"]);
    // A program that knows no request is not helped.
    let nobody = [
        invoke(&function, TASK, 60).await,
        invoke(&function, TASK, 60).await,
    ];
    let [a, b] = nobody.map(Result::unwrap);
    assert_ne!(a["id"], b["id"]);
    assert_eq!(world.live().await, 3);
}

#[tokio::test(start_paused = true)]
async fn by_http_the_header_alone_decides() {
    let world = World::new();
    let (_, function) = submitter(&world).await;
    let (bare, keyed) = (post(None, TASK), post(Some("k"), TASK));
    for (event, request, status, live) in [
        (&bare, "request", 202, 1),
        (&bare, "request", 202, 2),
        (&keyed, "request", 202, 3),
        (&keyed, "request-2", 200, 3),
    ] {
        let reply = invoke_as(&function, request, event).await;
        assert_eq!(
            (&reply["statusCode"], world.live().await),
            (&json!(status), live),
            "{reply}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_event_does_not_say_its_type_declares() {
    let world = World::new();
    let (queue, function) = submitter(&world).await;
    let declared = r#"{ "type": "send", "queue": "mail", "priority": "high", "timeout": "30s",
        "retry": { "attempts": 1, "never": ["no"] }, "retention": "7d", "max_reschedules": 3,
        "lease": "40s", "expires_in": "1h" }"#;
    let mail = queue.named("mail").await.unwrap();
    let open = [mail.name().clone(), queue.name().clone()];
    let function = function
        .open_to(open, 1 << 20)
        .declare([Submit::parse(declared).unwrap()]);
    let bare = r#"{ "type": "send", "input": 1 }"#;
    let said = r#"{ "type": "send", "input": 1, "timeout": 9, "retry": { "attempts": 4 },
        "queue": "default" }"#;
    let mut came = Vec::new();
    for event in [
        bare.to_owned(),
        said.to_owned(),
        post(None, bare),
        post(None, said),
    ] {
        let answer = invoke(&function, &event, 60).await.unwrap();
        let accepted = match answer["body"].as_str() {
            Some(body) => serde_json::from_str(body).unwrap(),
            None => answer,
        };
        let queue = match accepted["queue"].as_str().unwrap() {
            "mail" => &mail,
            _ => &queue,
        };
        let id = accepted["id"].as_str().unwrap().parse().unwrap();
        let view = queue.get(id).await.unwrap();
        let options = view.options.clone();
        let seconds = |span: std::time::Duration| span.as_secs();
        assert_eq!(
            (
                view.priority.value(),
                options.max_reschedules,
                seconds(options.retention)
            ),
            (8, Some(3), 7 * 24 * 3600)
        );
        assert_eq!(seconds(options.lease), 40);
        assert_eq!(options.expires_at.unwrap().since(view.submitted), 3600 * S);
        came.push((
            queue.name().to_string(),
            seconds(options.timeout),
            options.retry.attempts,
            options.retry.never.len(),
        ));
    }
    let (declared, event) = (
        ("mail".to_owned(), 30, 1, 1),
        ("default".to_owned(), 9, 4, 0),
    );
    assert_eq!(
        came,
        [&declared, &event, &declared, &event].map(Clone::clone)
    );
    // Of another type nothing is declared.
    let other = invoke(&function, TASK, 60).await.unwrap();
    assert_eq!(other["queue"], "default");
    let view = queue.get(other["id"].as_str().unwrap().parse().unwrap());
    assert_eq!(view.await.unwrap().options.max_reschedules, None);
}
