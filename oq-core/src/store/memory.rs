//! A store in the memory of one process: for tests, examples and development.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::limits::{few, fits};
use super::paging::{Pager, Step};
use super::wall::WallClock;
use super::{
    Abilities, Changed, Dated, Etag, List, Listed, Object, Page, Served, Store, StoreError,
    StoreKey, Write,
};
use crate::env::{Entropy, SystemEntropy};
use crate::time::StoreTime;

/// Where a [`MemoryStore`] takes its `Date` from.
pub type TimeSource = Arc<dyn Fn() -> StoreTime + Send + Sync>;

/// The stores that [`MemoryStore::shared`] has handed out. They live as long as the process,
/// since whoever asks for one later expects what was put there earlier.
static SHARED: Mutex<BTreeMap<String, Arc<MemoryStore>>> = Mutex::new(BTreeMap::new());

/// An object store in the memory of this process.
///
/// It keeps every promise that oq needs, its ETags never repeat, and its `Date` has milliseconds.
/// It ends with the process.
pub struct MemoryStore {
    time: TimeSource,
    /// Sets the ETags of one store apart from those of another.
    nonce: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Arc<str>, Object>,
    writes: u64,
    date: StoreTime,
}

impl MemoryStore {
    /// An empty store that goes by this machine's clock.
    pub fn new() -> MemoryStore {
        let clock = WallClock::default();
        MemoryStore {
            time: Arc::new(move || clock.now()),
            nonce: SystemEntropy.next_u64(),
            inner: Mutex::default(),
        }
    }

    /// An empty store that goes by `time`; where that turns back, the store's clock stands still.
    ///
    /// Nothing about it is random: the same calls get the same answers, ETags included.
    pub fn with_time(time: TimeSource) -> MemoryStore {
        MemoryStore {
            time,
            nonce: 0,
            inner: Mutex::default(),
        }
    }

    /// The store of this name, the same one for all of this process.
    pub fn shared(name: &str) -> Arc<MemoryStore> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.entry(name.to_owned()).or_default().clone()
    }

    /// The inner state with its clock brought up to now.
    fn now(&self) -> MutexGuard<'_, Inner> {
        // No code that holds this lock can panic halfway through a change.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.date = inner.date.max((self.time)());
        inner
    }

    fn write(&self, inner: &mut Inner, key: &StoreKey, body: Bytes) -> Write {
        inner.writes += 1;
        let etag = Etag::new(format!("\"{:x}-{:x}\"", self.nonce, inner.writes));
        let date = inner.date;
        let object = Object {
            body,
            etag: etag.clone(),
            last_modified: date,
        };
        inner.objects.insert(key.0.clone(), object);
        Write::Won { etag, date }
    }
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

fn dated<T>(inner: &Inner, value: T) -> Dated<T> {
    Dated {
        date: inner.date,
        value,
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn abilities(&self) -> Abilities {
        Abilities {
            delete_if: true,
            write_interval: None,
        }
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        let inner = self.now();
        Ok(dated(&inner, inner.objects.get(key.as_str()).cloned()))
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        let inner = self.now();
        let changed = match inner.objects.get(key.as_str()) {
            None => Changed::Missing,
            Some(object) if object.etag == *seen => Changed::Same,
            Some(object) => Changed::Now(object.clone()),
        };
        Ok(dated(&inner, changed))
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        fits(&body)?;
        let mut inner = self.now();
        if inner.objects.contains_key(key.as_str()) {
            return Ok(Write::Lost);
        }
        Ok(self.write(&mut inner, key, body))
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        fits(&body)?;
        let mut inner = self.now();
        match inner.objects.get(key.as_str()) {
            Some(object) if object.etag == *seen => Ok(self.write(&mut inner, key, body)),
            _ => Ok(Write::Lost),
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        let mut inner = self.now();
        inner.objects.remove(key.as_str());
        Ok(dated(&inner, ()))
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        few(keys)?;
        let mut inner = self.now();
        for key in keys {
            inner.objects.remove(key.as_str());
        }
        Ok(dated(&inner, Vec::new()))
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let mut inner = self.now();
        match inner.objects.get(key.as_str()) {
            Some(object) if object.etag == *seen => {
                inner.objects.remove(key.as_str());
                Ok(Write::Won {
                    etag: seen.clone(),
                    date: inner.date,
                })
            }
            _ => Ok(Write::Lost),
        }
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        let inner = self.now();
        let mut pager = Pager::new(list);
        loop {
            let from = (Bound::Included(pager.from()), Bound::Unbounded);
            let mut keys = inner.objects.range::<str, _>(from);
            let step = loop {
                let Some((key, object)) = keys.next() else {
                    break Step::Done;
                };
                let step = pager.offer(key, || listed(key, object));
                if step != Step::Next {
                    break step;
                }
            };
            if step == Step::Done {
                return Ok(dated(&inner, pager.finish()));
            }
        }
    }
}

#[async_trait]
impl Served for MemoryStore {
    async fn put(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        fits(&body)?;
        let mut inner = self.now();
        Ok(self.write(&mut inner, key, body))
    }
}

fn listed(key: &Arc<str>, object: &Object) -> Listed {
    Listed {
        key: StoreKey(key.clone()),
        etag: object.etag.clone(),
        size: object.body.len() as u64,
        last_modified: object.last_modified,
    }
}

#[cfg(test)]
mod tests;
