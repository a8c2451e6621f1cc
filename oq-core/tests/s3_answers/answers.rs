//! What an answer means.

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::store::{Changed, Etag, List, Store, StoreError, Write};

use super::*;

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
        // Success that is taken back, or not said to its end.
        (
            http(
                "200 OK",
                &format!("{DATE}{etag}"),
                "<Error><Code>InternalError</Code></Error>",
            ),
            Write::Unknown,
        ),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n{DATE}{etag}\r\n<Er"),
            Write::Unknown,
        ),
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
