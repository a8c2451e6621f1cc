//! The store conformance suite over HTTP: the real `oq dev`, asked through the AWS SDK by the store
//! that oq uses for S3.

// Its helpers are not in test functions themselves.
#![allow(clippy::unwrap_used)]

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use futures::FutureExt;
use oq_core::store::conformance::{CHECKS, check, etags_never_repeat};
use oq_core::store::s3::{S3Options, S3Store};
use oq_core::store::{Etag, Store, StoreError, StoreKey};
use oq_dev_server::DevServer;

fn start(url: &str) -> DevServer {
    DevServer::start(Path::new(env!("CARGO_BIN_EXE_oq")), url).unwrap()
}

fn store(dev: &DevServer, bucket: &str) -> Arc<dyn Store> {
    let (id, secret) = (&dev.access_key_id, &dev.secret_access_key);
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(id, secret, None, None, "oq dev"))
        .region(Region::new(dev.region.clone()))
        .endpoint_url(&dev.endpoint)
        .force_path_style(true)
        .build();
    let mut options = S3Options::default();
    options.delete_if = Some(true);
    // The machine may be busy with other tests, and a slow answer is no wrong one.
    options.attempt_timeout = std::time::Duration::from_secs(60);
    Arc::new(S3Store::from_config(&config, bucket, "some/prefix", &options).unwrap())
}

/// Every check; all failures are told, not only the first.
async fn conforms(dev: &DevServer) {
    let store = store(dev, &dev.bucket);
    let mut failed = Vec::new();
    for one in CHECKS {
        let done = AssertUnwindSafe(check(store.clone(), one.run)).catch_unwind();
        if done.await.is_err() {
            failed.push(one.name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
    check(store, etags_never_repeat).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_it_conforms() {
    conforms(&start("memory:")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_file_it_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("oq.db").display());
    conforms(&start(&url)).await;
}

/// A wrong bucket is wrong configuration, never "the object is not there".
#[tokio::test]
async fn a_missing_bucket_is_not_a_missing_object() {
    let dev = start("memory:");
    let store = store(&dev, "no-such-bucket");
    let (key, etag) = (StoreKey::listed("a"), Etag::new("\"a\""));
    let answers = [
        store.get(&key).await.err(),
        store.create(&key, "x".into()).await.err(),
        store.update(&key, "x".into(), &etag).await.err(),
        store.delete(&key).await.err(),
    ];
    for answer in answers {
        assert!(
            matches!(answer, Some(StoreError::Misconfigured(_))),
            "{answer:?}"
        );
    }
}
