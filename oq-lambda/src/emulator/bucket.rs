//! A bucket, as far as its notifications go: what is written below `live/` is told of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::StoreTime;
use oq_core::store::{Etag, Place, Store, StoreError, StoreKey, Write};
use serde_json::{Value, json};

/// A store that keeps an event document for every write of a live object, as a bucket with the
/// notification of the templates would send it.
#[derive(Debug)]
pub struct Bucket {
    inner: Arc<dyn Store>,
    place: Place,
    written: AtomicU64,
    events: Mutex<Vec<String>>,
}

impl Bucket {
    /// A bucket that has its objects in `inner` and says that it is `place`.
    pub fn new(inner: Arc<dyn Store>, place: Place) -> Bucket {
        Bucket {
            inner,
            place,
            written: AtomicU64::new(1),
            events: Mutex::default(),
        }
    }

    /// The events since the last call, oldest first.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.lock())
    }

    /// Whether nothing was written since.
    pub fn is_quiet(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, key: &StoreKey, size: usize, write: &Write) {
        let Write::Won { date, .. } = write else {
            return;
        };
        if key.as_str().contains("/live/") {
            let n = self.written.fetch_add(1, Ordering::Relaxed);
            let event = created(&self.place, key.as_str(), size as u64, n, *date);
            self.lock().push(event);
        }
    }
}

/// S3's notification of a write: the n-th of its key, of so many bytes, at this time.
pub fn created(place: &Place, key: &str, size: u64, n: u64, at: StoreTime) -> String {
    event(vec![record(place, key, size, n, at)])
}

/// A notification of several writes.
pub fn event(records: Vec<Value>) -> String {
    json!({ "Records": records }).to_string()
}

/// What it says of one.
pub fn record(place: &Place, key: &str, size: u64, n: u64, at: StoreTime) -> Value {
    let encoded = percent_encoding::utf8_percent_encode(key, KEPT).to_string();
    let prefix = percent_encoding::utf8_percent_encode(&place.prefix, KEPT).to_string();
    let object = json!({ "key": format!("{prefix}{encoded}"), "size": size, "eTag": "e",
        "sequencer": format!("{n:018X}") });
    json!({ "eventVersion": "2.1", "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put", "eventTime": at.to_string(),
        "s3": { "bucket": { "name": place.bucket }, "object": object } })
}

/// What S3 leaves as it is in the keys of its notifications.
const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*');

#[async_trait]
impl oq_core::store::Passing for Bucket {
    fn to(&self) -> &dyn Store {
        &*self.inner
    }

    fn place(&self) -> Option<Place> {
        Some(self.place.clone())
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let size = body.len();
        let write = self.inner.create(key, body).await?;
        self.tell(key, size, &write);
        Ok(write)
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let size = body.len();
        let write = self.inner.update(key, body, seen).await?;
        self.tell(key, size, &write);
        Ok(write)
    }
}
