//! Counts what is asked of a store, and what S3 would charge for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use metrics::Counter;

use crate::metric;

use super::{
    Abilities, Changed, Dated, Etag, List, Object, Page, Place, Store, StoreError, StoreKey, Write,
};

mod requests;

use requests::{OUTCOMES, VERBS};
pub use requests::{Outcome, Prices, Requests, Verb};

/// Reads what a [`Metered`] store has counted; clones read the same.
#[derive(Clone, Default)]
pub struct Meter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cells: [[Cell; OUTCOMES]; VERBS],
    bytes_in: Cell,
    bytes_out: Cell,
}

/// A count, and its counter in the `metrics` facade: registered at its first use, so that a
/// scrape shows no outcomes that a verb cannot have.
#[derive(Default)]
struct Cell {
    count: AtomicU64,
    shown: OnceLock<Counter>,
}

impl Cell {
    fn add(&self, n: u64, register: impl FnOnce() -> Counter) {
        self.count.fetch_add(n, Ordering::Relaxed);
        self.shown.get_or_init(register).increment(n);
    }

    fn read(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Meter {
    /// What was counted so far.
    pub fn snapshot(&self) -> Requests {
        let inner = &*self.0;
        Requests {
            counts: std::array::from_fn(|verb| {
                std::array::from_fn(|outcome| inner.cells[verb][outcome].read())
            }),
            bytes_in: inner.bytes_in.read(),
            bytes_out: inner.bytes_out.read(),
        }
    }

    fn count(&self, verb: Verb, outcome: Outcome) {
        self.0.cells[verb as usize][outcome as usize].add(1, || {
            metrics::counter!(
                metric::REQUESTS.name,
                "verb" => verb.as_str(),
                "outcome" => outcome.as_str()
            )
        });
    }

    fn read(&self, bytes: usize) {
        let register = || metrics::counter!(metric::BYTES.name, "direction" => "in");
        self.0.bytes_in.add(bytes as u64, register);
    }

    fn sent(&self, bytes: usize) {
        let register = || metrics::counter!(metric::BYTES.name, "direction" => "out");
        self.0.bytes_out.add(bytes as u64, register);
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.snapshot(), f)
    }
}

/// A store whose requests are counted, for [`Meter::snapshot`] and for the recorder of the
/// `metrics` facade that was installed before the first request.
#[derive(Debug)]
pub struct Metered {
    inner: Arc<dyn Store>,
    meter: Meter,
}

impl Metered {
    /// Counts the requests to `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Metered {
        Metered {
            inner,
            meter: Meter::default(),
        }
    }

    /// Counts the requests to `inner` unless something does that already; the counts.
    pub fn once(inner: Arc<dyn Store>) -> (Arc<dyn Store>, Meter) {
        match inner.meter() {
            Some(meter) => (inner, meter),
            None => {
                let metered = Metered::new(inner);
                let meter = metered.meter();
                (Arc::new(metered), meter)
            }
        }
    }

    /// The counts.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    fn asked(&self, verb: Verb) -> Asked<'_> {
        Asked {
            meter: &self.meter,
            verb,
            outcome: match verb {
                Verb::Create | Verb::Update | Verb::DeleteIf => Outcome::Unknown,
                _ => Outcome::Error,
            },
        }
    }

    fn wrote(&self, verb: Verb, body: &Bytes) -> Asked<'_> {
        self.meter.sent(body.len());
        self.asked(verb)
    }
}

/// A request that was sent. It is counted when this is dropped, so also when nobody waits for its
/// answer any longer: it was sent, and is charged.
struct Asked<'a> {
    meter: &'a Meter,
    verb: Verb,
    outcome: Outcome,
}

impl Asked<'_> {
    fn answered<T>(
        mut self,
        answer: Result<T, StoreError>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, StoreError> {
        self.outcome = answer.as_ref().map_or(Outcome::Error, outcome);
        answer
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.meter.count(self.verb, self.outcome);
    }
}

fn written(write: &Write) -> Outcome {
    match write {
        Write::Won { .. } => Outcome::Won,
        Write::Lost => Outcome::Lost,
        Write::Again { .. } => Outcome::Again,
        Write::Unknown => Outcome::Unknown,
    }
}

#[async_trait]
impl Store for Metered {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn place(&self) -> Option<Place> {
        self.inner.place()
    }

    fn attempt_timeout(&self) -> Option<Duration> {
        self.inner.attempt_timeout()
    }

    fn meter(&self) -> Option<Meter> {
        Some(self.meter.clone())
    }

    fn doubt(&self) -> Option<StoreError> {
        self.inner.doubt()
    }

    fn reconnect(&self) {
        self.inner.reconnect();
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        let asked = self.asked(Verb::Get);
        let answer = self.inner.get(key).await;
        asked.answered(answer, |got| match &got.value {
            Some(object) => {
                self.meter.read(object.body.len());
                Outcome::Ok
            }
            None => Outcome::Missing,
        })
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        let asked = self.asked(Verb::GetIfChanged);
        let answer = self.inner.get_if_changed(key, seen).await;
        asked.answered(answer, |got| match &got.value {
            Changed::Now(object) => {
                self.meter.read(object.body.len());
                Outcome::Ok
            }
            Changed::Same => Outcome::Same,
            Changed::Missing => Outcome::Missing,
        })
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let asked = self.wrote(Verb::Create, &body);
        asked.answered(self.inner.create(key, body).await, written)
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let asked = self.wrote(Verb::Update, &body);
        asked.answered(self.inner.update(key, body, seen).await, written)
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        let asked = self.asked(Verb::Delete);
        asked.answered(self.inner.delete(key).await, |_| Outcome::Ok)
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        let asked = self.asked(Verb::DeleteMany);
        asked.answered(self.inner.delete_many(keys).await, |_| Outcome::Ok)
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let asked = self.asked(Verb::DeleteIf);
        asked.answered(self.inner.delete_if(key, seen).await, written)
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        let asked = self.asked(Verb::List);
        asked.answered(self.inner.list(list).await, |_| Outcome::Ok)
    }
}

#[cfg(test)]
mod tests;
