use std::time::Duration;

use oq_core::Queue;
use oq_core::queue::TaskState;
use oq_core::record::Retry;
use oq_lambda::emulator::{Died, Invoked};
use serde_json::json;

use crate::world::{Folder, answer, event, task};

const TICK: &str = include_str!("../events/eventbridge-schedule.json");

fn send(signal: &str, process: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, process])
        .status();
    assert!(status.unwrap().success());
}

#[allow(clippy::disallowed_methods)] // other processes are waited for
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Whoever adopted it may not have buried it yet. Not seen where there is no `/proc`.
fn lives(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

async fn over(process: &str) {
    for _ in 0..1500 {
        if !lives(process) {
            return;
        }
        pause(Duration::from_millis(20)).await;
    }
    panic!("it was left");
}

#[tokio::test]
async fn programs_run_the_tasks_of_their_names() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    let shout = queue.submit(task("shout", &json!("cat"))).await.unwrap().id;
    let done = answer(function.invoke(&event(&queue, shout, "")).await.unwrap());
    assert_eq!(done["completed"], 1, "{done}");
    assert_eq!(queue.result::<String>(shout).await.unwrap(), "CAT");

    let retry = Retry::fixed(1, Duration::from_secs(1));
    let fail = task("fail", &json!(null)).retry(retry);
    let fail = queue.submit(fail).await.unwrap().id;
    let who = queue.submit(task("whoami", &json!(null))).await.unwrap().id;
    let done = answer(function.invoke(TICK).await.unwrap());
    assert_eq!(
        (&done["completed"], &done["failed"]),
        (&json!(1), &json!(1))
    );
    let failure = queue.get(fail).await.unwrap().failure.unwrap();
    assert_eq!(
        (failure.kind.as_str(), failure.message.as_str()),
        ("exit-3", "the disk is full")
    );
    let said: (String, String, String, u32) = queue.result(who).await.unwrap();
    assert_eq!(said, (who.to_string(), who.to_string(), "held".into(), 1));
}

/// The contract of `oq worker --task`, which is one piece of code: this holds the function to it.
#[tokio::test]
async fn exit_codes_mean_what_they_mean_in_a_worker_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    let retry = || Retry::fixed(5, Duration::from_secs(1));
    let hopeless = task("hopeless", &json!(null)).retry(retry());
    let hopeless = queue.submit(hopeless).await.unwrap().id;
    let busy = task("busy", &json!(null)).retry(retry());
    let busy = queue.submit(busy).await.unwrap().id;
    let leaves = queue.submit(task("leaves", &json!(null))).await.unwrap().id;
    answer(function.invoke(TICK).await.unwrap());
    let failed = queue.get(hopeless).await.unwrap();
    assert_eq!((failed.state, failed.attempts), (TaskState::Failed, 1));
    let why = failed.failure.unwrap();
    assert_eq!(
        (why.kind.as_str(), why.message.as_str()),
        ("exit-65", "no such customer")
    );
    let later = queue.get(busy).await.unwrap();
    assert_eq!((later.state, later.attempts), (TaskState::Waiting, 0));
    let left: u32 = queue.result(leaves).await.unwrap();
    assert!(!lives(&left.to_string()));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_what_is_missing() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let table = [
        (
            "gone",
            "#!/no/such/shell -e\nexit\n",
            "/no/such/shell, which",
        ),
        ("windows", "#!/bin/sh\r\nexit\r\n", "end with CR and LF"),
        ("nameless", "echo hello\n", "name its interpreter"),
    ];
    for (name, script, _) in table {
        let path = folder.handlers().join(name);
        std::fs::copy(folder.handlers().join("shout"), &path).unwrap();
        std::fs::write(path, script).unwrap();
    }
    let mut function = folder.function(&folder.url(), 60).await;
    for (name, _, says) in table {
        let once = task(name, &json!(null)).retry(Retry::fixed(1, Duration::ZERO));
        let id = queue.submit(once).await.unwrap().id;
        answer(function.invoke(TICK).await.unwrap());
        let failure = queue.get(id).await.unwrap().failure.unwrap();
        assert_eq!(failure.kind, "not-started");
        assert!(failure.message.contains(says), "{}", failure.message);
    }
}

#[tokio::test]
async fn one_process_answers_event_after_event_and_says_what_is_wrong_with_one() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    function.ready().await.unwrap();
    let pid = function.pid();
    let wrong = function.invoke("{}").await.unwrap();
    let Invoked::Error { code, message } = wrong else {
        panic!("{wrong:?}")
    };
    assert_eq!(code, "OQ-INVALID");
    assert!(message.contains("not an event that oq knows"), "{message}");
    let submit = json!({ "type": "shout", "input": "cow" }).to_string();
    let accepted = answer(function.invoke(&submit).await.unwrap());
    let id = accepted["id"].as_str().unwrap().parse().unwrap();
    answer(function.invoke(r#"{ "drain": true }"#).await.unwrap());
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Completed);
    assert_eq!(function.pid(), pid);
}

#[tokio::test]
async fn an_event_of_six_megabytes_is_answered() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let id = queue.submit(task("shout", &json!("x"))).await.unwrap().id;
    let one = event(&queue, id, "");
    let record = &one[r#"{"Records":["#.len()..one.len() - 2];
    let foreign = record.replace("/live/", "/done/");
    let mut records = vec![foreign; 5_900_000 / record.len()];
    records.push(record.to_owned());
    let large = format!(r#"{{"Records":[{}]}}"#, records.join(","));
    let mut function = folder.function(&folder.url(), 60).await;
    let done = answer(function.invoke(&large).await.unwrap());
    assert_eq!(done["completed"], 1);
    assert_eq!(done["ignored"]["not_live"], records.len() - 1);
}

/// What a freeze does to its clock and connections is seen in `s3.rs`.
#[tokio::test]
async fn a_function_that_is_stopped_and_continued_goes_on_with_the_next_event() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    answer(function.invoke(TICK).await.unwrap());
    let pid = function.pid().unwrap().to_string();
    send("-STOP", &pid);
    let id = queue.submit(task("shout", &json!("x"))).await.unwrap().id;
    let event = event(&queue, id, "");
    send("-CONT", &pid);
    let done = answer(function.invoke(&event).await.unwrap());
    assert_eq!(done["leads"]["ran"], 1, "{done}");
}

#[tokio::test]
async fn a_timeout_that_is_too_short_for_any_lease_is_refused_and_nothing_is_claimed() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let mut function = folder.function(&folder.url(), 1).await;
    let id = queue.submit(task("slow", &json!(30))).await.unwrap().id;
    let too_short = function.invoke(&event(&queue, id, "")).await;
    assert!(
        matches!(too_short, Ok(Invoked::Error { .. })),
        "{too_short:?}"
    );
    assert_eq!(queue.get(id).await.unwrap().attempts, 0);
}

#[tokio::test]
async fn a_function_that_is_killed_in_the_middle_of_a_task_loses_nothing() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let shortest = task("stuck", &json!(null)).lease(Duration::from_secs(15));
    let id = queue.submit(shortest).await.unwrap().id;
    let event = event(&queue, id, "");
    let mut first = folder.function(&folder.url(), 60).await;
    first.ready().await.unwrap();
    let pid = first.pid().unwrap().to_string();
    let killed = async {
        while folder.stuck().is_none() {
            pause(Duration::from_millis(20)).await;
        }
        send("-KILL", &pid);
    };
    let (died, ()) = tokio::join!(first.invoke(&event), killed);
    assert!(
        matches!(&died, Err(Died::Ended(how)) if how.contains("SIGKILL")),
        "{died:?}"
    );
    let held = queue.get(id).await.unwrap();
    assert_eq!((held.state, held.delivery), (TaskState::Running, 1));

    over(&folder.stuck().unwrap()).await;
    let mut second = folder.function(&folder.url(), 60).await;
    let (mut completed, mut taken_over) = (0, 0);
    let began = queue.root().now();
    while completed == 0 {
        let done = answer(second.invoke(TICK).await.unwrap());
        completed += done["completed"].as_u64().unwrap_or(0);
        taken_over += done["taken_over"].as_u64().unwrap_or(0);
        let waited = queue.root().now().since(began);
        assert!(waited < Duration::from_secs(60), "nobody took it over");
        pause(Duration::from_millis(500)).await;
    }
    assert_eq!((completed, taken_over), (1, 1));
    let view = queue.get(id).await.unwrap();
    assert_eq!((view.state, view.delivery), (TaskState::Completed, 2));
    assert_eq!(queue.result::<String>(id).await.unwrap(), "done");
    let after = answer(second.invoke(&event).await.unwrap());
    assert_eq!(after["leads"], json!({ "over": 1 }), "{after}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_function_that_is_dropped_takes_its_programs_with_it() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    queue.submit(task("stuck", &json!(null))).await.unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    function.ready().await.unwrap();
    let runs = async {
        while folder.stuck().is_none() {
            pause(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answered = function.invoke(TICK) => panic!("{answered:?}"),
        () = runs => {}
    }
    let program = folder.stuck().unwrap();
    assert!(lives(&program));
    drop(function);
    over(&program).await;
}

#[tokio::test]
async fn a_request_that_lambda_repeats_submits_its_task_once() {
    let folder = Folder::new();
    let mut function = folder.function(&folder.url(), 60).await;
    let submit = json!({ "type": "shout", "input": "cow" }).to_string();
    let first = answer(function.invoke_as("request-1", &submit).await.unwrap());
    let again = answer(function.invoke_as("request-1", &submit).await.unwrap());
    let other = answer(function.invoke(&submit).await.unwrap());
    assert_eq!(
        (&again["id"], &again["existing"]),
        (&first["id"], &json!(true))
    );
    assert_eq!(other["existing"], false);
    assert_ne!(other["id"], first["id"]);
    let done = answer(function.invoke(r#"{ "drain": true }"#).await.unwrap());
    assert_eq!(done["completed"], 2);
}

#[tokio::test]
async fn a_function_that_cannot_begin_says_why() {
    let folder = Folder::new();
    let mut function = folder.function("redis://host", 60).await;
    let died = function.invoke(TICK).await.unwrap_err();
    assert!(matches!(&died, Died::Ended(_) | Died::Init(_)), "{died}");
}

#[tokio::test]
async fn without_programs_it_only_submits() {
    let folder = Folder::new();
    let mut function = folder.with(&[("OQ_HANDLERS", "none")]).await;
    let posted = answer(
        function
            .invoke(include_str!("../events/url-post.json"))
            .await
            .unwrap(),
    );
    assert_eq!(posted["statusCode"], 202, "{posted}");
    let tick = function.invoke(TICK).await.unwrap();
    assert!(matches!(tick, Invoked::Error { message, .. } if message.contains("only submits")));
}
