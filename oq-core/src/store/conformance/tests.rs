//! The suite must notice a store that breaks a promise.

use async_trait::async_trait;

use super::*;
use crate::store::{Abilities, Changed, Dated, MemoryStore, StoreError};

/// The promise that a [`Careless`] store breaks; several stores on the market break one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    IfNoneMatch,
    IfMatch,
    IfMatchOnMissing,
    WinsWithoutWriting,
    ChecksThenWrites,
    ConditionalDelete,
    StartAfter,
    Order,
    Limit,
    Fold,
    FullPageLosesOne,
    ListLags,
    ListedTime,
    AlwaysChanged,
    ClockTurnsBack,
    DeleteManyStopsEarly,
}

const ALL: [Broken; 16] = [
    Broken::IfNoneMatch,
    Broken::IfMatch,
    Broken::IfMatchOnMissing,
    Broken::WinsWithoutWriting,
    Broken::ChecksThenWrites,
    Broken::ConditionalDelete,
    Broken::StartAfter,
    Broken::Order,
    Broken::Limit,
    Broken::Fold,
    Broken::FullPageLosesOne,
    Broken::ListLags,
    Broken::ListedTime,
    Broken::AlwaysChanged,
    Broken::ClockTurnsBack,
    Broken::DeleteManyStopsEarly,
];

#[derive(Debug)]
struct Careless(MemoryStore, Broken);

impl Careless {
    fn is(&self, broken: Broken) -> bool {
        self.1 == broken
    }

    async fn overwrite(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.0.delete(key).await?;
        self.0.create(key, body).await
    }
}

#[async_trait]
impl Store for Careless {
    fn abilities(&self) -> Abilities {
        self.0.abilities()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        let mut got = self.0.get(key).await?;
        if self.is(Broken::ClockTurnsBack) {
            got.date = got.date.minus(Duration::from_secs(1));
        }
        Ok(got)
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        if self.is(Broken::AlwaysChanged) {
            let got = self.0.get(key).await?;
            return Ok(Dated {
                date: got.date,
                value: got.value.map_or(Changed::Missing, Changed::Now),
            });
        }
        self.0.get_if_changed(key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        match self.1 {
            Broken::IfNoneMatch if body.len() < 100 => self.overwrite(key, body).await,
            _ => self.0.create(key, body).await,
        }
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let present = self.0.get(key).await?.value;
        match self.1 {
            Broken::IfMatch if present.is_some() => self.overwrite(key, body).await,
            Broken::IfMatchOnMissing if present.is_none() => self.0.create(key, body).await,
            Broken::WinsWithoutWriting => Ok(Write::Won {
                etag: seen.clone(),
                date: self.0.get(key).await?.date,
            }),
            Broken::ChecksThenWrites => {
                if present.is_none_or(|object| object.etag != *seen) {
                    return Ok(Write::Lost);
                }
                tokio::task::yield_now().await;
                self.overwrite(key, body).await
            }
            _ => self.0.update(key, body, seen).await,
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.0.delete(key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        let all = if self.is(Broken::DeleteManyStopsEarly) {
            keys.len().min(500)
        } else {
            keys.len()
        };
        self.0.delete_many(&keys[..all]).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        if self.is(Broken::ConditionalDelete) {
            let date = self.0.delete(key).await?.date;
            let etag = seen.clone();
            return Ok(Write::Won { etag, date });
        }
        self.0.delete_if(key, seen).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        let mut list = list.clone();
        match self.1 {
            Broken::StartAfter => list.start_after = None,
            Broken::Limit => list.limit += 1,
            Broken::Fold => list.fold = false,
            _ => {}
        }
        let mut page = self.0.list(&list).await?;
        match self.1 {
            Broken::Order => page.value.entries.reverse(),
            Broken::ListLags => drop(page.value.entries.pop()),
            Broken::FullPageLosesOne
                if page.value.entries.len() == usize::from(super::super::MAX_PAGE) =>
            {
                drop(page.value.entries.pop());
            }
            Broken::ListedTime => {
                for entry in &mut page.value.entries {
                    entry.last_modified = page.date;
                }
            }
            _ => {}
        }
        Ok(page)
    }
}

/// The checks that a store with this fault does not pass.
async fn noticed(broken: Broken) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for check in CHECKS {
        let ground = Ground::new(Arc::new(Careless(MemoryStore::new(), broken)));
        if tokio::spawn((check.run)(ground)).await.is_err() {
            failed.push(check.name);
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_broken_promise_is_noticed() {
    let all = ALL.map(|broken| async move { (broken, noticed(broken).await) });
    for (broken, failed) in futures::future::join_all(all).await {
        println!("{broken:?}: {failed:?}");
        assert!(!failed.is_empty(), "nobody noticed {broken:?}");
    }
}
