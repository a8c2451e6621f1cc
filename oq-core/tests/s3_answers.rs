//! The S3 store against canned answers, through the real HTTP client: what cannot be had from a
//! server that works.

#![cfg(feature = "s3")]

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::store::s3::{S3Options, S3Store};
use oq_core::store::{Changed, Etag, List, Store, StoreError, StoreKey, Write};

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const AT: StoreTime = StoreTime(784_111_777_000);

/// A server that reads one request, answers so and hangs up.
fn serve(answer: String) -> (u16, JoinHandle<()>) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("it is bound").port();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = server.accept().expect("a client comes");
        // Small requests come in one or two pieces; the last of them ends the head or the body.
        client
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a socket has timeouts");
        while client.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        let _ = client.write_all(answer.as_bytes());
    });
    (port, thread)
}

/// A store with made-up credentials at this port.
fn store(port: u16, timeout: Duration) -> S3Store {
    use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .force_path_style(true)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    let mut options = S3Options::default();
    options.attempt_timeout = timeout;
    S3Store::from_config(&config, "jobs", "a", &options).expect("all is right")
}

/// A whole answer. `head` are further header lines, each with its end.
fn http(status: &str, head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}\r\n{body}")
}

fn s3_error(status: &str, head: &str, code: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    http(status, &format!("{DATE}{head}"), &body)
}

fn key() -> StoreKey {
    StoreKey::listed("k")
}

fn seen() -> Etag {
    Etag::new("\"seen\"")
}

async fn create(answer: String) -> Result<Write, StoreError> {
    let (port, server) = serve(answer);
    let written = store(port, Duration::from_secs(5))
        .create(&key(), "body".into())
        .await;
    server.join().expect("the server does not panic");
    written
}

async fn get(answer: String) -> Result<(StoreTime, Changed), StoreError> {
    let (port, server) = serve(answer);
    let read = store(port, Duration::from_secs(5))
        .get_if_changed(&key(), &seen())
        .await;
    server.join().expect("the server does not panic");
    read.map(|dated| (dated.date, dated.value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes() {
    let etag = "ETag: \"new\"\r\n";
    let won = Write::Won {
        etag: Etag::new("\"new\""),
        date: AT,
    };
    let again = |seconds: Option<u64>| Write::Again {
        after: seconds.map(Duration::from_secs),
    };
    let table = [
        (http("200 OK", &format!("{DATE}{etag}"), ""), won),
        (http("200 OK", etag, ""), Write::Unknown),
        (http("200 OK", DATE, ""), Write::Unknown),
        (String::new(), Write::Unknown),
        ("HTTP/1.1 200 OK\r\nContent-Le".to_owned(), Write::Unknown),
        (
            s3_error("412 Precondition Failed", "", "PreconditionFailed"),
            Write::Lost,
        ),
        (http("412 Precondition Failed", DATE, ""), Write::Lost),
        (
            s3_error("409 Conflict", "", "ConditionalRequestConflict"),
            again(None),
        ),
        (
            s3_error("503 Slow Down", "Retry-After: 3\r\n", "SlowDown"),
            again(Some(3)),
        ),
        (
            http("429 Too Many Requests", "Retry-After: 1\r\n", "wait"),
            again(Some(1)),
        ),
        (
            http("503 Service Unavailable", DATE, "<html>"),
            Write::Unknown,
        ),
        (
            s3_error("500 Internal Server Error", "", "InternalError"),
            Write::Unknown,
        ),
        (http("502 Bad Gateway", DATE, "<html>"), Write::Unknown),
    ];
    for (answer, want) in table {
        assert_eq!(create(answer.clone()).await, Ok(want), "after {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_writes() {
    let denied = create(s3_error("403 Forbidden", "", "AccessDenied")).await;
    assert!(matches!(denied, Err(StoreError::Denied(_))), "{denied:?}");
    let bucket = create(s3_error("404 Not Found", "", "NoSuchBucket")).await;
    assert!(
        matches!(bucket, Err(StoreError::Misconfigured(_))),
        "{bucket:?}"
    );
    let region = create(s3_error("301 Moved Permanently", "", "PermanentRedirect")).await;
    assert!(
        matches!(region, Err(StoreError::Misconfigured(_))),
        "{region:?}"
    );
    let header = create(s3_error("501 Not Implemented", "", "NotImplemented")).await;
    assert!(
        matches!(header, Err(StoreError::Unsupported(_))),
        "{header:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads() {
    let object = "ETag: \"new\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:30 GMT\r\n";
    let whole = get(http("200 OK", &format!("{DATE}{object}"), "body")).await;
    let Ok((AT, Changed::Now(read))) = whole else {
        panic!("{whole:?}");
    };
    assert_eq!(&read.body[..], b"body");
    assert_eq!(read.last_modified, AT.minus(Duration::from_secs(7)));

    let same = get(format!("HTTP/1.1 304 Not Modified\r\n{DATE}\r\n")).await;
    assert_eq!(same, Ok((AT, Changed::Same)));
    let missing = get(s3_error("404 Not Found", "", "NoSuchKey")).await;
    assert_eq!(missing, Ok((AT, Changed::Missing)));

    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n{DATE}{object}\r\nbody");
    let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n{DATE}{object}\r\n");
    let doubtful = [
        cut,
        http("200 OK", object, "body"),
        http("200 OK", DATE, "body"),
        http("404 Not Found", DATE, "<html>no backend</html>"),
        http("503 Service Unavailable", DATE, "<html>"),
        "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
    ];
    for answer in doubtful {
        let read = get(answer.clone()).await;
        assert!(
            matches!(read, Err(StoreError::Unavailable(_))),
            "{read:?} after {answer}"
        );
    }
    assert_eq!(get(huge).await, Err(StoreError::TooLarge(99_999_999_999)));
}

/// A server that never answers, before or in the middle of a body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_ends() {
    let short = Duration::from_millis(200);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let store = store(port, short);
    assert_eq!(store.create(&key(), "x".into()).await, Ok(Write::Unknown));
    assert_eq!(
        store.update(&key(), "x".into(), &seen()).await,
        Ok(Write::Unknown)
    );
    for error in [
        store.get(&key()).await.err(),
        store.delete(&key()).await.err(),
        store.delete_many(&[key()]).await.err(),
        store.list(&List::prefix("")).await.err(),
    ] {
        assert!(
            matches!(error, Some(StoreError::Unavailable(_))),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_is_given_up() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("it is bound").port();
    let stalled = std::thread::spawn(move || {
        let (mut client, _) = server.accept().expect("a client comes");
        let _ = client.read(&mut [0; 4096]);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n{DATE}ETag: \"e\"\r\n\
             Last-Modified: Sun, 06 Nov 1994 08:49:30 GMT\r\n\r\nbody"
        );
        let _ = client.write_all(head.as_bytes());
        // Until the other side gives up.
        let _ = client.read_to_end(&mut Vec::new());
    });
    let read = store(port, Duration::from_millis(300)).get(&key()).await;
    assert!(
        matches!(&read, Err(StoreError::Unavailable(why)) if why.contains("did not arrive")),
        "{read:?}"
    );
    stalled.join().expect("the server does not panic");
}

/// Nothing listens: nothing was sent, which is not the same as a lost answer.
#[tokio::test]
async fn a_refused_connection_leaves_no_doubt() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let store = store(port, Duration::from_secs(5));
    let answer = store.create(&key(), "x".into()).await;
    assert!(
        matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("nothing was sent")),
        "{answer:?}"
    );
}

/// The condition may be ignored by the store, so it is not even asked.
#[tokio::test]
async fn conditional_deletion_is_not_tried_on_a_guess() {
    let store = store(1, Duration::from_secs(5));
    assert!(!store.abilities().delete_if);
    let answer = store.delete_if(&key(), &seen()).await;
    assert!(
        matches!(answer, Err(StoreError::Unsupported(_))),
        "{answer:?}"
    );
}

/// Reads an object again and again; after each answer the server counts on.
async fn connections(reconnect: bool) -> usize {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let port = server.local_addr().expect("it is bound").port();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let etag = "ETag: \"new\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let answer = http("200 OK", &format!("{DATE}{etag}"), "body");
        loop {
            let (mut client, _) = server.accept().await.expect("a client comes");
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let answer = answer.clone();
            tokio::spawn(async move {
                while client.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {
                    let _ = client.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    let store = store(port, Duration::from_secs(5));
    for _ in 0..3 {
        store.get(&key()).await.expect("it is there");
        if reconnect {
            store.reconnect();
        }
    }
    serving.abort();
    count.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn connections_are_used_again_unless_they_are_given_up() {
    assert_eq!(connections(false).await, 1);
    assert_eq!(connections(true).await, 3);
}
