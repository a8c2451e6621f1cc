//! The S3 store against canned answers, through the real HTTP client: what cannot be had from a
//! server that works. Each is given to both ways that a request may go.
//!
//! `answers` has what an answer means, `asked` what is sent, `connections` which connections it takes.

#![cfg(feature = "s3")]

mod answers;
mod asked;
mod connections;

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::store::s3::{S3Options, S3Store};
use oq_core::store::{Etag, Store, StoreKey};

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
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        // A client may be slow with its head. The body of a small request comes with it or right after.
        let whole = read.windows(4).any(|four| four == b"\r\n\r\n");
        let patience = Duration::from_millis(if whole { 100 } else { 10_000 });
        let set = client.set_read_timeout(Some(patience));
        set.expect("a socket has timeouts");
        match client.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => read.extend_from_slice(&piece[..n]),
        }
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
        .credentials_provider(Credentials::new(
            "test",
            "test",
            Some("token".into()),
            None,
            "test",
        ))
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
