//! [`Root`]: a store together with injected surroundings and the store's clock. Every request of
//! the protocol goes through here, so that each is bounded in time, repeated where that is safe,
//! and read for its date.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::health::{Health, Kind};
use crate::env::{Env, Mono};
use crate::error::{Error, Result};
use crate::metric::Endings;
use crate::store::{
    Changed, Dated, Etag, List, Meter, Metered, Object, Page, Requests, Store, StoreError,
    StoreKey, Write,
};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// How long one request may take before it counts as unanswered, unless the store says otherwise: a
/// sixth of the default lease.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whatever the store says. An outcome is sent while so much of the lease is left, 4 s more for the
/// largest record and 1 s beyond; of the shortest lease, 15 s, that leaves 2 s for a renewal.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(8);

/// How often a read or deletion is tried in all.
const READ_ATTEMPTS: u32 = 5;

/// How much longer a read may take with every repetition.
const MORE_TIME: Duration = Duration::from_secs(2);

/// A date further behind the estimate than this is a clock that was set back, not truncation.
const DATE_PRECISION: Duration = Duration::from_millis(1500);

/// A store, seen by one client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Root {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    /// The same, its requests counted: every request goes this way.
    counted: Arc<dyn Store>,
    meter: Meter,
    env: Env,
    attempt_timeout: Duration,
    date: Mutex<Option<(StoreTime, Mono)>>,
    health: Health,
    endings: Endings,
}

impl Root {
    /// A client of this store. Its requests are counted, unless the store counts them already.
    pub fn new(store: Arc<dyn Store>, env: Env) -> Root {
        let told = store.attempt_timeout();
        let (counted, meter) = Metered::once(store.clone());
        Root {
            shared: Arc::new(Shared {
                store,
                counted,
                meter,
                env,
                attempt_timeout: told.unwrap_or(ATTEMPT_TIMEOUT).min(LONGEST_TIMEOUT),
                date: Mutex::new(None),
                health: Health::default(),
                endings: Endings::default(),
            }),
        }
    }

    /// The store itself, as it was given.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The requests made so far.
    pub fn requests(&self) -> Requests {
        self.shared.meter.snapshot()
    }

    /// Counts what ended by writes of this client.
    pub(crate) fn endings(&self) -> &Endings {
        &self.shared.endings
    }

    /// The injected surroundings.
    pub fn env(&self) -> &Env {
        &self.shared.env
    }

    /// Whether both are the same client.
    pub fn is(&self, other: &Root) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether the store answers.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// How long one request may take.
    pub fn attempt_timeout(&self) -> Duration {
        self.shared.attempt_timeout
    }

    /// How long one request with a body of this many bytes may take: a second more for each MiB.
    pub fn time_for(&self, bytes: usize) -> Duration {
        self.attempt_timeout() + Duration::from_secs((bytes >> 20) as u64)
    }

    /// Store time: the date of the newest answer plus the time elapsed since; 1970 before the first.
    pub fn now(&self) -> StoreTime {
        let date = self
            .shared
            .date
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match *date {
            Some((date, at)) => date.plus(self.env().now().since(at)),
            None => StoreTime(0),
        }
    }

    /// Takes note of the date of an answer to what was sent at `sent`. Dates are truncated to a
    /// second by some stores, and an answer may have been long under way, so an estimate that is
    /// ahead by no more than that stands.
    fn observe(&self, sent: Mono, seen: StoreTime) {
        let now = self.env().now();
        let mut date = self
            .shared
            .date
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let keep = date.is_some_and(|(was, at)| {
            let estimate = was.plus(now.since(at));
            estimate >= seen && estimate.since(seen) < DATE_PRECISION + now.since(sent)
        });
        if !keep {
            *date = Some((seen, now));
        }
    }

    /// Waits before try number `attempt` (from 1): 50 ms doubling to 3 s, with jitter.
    pub async fn back_off(&self, attempt: u32) {
        let base = Duration::from_millis(50).saturating_mul(1 << attempt.min(6));
        self.env().sleep(self.env().jitter(base / 2)).await;
    }

    /// Runs a repeatable request until it is answered, a few times at most.
    async fn repeat<T, F, Fut>(
        &self,
        kind: Kind,
        limit: Duration,
        request: F,
    ) -> Result<Dated<T>, StoreError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<Dated<T>, StoreError>>,
    {
        let mut attempt = 1;
        loop {
            let sent = self.env().now();
            // What did not arrive in time may be large, or the way narrow: more time the next time.
            let limit = limit + MORE_TIME * (attempt - 1);
            let answer = self.env().within(limit, request()).await;
            let error = match answer {
                Some(Ok(answer)) => {
                    self.observe(sent, answer.date);
                    self.health().answered(kind, self.env().now());
                    return Ok(answer);
                }
                Some(Err(error)) => error,
                None => no_answer(kind),
            };
            self.health().failed(kind, self.env().now(), &error);
            if attempt == READ_ATTEMPTS || !matches!(error, StoreError::Unavailable(_)) {
                return Err(error);
            }
            self.back_off(attempt).await;
            attempt += 1;
        }
    }

    /// Reads one object.
    pub async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>> {
        self.get_sized(key, 0).await
    }

    /// Reads one object that is known to be about so large.
    pub async fn get_sized(&self, key: &StoreKey, bytes: usize) -> Result<Dated<Option<Object>>> {
        let get = || self.shared.counted.get(key);
        let answer = self.repeat(Kind::Get, self.time_for(bytes), get).await;
        if mutated(Mutant::HiddenMeansMissing) && matches!(answer, Err(StoreError::Denied(_))) {
            let (date, value) = (self.now(), None);
            return Ok(Dated { date, value });
        }
        answer.map_err(|e| unread(key, e))
    }

    /// Reads one object unless it is still the version `seen`.
    pub async fn get_if_changed(&self, key: &StoreKey, seen: &Etag) -> Result<Dated<Changed>> {
        let get = || self.shared.counted.get_if_changed(key, seen);
        let answer = self.repeat(Kind::Get, self.attempt_timeout(), get).await;
        answer.map_err(|e| unread(key, e))
    }

    /// One page of a listing.
    pub async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.repeat(Kind::List, self.attempt_timeout(), || {
            self.shared.counted.list(list)
        })
        .await
    }

    /// Deletes one object.
    pub async fn delete(&self, key: &StoreKey) -> Result<(), StoreError> {
        self.repeat(Kind::Delete, self.attempt_timeout(), || {
            self.shared.counted.delete(key)
        })
        .await
        .map(|_| ())
    }

    /// Deletes one version of an object, where the store can check that. Sent once: a lost answer
    /// is [`Write::Unknown`].
    pub async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let delete = self.shared.counted.delete_if(key, seen);
        let answer = self.env().within(self.attempt_timeout(), delete).await;
        self.watch(Kind::Delete, answer)
    }

    /// Deletes many objects; returns those that could not be deleted.
    pub async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Vec<(StoreKey, StoreError)>, StoreError> {
        self.repeat(Kind::Delete, self.attempt_timeout(), || {
            self.shared.counted.delete_many(keys)
        })
        .await
        .map(|a| a.value)
    }

    /// Sends one conditional write once: a create without `seen`, else an update.
    pub async fn send(
        &self,
        key: &StoreKey,
        body: Bytes,
        seen: Option<&Etag>,
    ) -> Result<Write, StoreError> {
        let store = &self.shared.counted;
        let limit = self.time_for(body.len());
        let sent = self.env().now();
        let write = match seen {
            None => store.create(key, body),
            Some(etag) => store.update(key, body, etag),
        };
        let answer = self.env().within(limit, write).await;
        if let Some(Ok(Write::Won { date, .. })) = &answer {
            self.observe(sent, *date);
        }
        self.watch(Kind::Put, answer)
    }

    /// Takes note of what a conditional request came to; without an answer it is unknown.
    fn watch(
        &self,
        kind: Kind,
        answer: Option<Result<Write, StoreError>>,
    ) -> Result<Write, StoreError> {
        let (health, now) = (self.health(), self.env().now());
        match &answer {
            Some(Ok(Write::Won { .. } | Write::Lost)) => health.answered(kind, now),
            Some(Ok(Write::Again { .. })) => {
                let busy = StoreError::Unavailable("it asks to come again later".into());
                health.failed(kind, now, &busy);
            }
            Some(Ok(Write::Unknown)) => {
                let why = self.shared.counted.doubt();
                health.failed(kind, now, &why.unwrap_or_else(|| no_answer(kind)));
            }
            None => health.failed(kind, now, &no_answer(kind)),
            Some(Err(error)) => health.failed(kind, now, error),
        }
        answer.unwrap_or(Ok(Write::Unknown))
    }
}

/// An object that is larger than any of ours is like one that cannot be understood: left as it is,
/// and nobody's mistake who meets it.
fn unread(key: &StoreKey, e: StoreError) -> Error {
    match e {
        StoreError::TooLarge(_) => Error::Unreadable {
            key: key.to_string(),
            why: e.to_string(),
        },
        e => e.into(),
    }
}

fn no_answer(kind: Kind) -> StoreError {
    StoreError::Unavailable(format!("no answer to {}", kind.as_str()))
}
