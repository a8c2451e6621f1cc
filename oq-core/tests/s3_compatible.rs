//! The store conformance suite against real S3 servers.
//!
//! `OQ_TEST_S3` names them: one or more `s3://…` URLs with spaces between. `localstack/start --run`
//! sets it. Each check works below a folder of its own and empties it afterwards.

#![cfg(all(feature = "s3", feature = "testing"))]

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use oq_core::store::conformance::{CHECKS, check};
use oq_core::store::s3::S3Store;
use oq_core::store::{Etag, Store, StoreError, StoreKey};

fn asked_for() -> Vec<String> {
    let urls: Vec<String> = std::env::var("OQ_TEST_S3")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if urls.is_empty() {
        // Past the test harness, which hides what a passing test prints.
        let _ = writeln!(
            std::io::stderr(),
            "not asked for: set OQ_TEST_S3, or use localstack/start --run -- cargo test"
        );
    }
    urls
}

async fn connect(url: &str) -> Arc<dyn Store> {
    Arc::new(S3Store::connect(url).await.expect("the URL is right"))
}

/// Every check on every server; all failures are told, not only the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conformance() {
    let mut failed = Vec::new();
    for url in asked_for() {
        let store = connect(&url).await;
        for one in CHECKS {
            let done = AssertUnwindSafe(check(store.clone(), one.run)).catch_unwind();
            let passed = done.await.is_ok();
            println!(
                "{} {url} {}",
                if passed { "ok  " } else { "FAIL" },
                one.name
            );
            if !passed {
                failed.push(format!("{} on {url}", one.name));
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// A wrong bucket is wrong configuration, never "the object is not there".
#[tokio::test]
async fn a_missing_bucket_is_not_a_missing_object() {
    for url in asked_for() {
        let (_, rest) = url.split_once("://").expect("a URL");
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let wrong = format!("s3://oq-no-such-bucket-5b1f{}", &rest[at..]);
        let store = connect(&wrong).await;
        let key = StoreKey::listed("a");
        let etag = Etag::new("\"d41d8cd98f00b204e9800998ecf8427e\"");
        let answers = [
            store.get(&key).await.err(),
            store.create(&key, "x".into()).await.err(),
            store.update(&key, "x".into(), &etag).await.err(),
            store.delete(&key).await.err(),
        ];
        for answer in answers {
            assert!(
                matches!(answer, Some(StoreError::Misconfigured(_))),
                "{wrong}: {answer:?}"
            );
        }
    }
}
