//! A store that is as slow as one far away, to see at one's desk how a program will feel.

use std::f64::consts::TAU;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Changed, Dated, Etag, List, Object, Page, Store, StoreError, StoreKey, Write};
use crate::env::Env;

/// How long a store takes to answer: log-normal around a median for each kind of request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// The median of a read.
    pub get: Duration,
    /// The median of a conditional write.
    pub put: Duration,
    /// The median of a listing.
    pub list: Duration,
    /// The median of a deletion.
    pub delete: Duration,
    /// How far it strays: 0.45 makes one in a hundred 2.8 times as slow as the median.
    pub sigma: f64,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Latency {
    /// No wait at all.
    pub const NONE: Latency = Latency {
        get: ms(0),
        put: ms(0),
        list: ms(0),
        delete: ms(0),
        sigma: 0.0,
    };
    /// S3 Standard from the same region, as others measured it.
    pub const S3: Latency = Latency {
        get: ms(20),
        put: ms(40),
        list: ms(40),
        delete: ms(20),
        sigma: 0.45,
    };
    /// S3 Express One Zone from the same zone.
    pub const EXPRESS: Latency = Latency {
        get: ms(5),
        put: ms(7),
        list: ms(7),
        delete: ms(5),
        sigma: 0.3,
    };

    /// How long one answer takes whose median is `median`.
    pub fn sample(&self, median: Duration, env: &Env) -> Duration {
        if median.is_zero() {
            return median;
        }
        // Box and Muller: two uniform numbers make a normal one. The first is never zero.
        let (a, b) = (1.0 - unit(env), unit(env));
        let normal = (-2.0 * a.ln()).sqrt() * (TAU * b).cos();
        median.mul_f64((self.sigma * normal).exp())
    }
}

impl FromStr for Latency {
    type Err = StoreError;
    fn from_str(profile: &str) -> Result<Latency, StoreError> {
        match profile {
            "none" => Ok(Latency::NONE),
            "s3" => Ok(Latency::S3),
            "express" => Ok(Latency::EXPRESS),
            own if own.contains('=') => own.split(',').try_fold(Latency::NONE, Latency::with),
            other => Err(StoreError::Misconfigured(format!(
                "there is no latency profile '{other}'; use none, s3, express or medians and \
                 spread of your own, as in {OWN}"
            ))),
        }
    }
}

/// A profile of one's own.
const OWN: &str = "get=20ms,put=40ms,list=40ms,delete=20ms,sigma=0.45";

impl Latency {
    /// The same profile with one part set, `put=40ms` or `sigma=0.45`.
    fn with(mut self, part: &str) -> Result<Latency, StoreError> {
        let wrong = || {
            StoreError::Misconfigured(format!(
                "'{part}' is no part of a latency profile; write it as in {OWN}"
            ))
        };
        let (name, value) = part.trim().split_once('=').ok_or_else(wrong)?;
        if name == "sigma" {
            let sigma: f64 = value.parse().map_err(|_| wrong())?;
            self.sigma = Some(sigma)
                .filter(|s| (0.0..=3.0).contains(s))
                .ok_or_else(wrong)?;
            return Ok(self);
        }
        let median = match name {
            "get" => &mut self.get,
            "put" => &mut self.put,
            "list" => &mut self.list,
            "delete" => &mut self.delete,
            _ => return Err(wrong()),
        };
        let millis = value.strip_suffix("ms").ok_or_else(wrong)?;
        let millis: u64 = millis.parse().map_err(|_| wrong())?;
        *median = ms(Some(millis).filter(|&m| m <= 60_000).ok_or_else(wrong)?);
        Ok(self)
    }
}

/// A uniform number from zero up to, but not including, one.
pub(super) fn unit(env: &Env) -> f64 {
    const BITS: u32 = 53;
    (env.entropy.next_u64() >> (64 - BITS)) as f64 / (1u64 << BITS) as f64
}

/// A store that answers as slowly as a [`Latency`] says.
///
/// Some of the time passes before the request is applied and the rest after, as on a network, so
/// that what others do meanwhile comes sometimes before it and sometimes after.
#[derive(Debug)]
pub struct Delayed {
    inner: Arc<dyn Store>,
    latency: Latency,
    env: Env,
}

impl Delayed {
    /// Slows `inner` down on the clock and with the randomness of `env`.
    pub fn new(inner: Arc<dyn Store>, latency: Latency, env: Env) -> Delayed {
        Delayed {
            inner,
            latency,
            env,
        }
    }

    async fn slowly<T>(&self, median: Duration, request: impl Future<Output = T>) -> T {
        let time = self.latency.sample(median, &self.env);
        if time.is_zero() {
            return request.await;
        }
        let there = time.mul_f64(unit(&self.env));
        self.env.sleep(there).await;
        let answer = request.await;
        self.env.sleep(time.saturating_sub(there)).await;
        answer
    }
}

#[async_trait]
impl super::Passing for Delayed {
    fn to(&self) -> &dyn Store {
        &*self.inner
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.slowly(self.latency.get, self.inner.get(key)).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        let request = self.inner.get_if_changed(key, seen);
        self.slowly(self.latency.get, request).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let request = self.inner.create(key, body);
        self.slowly(self.latency.put, request).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let request = self.inner.update(key, body, seen);
        self.slowly(self.latency.put, request).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.slowly(self.latency.delete, self.inner.delete(key))
            .await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        let request = self.inner.delete_many(keys);
        self.slowly(self.latency.delete, request).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let request = self.inner.delete_if(key, seen);
        self.slowly(self.latency.delete, request).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.slowly(self.latency.list, self.inner.list(list)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, conformance};

    fn delayed(latency: Latency) -> Arc<dyn Store> {
        let inner = Arc::new(MemoryStore::new());
        Arc::new(Delayed::new(inner, latency, Env::system()))
    }

    #[tokio::test]
    async fn is_still_a_store() {
        let quick = Latency {
            get: Duration::from_micros(100),
            put: Duration::from_micros(300),
            list: Duration::from_micros(300),
            delete: Duration::from_micros(100),
            sigma: 1.0,
        };
        conformance::run(|| async move { delayed(quick) }).await;
        conformance::run(|| async { delayed(Latency::NONE) }).await;
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods)] // reads the paused clock of the test
    async fn answers_as_slowly_as_its_profile() {
        let store = delayed(Latency::S3);
        let key = StoreKey::listed("a");
        let mut times = Vec::new();
        for _ in 0..2001 {
            let start = tokio::time::Instant::now();
            store.get(&key).await.unwrap();
            times.push(start.elapsed());
        }
        times.sort();
        let (median, p99) = (times[1000], times[1980]);
        assert!(median > ms(17) && median < ms(24), "median {median:?}");
        assert!(p99 > ms(40) && p99 < ms(90), "p99 {p99:?}");
    }

    #[test]
    fn profiles_go_by_name() {
        assert_eq!("s3".parse(), Ok(Latency::S3));
        assert_eq!("express".parse(), Ok(Latency::EXPRESS));
        assert_eq!("none".parse(), Ok(Latency::NONE));
        let own = "put=40ms,get=5ms,sigma=0.1".parse::<Latency>().unwrap();
        assert_eq!((own.put, own.get, own.list), (ms(40), ms(5), ms(0)));
        for wrong in [
            "put=40",
            "put=ms",
            "wait=1ms",
            "sigma=-1",
            "sigma=NaN",
            "put=99999999ms",
            "=",
            "get=1ms,,",
        ] {
            let why = wrong.parse::<Latency>().unwrap_err().to_string();
            assert!(why.contains("get=20ms"), "{wrong}: {why}");
        }
        let unknown = "fast".parse::<Latency>().unwrap_err().to_string();
        assert!(unknown.contains("none, s3, express"), "{unknown}");
    }
}
