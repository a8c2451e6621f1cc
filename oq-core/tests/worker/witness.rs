//! One client's sight of a store, with every claim that it sends written down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::record::{Live, LiveState};
use oq_core::store::{Etag, Store, StoreError, StoreKey, Write};

/// One claim that was sent.
#[derive(Debug)]
pub struct Claim {
    /// Which object.
    pub key: StoreKey,
    /// Which version it was to replace.
    pub seen: Etag,
    /// How often it was sent, renewals included.
    sent: u32,
    /// How often the answer said what became of it.
    heard: u32,
}

impl Claim {
    /// At least once no answer came, or one that did not say what became of it.
    pub fn is_unsure(&self) -> bool {
        self.heard < self.sent
    }
}

/// The claims that were sent, by their token.
pub type Claims = Arc<Mutex<BTreeMap<String, Claim>>>;

/// Passes requests on.
#[derive(Debug)]
pub struct Witness {
    inner: Arc<dyn Store>,
    claims: Claims,
}

impl Witness {
    pub fn new(inner: Arc<dyn Store>, claims: Claims) -> Arc<Witness> {
        Arc::new(Witness { inner, claims })
    }
}

#[async_trait]
impl oq_core::store::Passing for Witness {
    fn to(&self) -> &dyn Store {
        &*self.inner
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let token = claiming(key, &body);
        if let Some(token) = &token {
            let claim = || Claim {
                key: key.clone(),
                seen: seen.clone(),
                sent: 0,
                heard: 0,
            };
            // Renewals carry the token of their claim.
            let mut claims = self.claims.lock().unwrap();
            claims.entry(token.clone()).or_insert_with(claim).sent += 1;
        }
        let answer = self.inner.update(key, body, seen).await;
        if let Some(token) = token
            && matches!(answer, Ok(Write::Won { .. } | Write::Lost))
        {
            let mut claims = self.claims.lock().unwrap();
            claims.entry(token).and_modify(|claim| claim.heard += 1);
        }
        answer
    }
}

/// The token of a write that claims or renews.
fn claiming(key: &StoreKey, body: &Bytes) -> Option<String> {
    if !key.as_str().starts_with("q/live/") {
        return None;
    }
    let live: Live = serde_json::from_slice(body).unwrap();
    let lease = live.lease.filter(|_| live.state == LiveState::Running)?;
    Some(lease.token.to_string())
}
