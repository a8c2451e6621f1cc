//! What a function logs of tasks that fail and of what it leaves.

use std::io::Write;
use std::sync::{Arc, Mutex};

use lambda_runtime::tracing::subscriber::fmt;
use oq_core::record::{Key, QueueName, Retry};
use oq_core::store::{Faults, Place};
use oq_core::{Queue, Task};
use oq_lambda::emulator::created;
use serde_json::json;

use crate::refused::ReadOnly;
use crate::world::{DOWN, S, World, invoke, pause, post};

const TICK: &str = include_str!("../events/eventbridge-schedule.json");

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What is logged in this thread until the guard is dropped.
    fn kept(&self) -> impl Drop {
        let log = self.clone();
        let lines = fmt().with_ansi(false).with_writer(move || log.clone());
        tracing::subscriber::set_default(lines.finish())
    }

    /// The lines with these words.
    fn lines(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let has = |line: &&str| line.contains(words);
        text.lines().filter(has).map(str::to_owned).collect()
    }
}

async fn submit(queue: &Queue, task: &str, attempts: u32) -> String {
    let task = Task::new(task, &()).unwrap();
    let task = task.retry(Retry::fixed(attempts, S));
    queue.submit(task).await.unwrap().id.to_string()
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_a_line_with_the_task_its_attempt_and_its_error() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    let log = Log::default();
    let _kept = log.kept();
    let id = submit(&queue, "fail", 2).await;
    let event = world.events().pop().unwrap();
    let answer = invoke(&function, &event, 60).await.unwrap();
    assert_eq!(answer["retried"], 1, "{answer}");
    pause(5).await;
    let answer = invoke(&function, TICK, 60).await.unwrap();
    assert_eq!(answer["failed"], 1, "{answer}");
    let again = log.lines("a task failed and is tried again");
    let [again] = again.as_slice() else {
        panic!("{again:?}")
    };
    // The words that the templates count.
    let last = log.lines("a task failed for good");
    let [last] = last.as_slice() else {
        panic!("{last:?}")
    };
    for (line, level, attempt) in [(again, "WARN", "attempt=1"), (last, "ERROR", "attempts=2")] {
        for part in [
            level,
            "queue=default",
            &id,
            "task_type=fail",
            attempt,
            "error=\"no\"",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_handler_takes_and_what_is_another_queue_s_is_counted_apart_and_logged() {
    let world = World::new();
    let (queue, function) = (world.queue().await, world.function().await);
    let log = Log::default();
    let _kept = log.kept();
    let id = submit(&queue, "mistyped", 1).await;
    let event = world.events().pop().unwrap();
    let answer = invoke(&function, &event, 60).await.unwrap();
    let expected = json!({ "leads": { "no_handler": 1 }, "no_handler": { "mistyped": 1 },
        "stopped": "empty" });
    assert_eq!(answer, expected);
    let answer = invoke(&function, TICK, 60).await.unwrap();
    assert_eq!(answer["no_handler"], json!({ "mistyped": 1 }), "{answer}");
    let lines = log.lines("no handler for their types");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("mistyped"), "{lines:?}");

    let place = Place {
        bucket: "acme-jobs".into(),
        prefix: "prod/".into(),
    };
    let object = id.parse::<oq_core::record::TaskId>().unwrap().object();
    let key = Key::Live(QueueName::new("other").unwrap(), object).to_string();
    let event = created(&place, &key, 400, 1, queue.root().now());
    let answer = invoke(&function, &event, 60).await.unwrap();
    let expected = json!({ "leads": { "other_queue": 1 }, "stopped": "empty" });
    assert_eq!(answer, expected);
    let lines = log.lines("does not take from their queues");
    assert!(lines.len() == 1 && lines[0].contains("other"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_could_not_be_submitted_is_named_since_it_is_nowhere_else() {
    let world = World::new();
    world.queue().await;
    let store = world.faulty();
    let function = oq_lambda::submitter(world.queue_of(store.clone()).await);
    let log = Log::default();
    let _kept = log.kept();
    let night = include_str!("../events/direct-scheduled.json");
    let request = post(Some("k-1"), r#"{ "type": "sleep", "input": 1 }"#);
    store.set(DOWN);
    invoke(&function, night, 60).await.unwrap_err();
    let reply = invoke(&function, &request, 60).await.unwrap();
    assert_eq!(reply["statusCode"], 503, "{reply}");
    let lines = log.lines("ERROR");
    let [event, http] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    for (line, key) in [(event, "nightly:2026-11-21T03:00:00Z"), (http, "k-1")] {
        for part in [
            "a task was not submitted",
            "task_type=sleep",
            key,
            "OQ-UNAVAILABLE",
            "error=\"the store is unavailable: ",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    store.set(Faults::default());
    invoke(&function, night, 60).await.unwrap();
    invoke(&function, &request, 60).await.unwrap();
    assert_eq!(log.lines("ERROR").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_s_mistake_is_answered_and_not_logged_and_the_function_s_own_is_one_line() {
    let world = World::new();
    world.queue().await;
    let store = Arc::new(ReadOnly(world.store.clone()));
    let function = oq_lambda::submitter(world.queue_of(store).await);
    let log = Log::default();
    let _kept = log.kept();
    let wrong = post(None, r#"{ "type": "sleep", "input": 1, "delay": "4000d" }"#);
    let reply = invoke(&function, &wrong, 60).await.unwrap();
    assert_eq!(reply["statusCode"], 400, "{reply}");
    assert!(log.lines("ERROR").is_empty());
    let task = post(Some("k-1"), r#"{ "type": "sleep", "input": 1 }"#);
    let reply = invoke(&function, &task, 60).await.unwrap();
    assert_eq!(reply["statusCode"], 500, "{reply}");
    let lines = log.lines("ERROR");
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    for part in ["task_type=sleep", "k-1", "OQ-DENIED", "role/secret may not"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
