//! The S3 store against canned answers, through the real HTTP client: what cannot be had from a
//! server that works. Each is given to both ways that a request may go.

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

/// How requests about one object are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Sdk,
    /// Past most of the SDK, once that has sent one.
    Lean,
}

const WAYS: [Way; 2] = [Way::Sdk, Way::Lean];

/// A server that reads a request for each answer, gives it and hangs up. What it read is told at the
/// end.
fn serve(answers: Vec<String>) -> (u16, JoinHandle<Vec<String>>) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("it is bound").port();
    let thread = std::thread::spawn(move || answers.iter().map(|a| answer(&server, a)).collect());
    (port, thread)
}

fn answer(server: &TcpListener, answer: &str) -> String {
    let (mut client, _) = server.accept().expect("a client comes");
    // Small requests come in one or two pieces; the last of them ends the head or the body.
    client
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a socket has timeouts");
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n) = client.read(&mut piece) {
        if n == 0 {
            break;
        }
        read.extend_from_slice(&piece[..n]);
    }
    let _ = client.write_all(answer.as_bytes());
    String::from_utf8(read).expect("requests here are text")
}

/// The answer to a first request, which shows how others are made.
fn lesson() -> String {
    s3_error("404 Not Found", "Connection: close\r\n", "NoSuchKey")
}

/// A store on a server that gives this answer to the next request that goes this way.
async fn answering(way: Way, answer: String) -> (S3Store, JoinHandle<Vec<String>>) {
    let answers = match way {
        Way::Sdk => vec![answer],
        Way::Lean => vec![lesson(), answer],
    };
    let (port, server) = serve(answers);
    let store = store(port, Duration::from_secs(5), way);
    if way == Way::Lean {
        learn(&store).await;
    }
    (store, server)
}

async fn learn(store: &S3Store) {
    let nothing = store.get(&key()).await.expect("the lesson is an answer");
    assert_eq!(nothing.value, None);
}

/// The last request went the way it should have.
fn went(way: Way, server: JoinHandle<Vec<String>>) {
    let read = server.join().expect("the server does not panic");
    let last = read.last().expect("a request").to_lowercase();
    let ours = last.contains("user-agent: oq/");
    assert_eq!(ours, way == Way::Lean, "{last}");
}

/// A store with made-up credentials at this port.
fn store(port: u16, timeout: Duration, way: Way) -> S3Store {
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
    options.lean = Some(way == Way::Lean);
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

async fn create(way: Way, answer: String) -> Result<Write, StoreError> {
    let (store, server) = answering(way, answer).await;
    let written = store.create(&key(), "body".into()).await;
    went(way, server);
    written
}

async fn get(way: Way, answer: String) -> Result<(StoreTime, Changed), StoreError> {
    let (store, server) = answering(way, answer).await;
    let read = store.get_if_changed(&key(), &seen()).await;
    went(way, server);
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
        for way in WAYS {
            let written = create(way, answer.clone()).await;
            assert_eq!(written, Ok(want.clone()), "{way:?} after {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_writes() {
    for way in WAYS {
        let denied = create(way, s3_error("403 Forbidden", "", "AccessDenied")).await;
        assert!(matches!(denied, Err(StoreError::Denied(_))), "{denied:?}");
        let bucket = create(way, s3_error("404 Not Found", "", "NoSuchBucket")).await;
        assert!(
            matches!(bucket, Err(StoreError::Misconfigured(_))),
            "{bucket:?}"
        );
        let moved = s3_error("301 Moved Permanently", "", "PermanentRedirect");
        let region = create(way, moved).await;
        assert!(
            matches!(region, Err(StoreError::Misconfigured(_))),
            "{region:?}"
        );
        let header = create(way, s3_error("501 Not Implemented", "", "NotImplemented")).await;
        assert!(
            matches!(header, Err(StoreError::Unsupported(_))),
            "{header:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads() {
    for way in WAYS {
        reads_that_go(way).await;
    }
}

async fn reads_that_go(way: Way) {
    let object = "ETag: \"new\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:30 GMT\r\n";
    let whole = get(way, http("200 OK", &format!("{DATE}{object}"), "body")).await;
    let Ok((AT, Changed::Now(read))) = whole else {
        panic!("{whole:?}");
    };
    assert_eq!(&read.body[..], b"body");
    assert_eq!(read.last_modified, AT.minus(Duration::from_secs(7)));

    let same = get(way, format!("HTTP/1.1 304 Not Modified\r\n{DATE}\r\n")).await;
    assert_eq!(same, Ok((AT, Changed::Same)));
    let missing = get(way, s3_error("404 Not Found", "", "NoSuchKey")).await;
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
        let read = get(way, answer.clone()).await;
        assert!(
            matches!(read, Err(StoreError::Unavailable(_))),
            "{way:?}: {read:?} after {answer}"
        );
    }
    let huge = get(way, huge).await;
    assert_eq!(huge, Err(StoreError::TooLarge(99_999_999_999)));
}

/// A server that never answers, but for the lesson.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_ends() {
    for way in WAYS {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = silent.local_addr().expect("it is bound").port();
        let store = store(port, Duration::from_millis(400), way);
        if way == Way::Lean {
            let teacher = silent.try_clone().expect("a second handle");
            let teacher = std::thread::spawn(move || answer(&teacher, &lesson()));
            learn(&store).await;
            teacher.join().expect("the server does not panic");
        }
        let created = store.create(&key(), "x".into()).await;
        assert_eq!(created, Ok(Write::Unknown), "{way:?}");
        let updated = store.update(&key(), "x".into(), &seen()).await;
        assert_eq!(updated, Ok(Write::Unknown), "{way:?}");
        for error in [
            store.get(&key()).await.err(),
            store.delete(&key()).await.err(),
            store.delete_many(&[key()]).await.err(),
            store.list(&List::prefix("")).await.err(),
        ] {
            assert!(
                matches!(error, Some(StoreError::Unavailable(_))),
                "{way:?}: {error:?}"
            );
        }
    }
}

/// A server that falls silent in the middle of a body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_is_given_up() {
    for way in WAYS {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = server.local_addr().expect("it is bound").port();
        let stalled = std::thread::spawn(move || {
            if way == Way::Lean {
                answer(&server, &lesson());
            }
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
        let store = store(port, Duration::from_millis(400), way);
        if way == Way::Lean {
            learn(&store).await;
        }
        let read = store.get(&key()).await;
        assert!(
            matches!(&read, Err(StoreError::Unavailable(why)) if why.contains("did not arrive")),
            "{way:?}: {read:?}"
        );
        stalled.join().expect("the server does not panic");
    }
}

/// Nothing listens: nothing was sent, which is not the same as a lost answer.
#[tokio::test]
async fn a_refused_connection_leaves_no_doubt() {
    for way in WAYS {
        let lessons = if way == Way::Lean {
            vec![lesson()]
        } else {
            vec![]
        };
        let (port, server) = serve(lessons);
        let store = store(port, Duration::from_secs(5), way);
        if way == Way::Lean {
            learn(&store).await;
        }
        server.join().expect("the server does not panic");
        let written = store.create(&key(), "x".into()).await;
        assert!(
            matches!(&written, Err(StoreError::Unavailable(why)) if why.contains("nothing was sent")),
            "{way:?}: {written:?}"
        );
    }
}

/// The condition may be ignored by the store, so it is not even asked.
#[tokio::test]
async fn conditional_deletion_is_not_tried_on_a_guess() {
    let store = store(1, Duration::from_secs(5), Way::Sdk);
    assert!(!store.abilities().delete_if);
    let answer = store.delete_if(&key(), &seen()).await;
    assert!(
        matches!(answer, Err(StoreError::Unsupported(_))),
        "{answer:?}"
    );
}

/// Reads an object again and again; after each answer the server counts on.
async fn connections(way: Way, reconnect: bool) -> usize {
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
    let store = store(port, Duration::from_secs(5), way);
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
    for way in WAYS {
        assert_eq!(connections(way, false).await, 1, "{way:?}");
        assert_eq!(connections(way, true).await, 3, "{way:?}");
    }
}

/// What the two ways send is the same where S3 looks: address, condition, body, and a signature
/// over them by the same credentials for the same region.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_ask_the_same() {
    // All that a prefix and a key may have.
    let odd = StoreKey::listed("live/5/a!-_.*'()=@+:,~Z09");
    let mut asked = Vec::new();
    for way in WAYS {
        let (store, server) = answering(way, http("200 OK", DATE, "")).await;
        let _ = store.update(&odd, "body".into(), &seen()).await;
        let read = server.join().expect("the server does not panic");
        let last = read.last().expect("a request").clone();
        let (head, body) = last.split_once("\r\n\r\n").expect("a whole head");
        let line = head.lines().next().expect("a request line");
        let header = |name: &str| {
            let is = |line: &&str| line.to_lowercase().starts_with(&format!("{name}: "));
            let line = head.lines().find(is).unwrap_or_default();
            line.split_once(": ").unwrap_or_default().1.to_owned()
        };
        let scope = header("authorization");
        let scope = scope.split(',').next().unwrap_or_default().to_owned();
        asked.push((
            line.split(['?', ' ']).nth(1).map(str::to_owned),
            line.split(' ').next().map(str::to_owned),
            scope,
            [
                "if-match",
                "x-amz-content-sha256",
                "content-length",
                "content-type",
            ]
            .map(header),
            body.to_owned(),
        ));
    }
    assert_eq!(asked[0], asked[1]);
    let scope = &asked[0].2;
    assert!(scope.ends_with("/us-east-1/s3/aws4_request"), "{scope}");
}
