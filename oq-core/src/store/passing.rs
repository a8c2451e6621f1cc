//! A store that has a say in some requests and passes the others on.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Abilities, Changed, Dated, Etag, List, Meter, Object, Page, Place, Store, StoreError, StoreKey,
    Write,
};

/// What stands before another store. Each verb that is not written passes the request on; to be
/// implemented by its full name and not imported, or calls of a verb are ambiguous.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use oq_core::store::{MemoryStore, Store, StoreError, StoreKey, Write};
///
/// #[derive(Debug)]
/// struct Reader(MemoryStore);
///
/// #[async_trait]
/// impl oq_core::store::Passing for Reader {
///     fn to(&self) -> &dyn Store {
///         &self.0
///     }
///
///     async fn create(&self, _: &StoreKey, _: Bytes) -> Result<Write, StoreError> {
///         Err(StoreError::Denied("it only reads".into()))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = Reader(MemoryStore::new());
/// let key = StoreKey::listed("k");
/// assert!(store.create(&key, "v".into()).await.is_err());
/// assert_eq!(store.get(&key).await.unwrap().value, None);
/// # }
/// ```
#[async_trait]
#[allow(missing_docs, reason = "the verbs are those of `Store`")]
pub trait Passing: fmt::Debug + Send + Sync + 'static {
    /// The store behind this one.
    fn to(&self) -> &dyn Store;

    fn abilities(&self) -> Abilities {
        self.to().abilities()
    }

    fn place(&self) -> Option<Place> {
        self.to().place()
    }

    fn attempt_timeout(&self) -> Option<Duration> {
        self.to().attempt_timeout()
    }

    fn meter(&self) -> Option<Meter> {
        self.to().meter()
    }

    fn doubt(&self) -> Option<StoreError> {
        self.to().doubt()
    }

    fn reconnect(&self) {
        self.to().reconnect();
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.to().get(key).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.to().get_if_changed(key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.to().create(key, body).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.to().update(key, body, seen).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.to().delete(key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        self.to().delete_many(keys).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.to().delete_if(key, seen).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.to().list(list).await
    }
}

#[async_trait]
impl<T: Passing> Store for T {
    fn abilities(&self) -> Abilities {
        Passing::abilities(self)
    }

    fn place(&self) -> Option<Place> {
        Passing::place(self)
    }

    fn attempt_timeout(&self) -> Option<Duration> {
        Passing::attempt_timeout(self)
    }

    fn meter(&self) -> Option<Meter> {
        Passing::meter(self)
    }

    fn doubt(&self) -> Option<StoreError> {
        Passing::doubt(self)
    }

    fn reconnect(&self) {
        Passing::reconnect(self);
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        Passing::get(self, key).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        Passing::get_if_changed(self, key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        Passing::create(self, key, body).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        Passing::update(self, key, body, seen).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        Passing::delete(self, key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        Passing::delete_many(self, keys).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        Passing::delete_if(self, key, seen).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        Passing::list(self, list).await
    }
}
