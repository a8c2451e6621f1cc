//! What is learned belongs to the store, and goes with it.

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};

use crate::store::s3::{S3Options, S3Store};
use crate::store::{Store, StoreKey};

/// A server that says of everything that it is missing; its port.
fn empty() -> u16 {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = server.accept() {
            let _ = client.read(&mut [0; 4096]);
            let body = "<Error><Code>NoSuchKey</Code></Error>";
            let _ = write!(
                client,
                "HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\nConnection: close\r\n\
                 Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

fn store() -> S3Store {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{}", empty()))
        .force_path_style(true)
        .credentials_provider(Credentials::new("test", "hunter2", None, None, "test"))
        .build();
    let options = S3Options {
        lean: Some(true),
        ..S3Options::default()
    };
    S3Store::from_config(&config, "jobs", "", &options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_learned_ends_with_its_client() {
    let store = store();
    let key = StoreKey::listed("k");
    let mut gone = Vec::new();
    for _ in 0..2 {
        for _ in 0..2 {
            store.get(&key).await.unwrap();
        }
        let learned = store.wire().learned;
        assert!(matches!(learned.get(), Some(Some(_))));
        assert!(!format!("{learned:?}").contains("hunter2"));
        gone.push(Arc::downgrade(&learned));
        drop(learned);
        store.reconnect();
    }
    drop(store);
    for learned in gone {
        assert!(learned.upgrade().is_none(), "it is held by itself");
    }
}
