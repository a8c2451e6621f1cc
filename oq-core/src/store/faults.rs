//! A store that fails as often as it is told, to see what a program makes of that.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::latency::unit;
use super::limits::fits;
use super::{Changed, Dated, Etag, List, Object, Page, Store, StoreError, StoreKey, Write};
use crate::env::Env;

/// How often a store fails, as shares of one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Conditional writes answered with [`Write::Again`], like a 503; nothing landed.
    pub again: f64,
    /// Conditional writes answered with [`Write::Unknown`] that did not land.
    pub unknown_not_applied: f64,
    /// Conditional writes answered with [`Write::Unknown`] that landed, if their condition held.
    pub unknown_applied: f64,
    /// Reads, listings and deletions answered with [`StoreError::Unavailable`]. Of the
    /// deletions half are done all the same, and some batches are done in part.
    pub unavailable: f64,
}

impl Faults {
    /// Each fault with this share.
    pub fn each(share: f64) -> Faults {
        Faults {
            again: share,
            unknown_not_applied: share,
            unknown_applied: share,
            unavailable: share,
        }
    }
}

/// A store that fails as often as [`Faults`] say.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    faults: Mutex<Faults>,
    env: Env,
}

/// What is to become of one conditional write.
enum Fate {
    Answered,
    Again,
    UnknownNotApplied,
    UnknownApplied,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("a fault that was asked for".to_owned())
}

impl Faulty {
    /// Makes `inner` fail, with the randomness of `env`.
    pub fn new(inner: Arc<dyn Store>, faults: Faults, env: Env) -> Faulty {
        Faulty {
            inner,
            faults: Mutex::new(faults),
            env,
        }
    }

    /// From now on it fails this often.
    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, share: f64) -> bool {
        unit(&self.env) < share
    }

    fn fate(&self) -> Fate {
        let (mut roll, faults) = (unit(&self.env), self.faults());
        let fates = [
            (faults.again, Fate::Again),
            (faults.unknown_not_applied, Fate::UnknownNotApplied),
            (faults.unknown_applied, Fate::UnknownApplied),
        ];
        for (share, fate) in fates {
            if roll < share {
                return fate;
            }
            roll -= share;
        }
        Fate::Answered
    }

    async fn write(
        &self,
        request: impl Future<Output = Result<Write, StoreError>>,
    ) -> Result<Write, StoreError> {
        match self.fate() {
            Fate::Answered => request.await,
            Fate::Again => Ok(Write::Again { after: None }),
            Fate::UnknownNotApplied => Ok(Write::Unknown),
            Fate::UnknownApplied => {
                // What the store said is lost on the way back; a refusal was never sent.
                request.await?;
                Ok(Write::Unknown)
            }
        }
    }

    async fn read<T>(
        &self,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if self.happens(self.faults().unavailable) {
            return Err(unavailable());
        }
        request.await
    }
}

#[async_trait]
impl super::Passing for Faulty {
    fn to(&self) -> &dyn Store {
        &*self.inner
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.read(self.inner.get(key)).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.read(self.inner.get_if_changed(key, seen)).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(self.inner.create(key, body)).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(self.inner.update(key, body, seen)).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        if !self.happens(self.faults().unavailable) {
            return self.inner.delete(key).await;
        }
        if self.happens(0.5) {
            self.inner.delete(key).await?;
        }
        Err(unavailable())
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        if !self.happens(self.faults().unavailable) {
            return self.inner.delete_many(keys).await;
        }
        let (done, left): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|_| self.happens(0.5));
        let mut answer = self.inner.delete_many(&done).await?;
        if self.happens(0.5) {
            return Err(unavailable());
        }
        let left = left.into_iter().map(|key| (key, unavailable()));
        answer.value.extend(left);
        Ok(answer)
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.write(self.inner.delete_if(key, seen)).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.read(self.inner.list(list)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, conformance};

    fn faulty(faults: Faults) -> (Arc<MemoryStore>, Faulty) {
        let inner = Arc::new(MemoryStore::new());
        (inner.clone(), Faulty::new(inner, faults, Env::system()))
    }

    #[tokio::test]
    async fn without_faults_it_is_a_store() {
        conformance::run(|| async move { Arc::new(faulty(Faults::default()).1) as Arc<dyn Store> })
            .await;
    }

    #[tokio::test]
    async fn writes_that_are_asked_to_come_again_still_win_only_once() {
        let again = Faults {
            again: 0.3,
            ..Faults::default()
        };
        conformance::run(|| async move { Arc::new(faulty(again).1) as Arc<dyn Store> }).await;
    }

    #[tokio::test]
    async fn each_fault_leaves_what_it_says() {
        let mut answers = [0; 4];
        for n in 0..2000 {
            let (inner, store) = faulty(Faults::each(0.25));
            let key = StoreKey::listed("a");
            let answer = store.create(&key, Bytes::new()).await.unwrap();
            let landed = inner.get(&key).await.unwrap().value.is_some();
            let kind = match (answer, landed) {
                (Write::Won { .. }, true) => 0,
                (Write::Again { .. }, false) => 1,
                (Write::Unknown, false) => 2,
                (Write::Unknown, true) => 3,
                other => panic!("round {n}: {other:?}"),
            };
            answers[kind] += 1;
        }
        assert!(
            answers.iter().all(|n| (350..650).contains(n)),
            "{answers:?}"
        );
    }

    #[tokio::test]
    async fn a_failed_deletion_may_be_done_or_not() {
        let (mut done, mut left) = (0, 0);
        for _ in 0..200 {
            let (inner, store) = faulty(Faults {
                unavailable: 1.0,
                ..Faults::default()
            });
            let key = StoreKey::listed("a");
            store.create(&key, Bytes::new()).await.unwrap();
            store.delete(&key).await.unwrap_err();
            store.get(&key).await.unwrap_err();
            match inner.get(&key).await.unwrap().value {
                None => done += 1,
                Some(_) => left += 1,
            }
        }
        assert!(done > 50 && left > 50, "{done} done, {left} left");
    }

    #[tokio::test]
    async fn a_batch_names_what_it_left() {
        let (inner, store) = faulty(Faults {
            unavailable: 1.0,
            ..Faults::default()
        });
        let keys: Vec<_> = (0..100)
            .map(|n| StoreKey::listed(format!("{n:03}")))
            .collect();
        for key in &keys {
            inner.create(key, Bytes::new()).await.unwrap();
        }
        let mut left = Err(unavailable());
        while left.is_err() {
            left = store.delete_many(&keys).await;
        }
        let named: Vec<_> = left
            .unwrap()
            .value
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let there = inner.list(&List::prefix("")).await.unwrap().value.entries;
        assert!(there.iter().all(|entry| named.contains(&entry.key)));
        assert!(!named.is_empty());
    }
}
