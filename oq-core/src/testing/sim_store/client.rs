//! One client's sight of the simulated store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::SimStore;
use super::fate::fate;
use super::wire::{Reply, carry};
use super::world::{Answer, Op};
use crate::store::limits::{few, fits};
use crate::store::{
    Abilities, Changed, Dated, Etag, List, Object, Page, Store, StoreError, StoreKey, Write,
};
use crate::testing::sim_clock::SimHost;

/// A [`SimStore`] as the client on one machine sees it.
#[derive(Debug)]
pub struct SimClient {
    store: SimStore,
    host: Arc<SimHost>,
}

impl SimClient {
    pub(super) fn new(store: SimStore, host: Arc<SimHost>) -> SimClient {
        SimClient { store, host }
    }

    /// Sends a request and waits for what comes back, which may be never.
    async fn ask(&self, op: Op) -> Reply {
        self.host.awake().await;
        let (answer, answered) = oneshot::channel();
        let fate = fate(&self.store, &self.host, &op);
        tokio::spawn(carry(
            self.store.clone(),
            self.host.clone(),
            op,
            fate,
            answer,
        ));
        let Ok(reply) = answered.await else {
            return std::future::pending().await;
        };
        self.host.awake().await;
        reply
    }

    async fn write(&self, op: Op) -> Result<Write, StoreError> {
        match self.ask(op).await? {
            Answer::Write(write) => Ok(write),
            other => Err(mistaken(&other)),
        }
    }
}

/// The wire answers each request in kind; should it ever not, say so instead of guessing.
fn mistaken(answer: &Answer) -> StoreError {
    StoreError::Misconfigured(format!("the simulation answered with {answer:?}"))
}

#[async_trait]
impl Store for SimClient {
    fn abilities(&self) -> Abilities {
        let world = self.store.world();
        Abilities {
            delete_if: world.modes.delete_if,
            write_interval: world.modes.write_interval,
        }
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        match self.ask(Op::Get(key.clone())).await? {
            Answer::Object(object) => Ok(object),
            other => Err(mistaken(&other)),
        }
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        match self
            .ask(Op::GetIfChanged(key.clone(), seen.clone()))
            .await?
        {
            Answer::Changed(changed) => Ok(changed),
            other => Err(mistaken(&other)),
        }
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(Op::Create(key.clone(), body)).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(Op::Update(key.clone(), body, seen.clone()))
            .await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        match self.ask(Op::Delete(key.clone())).await? {
            Answer::Deleted(Dated { date, .. }) => Ok(Dated { date, value: () }),
            other => Err(mistaken(&other)),
        }
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        few(keys)?;
        match self.ask(Op::DeleteMany(keys.to_vec())).await? {
            Answer::Deleted(failed) => Ok(failed),
            other => Err(mistaken(&other)),
        }
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        if !self.abilities().delete_if {
            let why = "this simulated store does not delete conditionally";
            return Err(StoreError::Unsupported(why.into()));
        }
        self.write(Op::DeleteIf(key.clone(), seen.clone())).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        match self.ask(Op::List(list.clone())).await? {
            Answer::Page(page) => Ok(page),
            other => Err(mistaken(&other)),
        }
    }
}
