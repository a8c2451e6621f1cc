//! Which connections requests take.

use std::time::Duration;

use oq_core::store::Store;

use super::*;

/// Reads an object three times, and reconnects after each if that is asked for; how many connections
/// it took.
async fn connections(way: Way, answer: String, reconnect: bool) -> usize {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let port = server.local_addr().expect("it is bound").port();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
        let _ = store.get(&key()).await;
        if reconnect {
            store.reconnect();
        }
    }
    serving.abort();
    count.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn connections_are_used_again_unless_they_are_given_up() {
    let etag = "ETag: \"new\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let well = http("200 OK", &format!("{DATE}{etag}"), "body");
    let busy = s3_error("503 Slow Down", "", "SlowDown");
    let sick = s3_error("503 Service Unavailable", "", "ServiceUnavailable");
    for way in WAYS {
        assert_eq!(connections(way, well.clone(), false).await, 1, "{way:?}");
        assert_eq!(connections(way, well.clone(), true).await, 3, "{way:?}");
        assert_eq!(connections(way, busy.clone(), false).await, 1, "{way:?}");
        assert_eq!(connections(way, sick.clone(), false).await, 3, "{way:?}");
    }
}
