//! The real program on S3 servers, over HTTP: what it asks of them, which of their events it takes
//! for its own, and connections that died.

use std::time::Duration;

use oq_core::queue::TaskState;
use oq_core::record::{Key, TaskId};
use oq_core::store::{List, Place};
use oq_core::{Queue, StoreTime};
use oq_lambda::emulator::{Local, created};
use serde_json::{Value, json};

use crate::proxy::Seen;
use crate::servers::servers;
use crate::world::{answer, task};

/// What the bucket would tell of a task's object as it is now.
async fn told(queue: &Queue, place: &Place, id: TaskId, n: u64) -> String {
    let key = Key::Live(queue.name().clone(), id.object()).to_string();
    let listed = queue
        .root()
        .store()
        .list(&List::prefix(&key))
        .await
        .unwrap();
    let size = listed.value.entries.first().map_or(0, |entry| entry.size);
    created(place, &key, size, n, queue.root().now())
}

async fn invoke(function: &mut Local, event: &str) -> Value {
    answer(function.invoke(event).await.unwrap())
}

#[tokio::test]
async fn a_lone_task_takes_two_get_two_put_one_delete_and_no_list_on_the_wire() {
    for server in servers().await {
        let mut site = server.site("lone").await;
        assert!(site.opened > 0, "nothing was opened before the first event");
        // A claim that takes long looks for an outcome once more, as a server that is busy makes it.
        let mut requests = (0, 0, 0, 0);
        for _ in 0..5 {
            let submit = site.queue.submit(task("shout", &json!("cat")));
            let id = submit.await.unwrap().id;
            let event = told(&site.queue, &site.place, id, 1).await;
            site.proxy.seen();
            let done = invoke(&mut site.function, &event).await;
            assert_eq!(done["completed"], 1, "{done}");
            let seen = site.proxy.seen();
            println!("{}: a lone task by its event: {seen:#?}", server.name);
            assert_eq!(site.queue.result::<String>(id).await.unwrap(), "CAT");
            requests = seen.by_verb();
            let outcomes = |line: &&String| line.starts_with("GET ") && line.contains("/done/");
            if requests != (3, 2, 1, 0) || seen.asked.iter().filter(outcomes).count() != 2 {
                break;
            }
        }
        assert_eq!(requests, (2, 2, 1, 0));

        // The event of the claim: its length says that somebody holds the object.
        let submit = site.queue.submit(task("slow", &json!(1)));
        let id = submit.await.unwrap().id;
        let first = told(&site.queue, &site.place, id, 1).await;
        let mut other = server.site("other").await;
        let running = async || site.queue.get(id).await.unwrap().state == TaskState::Running;
        let claimed = async {
            loop {
                let before = running().await;
                let event = told(&site.queue, &site.place, id, 2).await;
                if before && running().await {
                    return event;
                }
            }
        };
        let (done, own) = tokio::join!(invoke(&mut site.function, &first), claimed);
        assert_eq!(done["completed"], 1, "{done}");
        site.proxy.seen();
        let held = invoke(&mut site.function, &own).await;
        assert_eq!(held["leads"], json!({ "held": 1 }), "{held}");
        assert_eq!(site.proxy.seen().requests(), 0);
        let foreign = invoke(&mut other.function, &own).await;
        assert_eq!(foreign["ignored"], json!({ "not_live": 1 }), "{foreign}");
    }
}

#[tokio::test]
async fn a_thousand_packed_tasks_are_drained_in_one_invocation_on_the_wire() {
    for server in servers().await {
        let mut site = server.site("thousand").await;
        let tasks = (0..1000).map(|n| task("swallow", &json!(n)));
        let report = site.queue.submit_many(tasks).run().await;
        assert_eq!(report.accepted, 1000);
        site.proxy.seen();
        let done = invoke(&mut site.function, r#"{ "drain": true }"#).await;
        assert_eq!(
            (&done["completed"], &done["stopped"]),
            (&json!(1000), &json!("empty"))
        );
        let seen = site.proxy.seen();
        println!(
            "{}: 1,000 packed tasks in one invocation, by GET, PUT, DELETE, LIST: {:?}",
            server.name,
            seen.by_verb()
        );
        // How many requests these are at most is held to on virtual time: a slow machine renews leases.
        assert!(seen.put >= 64, "{seen:#?}");
    }
}

/// Events of S3 encode keys as forms do; `+` and `%2B` are the usual way to get that wrong.
#[tokio::test]
async fn events_are_known_by_bucket_and_prefix_whatever_they_are_made_of() {
    for server in servers().await {
        for prefix in ["plain", "team+a/o'hara", "(b)=c@d:e,f~!*"] {
            let mut site = server.site(prefix).await;
            let submit = site.queue.submit(task("shout", &json!("s3")));
            let id = submit.await.unwrap().id;
            let event = told(&site.queue, &site.place, id, 1).await;
            let elsewhere = Place {
                bucket: "elsewhere".into(),
                ..site.place.clone()
            };
            let foreign = told(&site.queue, &elsewhere, id, 1).await;
            let foreign = invoke(&mut site.function, &foreign).await;
            assert_eq!(
                foreign["ignored"],
                json!({ "other_bucket": 1 }),
                "{foreign}"
            );
            let done = invoke(&mut site.function, &event).await;
            assert_eq!(done["leads"], json!({ "ran": 1 }), "{prefix}: {done}");
            for late in [StoreTime(1), site.queue.root().now()] {
                let key = Key::Live(site.queue.name().clone(), id.object()).to_string();
                let again = created(&site.place, &key, 400, 9, late);
                let again = invoke(&mut site.function, &again).await;
                assert_eq!(again["leads"], json!({ "over": 1 }), "{again}");
            }
            let view = site.queue.get(id).await.unwrap();
            assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
        }
    }
}

/// The sandbox was frozen for ten minutes: its clock did not move, Lambda's did, and what it had
/// open is dead without its knowing.
#[tokio::test]
async fn connections_that_died_in_a_freeze_are_not_used() {
    for server in servers().await {
        let mut site = server.site("frozen").await;
        let submit = |text: &'static str| site.queue.submit(task("shout", &json!(text)));
        let first = submit("before").await.unwrap().id;
        let second = submit("after").await.unwrap().id;
        let event = told(&site.queue, &site.place, first, 1).await;
        assert_eq!(invoke(&mut site.function, &event).await["completed"], 1);
        let Seen { connections, .. } = site.proxy.seen();

        site.proxy.kill_connections();
        site.function.freeze(Duration::from_secs(600));
        let event = told(&site.queue, &site.place, second, 1).await;
        let done = invoke(&mut site.function, &event).await;
        assert_eq!(
            (&done["completed"], &done["errors"]),
            (&json!(1), &Value::Null)
        );
        let seen = site.proxy.seen();
        assert!(seen.connections > connections, "{seen:?}");
        // What went into a dead connection would not be counted: nothing had to be asked twice.
        assert_eq!((seen.put, seen.delete), (2, 1));
        assert_eq!(site.queue.result::<String>(second).await.unwrap(), "AFTER");
    }
}
