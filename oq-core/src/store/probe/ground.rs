//! The key space of one probe: random, its own, and emptied at the end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::finding::Finding;
use crate::env::Env;
use crate::store::{Etag, List, Listed, Object, Store, StoreError, StoreKey, Write};

/// Reserved for probes; the whole key space is in `record::Key`.
const PLACE: &str = ".probe/";

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a write is sent again when the store asks for it.
const SENDS: u32 = 20;

/// Why a check could not be made.
#[derive(Debug)]
pub(super) enum Stuck {
    /// The store refused.
    Store(StoreError),
    /// An answer did not come, so nothing can be concluded.
    NoAnswer(&'static str),
}

impl From<StoreError> for Stuck {
    fn from(e: StoreError) -> Stuck {
        Stuck::Store(e)
    }
}

impl Stuck {
    pub fn finding(&self, check: &'static str) -> Finding {
        match self {
            Stuck::Store(error) => Finding::of_error(check, error),
            Stuck::NoAnswer(what) => Finding::fault(
                check,
                format!("no answer to {what}, so this could not be checked"),
                "check the network, then try again",
            ),
        }
    }
}

pub(super) type Tried<T> = Result<T, Stuck>;

/// A key space of its own in the store under test.
#[derive(Debug)]
pub(super) struct Ground {
    pub store: Arc<dyn Store>,
    pub env: Env,
    prefix: String,
}

impl Ground {
    pub fn new(store: Arc<dyn Store>, env: Env) -> Ground {
        let prefix = format!("{PLACE}{:016X}/", env.entropy.next_u64());
        Ground { store, env, prefix }
    }

    pub fn key(&self, name: &str) -> StoreKey {
        StoreKey::listed(format!("{}{name}", self.prefix))
    }

    pub fn below(&self, name: &str) -> List {
        List::prefix(format!("{}{name}", self.prefix))
    }

    /// A listed key without the key space.
    pub fn name(&self, entry: &Listed) -> String {
        let key = entry.key.as_str();
        key.strip_prefix(&self.prefix).unwrap_or(key).to_owned()
    }

    /// An answer that comes in time.
    pub async fn timely<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Tried<T> {
        match self.env.within(PATIENCE, request).await {
            Some(answer) => Ok(answer?),
            None => Err(Stuck::NoAnswer(what)),
        }
    }

    /// The answer of a conditional write, sent again as long as the store asks for it.
    async fn settled<F>(&self, what: &'static str, send: impl Fn() -> F) -> Tried<Write>
    where
        F: Future<Output = Result<Write, StoreError>>,
    {
        for attempt in 1..=SENDS {
            match self.timely(what, send()).await? {
                Write::Again { after } => {
                    let least = self.env.jitter(Duration::from_millis(20) * attempt);
                    let wait = least.max(after.unwrap_or_default());
                    self.env.sleep(wait.min(PATIENCE)).await;
                }
                Write::Unknown => return Err(Stuck::NoAnswer(what)),
                answer => return Ok(answer),
            }
        }
        Err(Stuck::NoAnswer(what))
    }

    pub async fn create(&self, name: &str, body: impl Into<Bytes>) -> Tried<Write> {
        let (key, body) = (self.key(name), body.into());
        self.settled("a create", || self.store.create(&key, body.clone()))
            .await
    }

    pub async fn update(&self, name: &str, body: impl Into<Bytes>, seen: &Etag) -> Tried<Write> {
        let (key, body) = (self.key(name), body.into());
        self.settled("an update", || self.store.update(&key, body.clone(), seen))
            .await
    }

    pub async fn delete_if(&self, name: &str, seen: &Etag) -> Tried<Write> {
        let key = self.key(name);
        self.settled("a conditional deletion", || {
            self.store.delete_if(&key, seen)
        })
        .await
    }

    pub async fn get(&self, name: &str) -> Tried<Option<Object>> {
        let key = self.key(name);
        Ok(self.timely("a read", self.store.get(&key)).await?.value)
    }

    /// What is there, as text; nothing if nothing is.
    pub async fn text(&self, name: &str) -> Tried<String> {
        let object = self.get(name).await?;
        let body = object.map(|o| o.body).unwrap_or_default();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    pub async fn delete(&self, name: &str) -> Tried<()> {
        let key = self.key(name);
        self.timely("a deletion", self.store.delete(&key)).await?;
        Ok(())
    }

    /// The names of all pages of a listing.
    pub async fn names(&self, mut list: List) -> Tried<Vec<String>> {
        let mut names = Vec::new();
        // A bound for stores whose listings do not end.
        for _ in 0..50 {
            let page = self.timely("a listing", self.store.list(&list)).await?;
            names.extend(page.value.entries.iter().map(|e| self.name(e)));
            match page.value.next {
                Some(next) => list = list.after(next),
                None => break,
            }
        }
        Ok(names)
    }

    /// Removes everything in the key space; returns how much is left.
    pub async fn clear(&self) -> Tried<usize> {
        for _ in 0..10 {
            let page = self
                .timely("a listing", self.store.list(&self.below("")))
                .await?;
            let keys: Vec<StoreKey> = page.value.entries.into_iter().map(|e| e.key).collect();
            // A store that lists what it was not asked for must not have it deleted.
            let ours = |key: &StoreKey| key.as_str().starts_with(&self.prefix);
            let keys: Vec<StoreKey> = keys.into_iter().filter(ours).collect();
            if keys.is_empty() {
                return Ok(0);
            }
            let batch = self
                .timely("a deletion", self.store.delete_many(&keys))
                .await;
            if batch.is_err() {
                for key in &keys {
                    self.timely("a deletion", self.store.delete(key)).await?;
                }
            }
        }
        Ok(self.names(self.below("")).await?.len())
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}
