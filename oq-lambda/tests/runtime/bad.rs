//! Every document there is, through the real program: each gets an answer or a refusal that says why,
//! nothing is lost, and nothing runs again after its outcome.

use oq_core::Queue;
use oq_core::queue::TaskState;
use oq_core::record::Key;
use oq_core::store::Place;
use oq_lambda::emulator::{Invoked, created};
use serde_json::{Value, json};

use crate::world::{Folder, answer, event, task};

/// Names and texts of `tests/events`.
fn fixtures() -> Vec<(String, String)> {
    let folder = format!("{}/tests/events", env!("CARGO_MANIFEST_DIR"));
    let mut fixtures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    fixtures.sort();
    assert!(fixtures.len() > 20);
    fixtures
}

#[tokio::test]
async fn every_document_twice_is_answered_or_refused_and_harms_no_task() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let later = task("shout", &json!("x")).delay(std::time::Duration::from_secs(3600));
    let waiting = queue.submit(later).await.unwrap().id;
    let mut function = folder.function(&folder.url(), 60).await;
    function.ready().await.unwrap();
    let pid = function.pid();
    for (name, document) in fixtures() {
        for _ in 0..2 {
            let refused = ["dynamodb", "eventbridge-ec2"].contains(&name.as_str());
            match function.invoke(&document).await.unwrap() {
                Invoked::Answer(text) => {
                    let said: Value = serde_json::from_str(&text).unwrap();
                    assert!(!refused && said.is_object(), "{name}: {text}");
                    assert!(text.len() < 2000, "{name}: {text}");
                }
                Invoked::Error { code, message } => {
                    assert!(refused, "{name}: {message}");
                    assert_eq!(code, "OQ-INVALID");
                    assert!(message.contains("oq knows"), "{name}: {message}");
                }
            }
        }
    }
    assert_eq!(function.pid(), pid, "one process answered all of them");
    let view = queue.get(waiting).await.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Waiting, 0));
}

#[tokio::test]
async fn events_twice_out_of_order_late_and_by_hand_run_each_task_once() {
    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    let (mut ids, mut events) = (Vec::new(), Vec::new());
    let place = Place {
        bucket: "any".into(),
        prefix: String::new(),
    };
    for n in 0..4 {
        let id = queue
            .submit(task("shout", &json!(format!("t{n}"))))
            .await
            .unwrap()
            .id;
        let key = Key::Live(queue.name().clone(), id.object()).to_string();
        let now = queue.root().now();
        let early = oq_core::StoreTime(now.0 - 3_600_000);
        events.push(event(&queue, id, "")); // by hand: no length, no time, no sequencer
        events.push(created(&place, &key, 400, 7, now));
        events.push(created(&place, &key, 400, 3, early)); // an hour late
        ids.push(id);
    }
    events.reverse();
    let again: Vec<String> = events
        .iter()
        .cloned()
        .chain(events.iter().cloned())
        .collect();
    let mut completed = 0;
    for event in again {
        let done = answer(function.invoke(&event).await.unwrap());
        completed += done["completed"].as_u64().unwrap_or(0);
    }
    assert_eq!(completed, 4);
    for (n, id) in ids.into_iter().enumerate() {
        let view = queue.get(id).await.unwrap();
        assert_eq!(
            (view.state, view.attempts, view.delivery),
            (TaskState::Completed, 1, 1)
        );
        assert_eq!(queue.result::<String>(id).await.unwrap(), format!("T{n}"));
    }
}
