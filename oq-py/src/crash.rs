//! A store whose client dies at a chosen write: from then on nothing is answered, as if the process
//! were gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::store::{
    Abilities, Changed, Dated, Etag, List, MemoryStore, Object, Page, Store, StoreError, StoreKey,
    Write,
};
use tokio::sync::Notify;

/// When the client dies.
#[derive(Debug)]
pub struct Plan {
    /// At this write, counted down.
    pub left: u64,
    /// Whether that write lands.
    pub written: bool,
    /// It is dead.
    pub happened: bool,
}

/// The plan of a store, and how its end is told.
#[derive(Debug, Default)]
pub struct Crash {
    plan: Mutex<Option<Plan>>,
    /// It happens now.
    pub happens: Notify,
}

impl Crash {
    /// The plan, if there is one.
    pub fn plan(&self) -> MutexGuard<'_, Option<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_dead(&self) -> bool {
        self.plan().as_ref().is_some_and(|plan| plan.happened)
    }

    async fn alive(&self) {
        if self.is_dead() {
            std::future::pending().await
        }
    }

    /// Makes a write, unless it is the one to die at.
    async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        self.alive().await;
        let lands = match &mut *self.plan() {
            Some(plan) => {
                plan.left = plan.left.saturating_sub(1);
                (plan.left == 0).then_some(plan.written)
            }
            None => None,
        };
        let Some(lands) = lands else {
            return write.await;
        };
        if lands {
            write.await;
        }
        if let Some(plan) = &mut *self.plan() {
            plan.happened = true;
        }
        self.happens.notify_waiters();
        std::future::pending().await
    }
}

/// A store in memory with such a client.
#[derive(Debug)]
pub struct Mortal {
    /// The store.
    pub inner: MemoryStore,
    /// When its client dies.
    pub crash: Arc<Crash>,
}

#[async_trait]
impl Store for Mortal {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.crash.alive().await;
        self.inner.get(key).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.crash.alive().await;
        self.inner.get_if_changed(key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.crash.write(self.inner.create(key, body)).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.crash.write(self.inner.update(key, body, seen)).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.crash.write(self.inner.delete(key)).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        self.crash.write(self.inner.delete_many(keys)).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.crash.write(self.inner.delete_if(key, seen)).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.crash.alive().await;
        self.inner.list(list).await
    }
}
