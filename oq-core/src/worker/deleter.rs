//! Deletes live objects whose outcome is recorded, many to a request. What is not deleted before a
//! crash is found by whoever lists it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::protocol::Root;
use crate::store::{MAX_DELETE, StoreKey};

/// How long a deletion waits for company.
const GATHER: Duration = Duration::from_millis(100);

/// How many may wait while the store takes no deletions. More are left to whoever lists them.
const WAITING: usize = 10_000;

/// The way to the task that deletes.
#[derive(Debug, Clone)]
pub(super) struct Deleter {
    keys: mpsc::Sender<StoreKey>,
    left: Arc<AtomicU64>,
}

impl Deleter {
    /// A deleter and the future that does its work; it ends when all deleters are dropped and
    /// everything is deleted.
    pub fn new(root: Root) -> (Deleter, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let left = Arc::new(AtomicU64::new(0));
        let deleter = Deleter {
            keys: sender,
            left: left.clone(),
        };
        (deleter, work(root, receiver, left))
    }

    /// Deletes this object soon.
    pub fn delete(&self, key: StoreKey) {
        // No room, or the other end is gone because the worker is: others find the object.
        if self.keys.try_send(key).is_err() {
            self.left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn work(root: Root, mut keys: mpsc::Receiver<StoreKey>, left: Arc<AtomicU64>) {
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
            [one] => root.delete(one).await.map(|()| Vec::new()),
            many => root.delete_many(many).await,
        };
        match failed {
            Ok(failed) => {
                for (key, error) in failed {
                    tracing::warn!(%key, %error, "a finished task could not be deleted; the next sweep does it");
                }
            }
            Err(error) => {
                let keys: Vec<&str> = batch.iter().map(StoreKey::as_str).collect();
                tracing::warn!(%error, objects = keys.len(), ?keys, "finished tasks could not be deleted; the next sweep does it");
            }
        }
        let left = left.swap(0, Ordering::Relaxed);
        if left > 0 {
            tracing::warn!(
                objects = left,
                "finished tasks were not deleted, because too many waited for it; the next sweep does it"
            );
        }
        batch.clear();
    }
}
