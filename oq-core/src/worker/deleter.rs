//! Deletes live objects whose outcome is recorded, many to a request. What is not deleted before a
//! crash is found by whoever lists it.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::protocol::Root;
use crate::store::{MAX_DELETE, StoreKey};

/// How long a deletion waits for company.
const GATHER: Duration = Duration::from_millis(100);

/// The way to the task that deletes.
#[derive(Debug, Clone)]
pub(super) struct Deleter(mpsc::UnboundedSender<StoreKey>);

impl Deleter {
    /// A deleter and the future that does its work; it ends when all deleters are dropped and
    /// everything is deleted.
    pub fn new(root: Root) -> (Deleter, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Deleter(sender), work(root, receiver))
    }

    /// Deletes this object soon.
    pub fn delete(&self, key: StoreKey) {
        // The other end is gone only when the worker is, and then others find the object.
        let _ = self.0.send(key);
    }
}

async fn work(root: Root, mut keys: mpsc::UnboundedReceiver<StoreKey>) {
    let mut batch = Vec::new();
    while let Some(key) = keys.recv().await {
        batch.push(key);
        let gathering = async {
            while batch.len() < MAX_DELETE {
                match keys.recv().await {
                    Some(key) => batch.push(key),
                    None => return,
                }
            }
        };
        root.env().within(GATHER, gathering).await;
        let failed = match &batch[..] {
            [one] => root.delete(one).await.err().map(|e| vec![(one.clone(), e)]),
            many => root
                .delete_many(many)
                .await
                .map(Some)
                .unwrap_or_else(|e| Some(vec![(many[0].clone(), e)])),
        };
        for (key, error) in failed.into_iter().flatten() {
            tracing::warn!(%key, %error, "a finished task could not be deleted; the next sweep does it");
        }
        batch.clear();
    }
}
