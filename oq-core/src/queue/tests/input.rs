//! Bad input: a clear message, and nothing written.

use super::*;
use crate::record::{MAX_SPAN, Retry, TaskId, TaskType};
use crate::store::{MAX_BODY, Metered};

const HOSTILE: &[&str] = &[
    "",
    ".",
    "..",
    "../x",
    "/",
    "a/../b",
    "a\0b",
    "a\nb",
    "\u{1b}[31m",
    "%2F",
    "\u{202e}abc",
];

fn is_clear(e: &Error) {
    let text = e.to_string();
    assert!(matches!(e, Error::Invalid { .. }), "{text}");
    assert!(text.len() < 400, "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(!text.contains('\u{202e}'), "{text:?}");
    assert!(text.contains(": "), "it says what but not why: {text}");
}

#[tokio::test(start_paused = true)]
async fn bad_names_are_refused_and_not_asked_for() {
    let metered = Metered::new(store());
    let meter = metered.meter();
    let queue = queue_on(Arc::new(metered), 1).await;
    let before = meter.snapshot();
    let long = "a".repeat(2000);
    for name in HOSTILE.iter().copied().chain([long.as_str(), "Upper", "ä"]) {
        is_clear(&queue.named(name).await.unwrap_err());
    }
    for name in HOSTILE.iter().copied().chain([long.as_str()]) {
        if name != "a/../b" {
            is_clear(&Task::new(name, &1).unwrap_err());
            is_clear(&TaskType::new(name).unwrap_err());
        }
        is_clear(&name.parse::<TaskId>().unwrap_err());
    }
    assert_eq!((meter.snapshot() - before).total(), 0);
}

#[test]
fn what_is_not_json_is_refused_with_its_reason() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for text in [
        "",
        "{",
        "{\"a\":1",
        "NaN",
        "1e999x",
        "'a'",
        "\"\\ud800\"",
        "{\"a\":1}{\"a\":1}",
        "\u{feff}{}",
        "undefined",
        &deep,
    ] {
        is_clear(&Task::json("t", text).unwrap_err());
    }
    // What JSON allows is kept byte for byte, whatever other readers make of it.
    for text in ["{\"a\":1,\"a\":2}", "9007199254740993", "1e309", "-0.0"] {
        match Task::json("t", text) {
            Ok(task) => assert_eq!(task.input().as_str(), text),
            Err(e) => is_clear(&e),
        }
    }
}

/// Nested lists: a value that serialises to more than common readers take.
#[derive(serde::Serialize)]
struct Deep(Vec<Deep>);

#[tokio::test(start_paused = true)]
async fn bad_tasks_are_refused_before_anything_is_sent() {
    let metered = Metered::new(store());
    let meter = metered.meter();
    let queue = queue_on(Arc::new(metered), 1).await;
    let now = queue.root().now();
    let deep = (0..200).fold(Deep(Vec::new()), |inner, _| Deep(vec![inner]));
    let trace = |text: &str| task("x").trace_parent(text);
    let bad: Vec<(&str, Task)> = vec![
        ("nested", Task::new("t", &deep).unwrap()),
        ("bytes", task(&"x".repeat(MAX_BODY))),
        ("timeout", task("x").timeout(Duration::ZERO)),
        ("timeout", task("x").timeout(Duration::MAX)),
        ("lease", task("x").lease(secs(1))),
        ("lease", task("x").lease(secs(100_000))),
        ("retention", task("x").retention(Duration::MAX)),
        ("delay", task("x").delay(Duration::MAX)),
        ("delay", task("x").delay(MAX_SPAN + secs(1))),
        ("available", task("x").available_at(StoreTime::MAX)),
        ("expiry", task("x").expires_in(Duration::ZERO)),
        ("expiry", task("x").expires_in(Duration::MAX)),
        ("expiry", task("x").expires_at(now)),
        ("expiry", task("x").delay(secs(9)).expires_in(secs(9))),
        ("attempts", task("x").retry(Retry::fixed(0, secs(1)))),
        ("jitter", task("x").retry(Retry::default().jitter(f64::NAN))),
        (
            "jitter",
            task("x").retry(Retry::default().jitter(f64::INFINITY)),
        ),
        ("base", task("x").retry(Retry::linear(3, Duration::MAX))),
        ("key", task("x").key("")),
        ("key", task("x").key("k".repeat(2000))),
        ("key window", task("x").key("k").key_window(Duration::MAX)),
        ("key window", task("x").key_window(secs(5))),
        ("tag", task("x").tag("", "v")),
        ("tag", task("x").tag("a b", "v")),
        ("tag", task("x").tag("a", "v\u{1b}[31m")),
        ("tag", task("x").tag("a", "v".repeat(300))),
        (
            "tags",
            (0..17).fold(task("x"), |t, i| t.tag(format!("t{i}"), "v")),
        ),
        ("trace", trace("")),
        ("trace", trace("00-0-0-00")),
        (
            "trace",
            trace("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
        (
            "trace",
            trace("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
        ),
        (
            "trace",
            trace("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
        ),
    ];
    let before = meter.snapshot();
    for (what, task) in bad {
        let e = queue.submit(task.clone()).await.expect_err(what);
        is_clear(&e);
        assert!(e.to_string().contains(what), "{what}: {e}");
        let many = queue.submit_many([task]).run().await;
        assert_eq!((many.accepted, many.failed), (0, 1), "{what}");
    }
    assert_eq!((meter.snapshot() - before).put(), 0);
    assert!(keys(&queue).await.is_empty());
    let good = trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    queue.submit(good).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_ids_and_durations_say_what_is_allowed() {
    let queue = queue().await;
    let lone = queue.submit(task("x")).await.unwrap().id.to_string();
    let pack = queue.submit_many([task("a"), task("b")]).pack(2);
    let pack = pack.ids().await.unwrap()[0].object().to_string();
    for (id, says) in [
        (String::new(), "it is empty"),
        (lone[..20].to_owned(), "it has 20 characters"),
        (lone.to_lowercase(), "in capitals"),
        (format!("{lone}.0"), "leave '.' and what follows away"),
        (pack.clone(), "name one with .0 to .1"),
        (
            format!("{pack}."),
            "the number behind '.' is missing: its tasks are .0 to .1",
        ),
        (format!("{pack}.2"), "its tasks are .0 to .1"),
        (format!("{pack}.00"), "its tasks are .0 to .1"),
    ] {
        let e = id.parse::<TaskId>().unwrap_err();
        is_clear(&e);
        assert!(e.to_string().contains(says), "{id}: {e}");
    }
    for (wrong, says) in [
        (
            task("x").timeout(secs(400 * 86_400)),
            "timeout of 400d: use 1ms to 366d",
        ),
        (task("x").lease(secs(1)), "lease of 1s: use 15s to 10m"),
        (
            task("x").delay(secs(367 * 86_400)),
            "delay of 367d: use 0s to 366d",
        ),
    ] {
        let e = queue.submit(wrong).await.unwrap_err();
        assert_eq!(e.to_string(), says);
    }
}

#[test]
fn numbers_that_json_lacks_are_refused_wherever_they_are() {
    let nested = serde_json::json!({"a": [1, null]});
    Task::new("t", &nested).unwrap();
    for e in [
        Task::new("t", &f64::NAN).unwrap_err(),
        Task::new("t", &(1, [0.5, f64::INFINITY])).unwrap_err(),
        Task::new("t", &std::collections::BTreeMap::from([("k", f32::NAN)])).unwrap_err(),
    ] {
        is_clear(&e);
        assert!(e.to_string().contains("null or a text"), "{e}");
    }
    let exact = Task::new("t", &((1u64 << 53) + 1)).unwrap();
    assert_eq!(exact.input().as_str(), "9007199254740993");
}

#[tokio::test(start_paused = true)]
async fn packs_of_impossible_sizes_are_refused_before_anything_is_read() {
    let queue = queue().await;
    let unread = || std::iter::from_fn(|| -> Option<Task> { panic!("it was read") });
    for wrong in [0, 1025, 5000, usize::MAX] {
        let summary = queue.submit_many(unread()).pack(wrong).run().await;
        assert!(!summary.is_complete());
        is_clear(&summary.error.unwrap());
    }
    for wrong in [0, usize::MAX] {
        let e = queue.submit_many(unread()).in_flight(wrong).ids().await;
        is_clear(&e.unwrap_err());
    }
    assert!(keys(&queue).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ids_of_other_queues_and_shards_are_not_found() {
    let queue = queue().await;
    let id = queue.submit(task("x")).await.unwrap().id.to_string();
    let elsewhere: TaskId = format!("{}ZZ", &id[..24]).parse().unwrap();
    assert!(matches!(
        queue.get(elsewhere).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        queue.cancel(elsewhere).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        queue.retry(elsewhere).await,
        Err(Error::NotFound(_))
    ));
    for text in [format!("{id}.0"), format!("{id}.7"), id.to_lowercase()] {
        is_clear(&text.parse::<TaskId>().unwrap_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_of_a_newer_format_is_refused() {
    let store = store();
    let root = client(store.clone(), 1);
    let body = bytes::Bytes::from("{\"v\":2}");
    root.send(&Key::Format.store_key(), body, None)
        .await
        .unwrap();
    let e = Queue::open(root, QueueName::new("q").unwrap())
        .await
        .unwrap_err();
    assert!(e.to_string().contains("newer oq"), "{e}");
}

#[tokio::test(start_paused = true)]
async fn wrong_urls_say_what_a_url_is() {
    for url in [
        "",
        "mail",
        "ftp://x",
        "http://user:secret@host/",
        "\u{1b}[31m:x",
    ] {
        let e = Queue::connect(url).await.unwrap_err();
        let text = e.to_string();
        assert!(text.contains("s3://BUCKET/PREFIX"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(matches!(e, Error::Unusable(_)), "{e}");
        assert!(!e.to_string().contains("secret"), "{e}");
    }
}
