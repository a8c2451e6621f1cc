//! A store with a say in every request: it may fail, or be answered by nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::Queue;
use oq_core::protocol::Root;
use oq_core::record::QueueName;
use oq_core::store::{
    Abilities, Changed, Dated, Etag, List, Object, Page, Store, StoreError, StoreKey, Verb, Write,
};
use oq_core::testing::sim_clock::SimHost;

use crate::world::World;

/// What becomes of a request that is meddled with.
pub enum Meddle {
    /// The store says so, and does nothing.
    Fails(StoreError),
    /// The body that is read is another.
    Reads(Bytes),
}

type Say = Box<dyn Fn(Verb, &str) -> Option<Meddle> + Send + Sync>;

/// A store whose requests are meddled with, by verb and key; of a listing, by what it
/// begins with and behind.
pub struct Meddled {
    inner: Arc<dyn Store>,
    say: Say,
}

impl Meddled {
    pub fn new(
        world: &World,
        say: impl Fn(Verb, &str) -> Option<Meddle> + Send + Sync + 'static,
    ) -> Arc<Meddled> {
        Arc::new(Meddled {
            inner: world.store.clone(),
            say: Box::new(say),
        })
    }

    /// The queue `q` on this store.
    pub async fn queue(self: &Arc<Self>, host: u16) -> Queue {
        let host = SimHost::new(host, std::time::Duration::from_secs(1), 0);
        let env = host.env(7);
        let name = QueueName::new("q").unwrap();
        Queue::open(Root::new(self.clone(), env), name)
            .await
            .unwrap()
    }

    async fn ask<T>(
        &self,
        verb: Verb,
        key: &str,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match (self.say)(verb, key) {
            None | Some(Meddle::Reads(_)) => request.await,
            Some(Meddle::Fails(e)) => Err(e),
        }
    }

    async fn write(
        &self,
        verb: Verb,
        key: &str,
        request: impl Future<Output = Result<Write, StoreError>>,
    ) -> Result<Write, StoreError> {
        match (self.say)(verb, key) {
            Some(Meddle::Fails(StoreError::Unavailable(_))) => Ok(Write::Unknown),
            Some(Meddle::Fails(e)) => Err(e),
            None | Some(Meddle::Reads(_)) => request.await,
        }
    }
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddled")
    }
}

pub fn unavailable() -> StoreError {
    StoreError::Unavailable("just now".into())
}

#[async_trait]
impl Store for Meddled {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        match (self.say)(Verb::Get, key.as_str()) {
            Some(Meddle::Fails(e)) => Err(e),
            Some(Meddle::Reads(body)) => {
                let mut answer = self.inner.get(key).await?;
                if let Some(object) = &mut answer.value {
                    object.body = body;
                }
                Ok(answer)
            }
            None => self.inner.get(key).await,
        }
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        let request = self.inner.get_if_changed(key, seen);
        self.ask(Verb::GetIfChanged, key.as_str(), request).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let request = self.inner.create(key, body);
        self.write(Verb::Create, key.as_str(), request).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let request = self.inner.update(key, body, seen);
        self.write(Verb::Update, key.as_str(), request).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.ask(Verb::Delete, key.as_str(), self.inner.delete(key))
            .await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        let request = self.inner.delete_many(keys);
        self.ask(Verb::DeleteMany, keys[0].as_str(), request).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let request = self.inner.delete_if(key, seen);
        self.write(Verb::DeleteIf, key.as_str(), request).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        let place = [
            list.prefix.as_str(),
            list.start_after.as_deref().unwrap_or_default(),
        ];
        let place = place.join(" ");
        self.ask(Verb::List, &place, self.inner.list(list)).await
    }
}
