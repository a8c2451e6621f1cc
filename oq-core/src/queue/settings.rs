//! A queue's settings, as a producer knows them: read once, and again when they may be stale.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Queue;
use crate::env::Mono;
use crate::error::{Error, Result};
use crate::protocol::Root;
use crate::protocol::write::{Settled, modify, read, update};
use crate::record::{Key, QueueName, Seen, Settings, Shard, Stamp, prefix, seen};
use crate::store::{Changed, Etag, List};
use crate::testing::mutant::{Mutant, mutated};

/// How old the settings may be that a submission goes by.
const MAX_AGE: Duration = Duration::from_secs(15);

/// How soon they are read again when that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Settings that were read.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub(super) settings: Arc<Settings>,
    etag: Option<Etag>,
    at: Mono,
}

impl Cached {
    pub(super) async fn read(root: &Root, queue: &QueueName) -> Result<Cached> {
        let at = root.env().now();
        let key = Key::Settings(queue.clone()).store_key();
        let (settings, etag) = match root.get(&key).await?.value {
            Some(object) => {
                let Seen { record, etag, .. } = seen::<Settings>(&key, object)?;
                (record, Some(etag))
            }
            None => (initial(root), None),
        };
        Ok(Cached {
            settings: Arc::new(settings),
            etag,
            at,
        })
    }

    /// Whether somebody changed them ever.
    pub(super) fn is_written(&self) -> bool {
        self.etag.is_some()
    }

    async fn again(&self, root: &Root, queue: &QueueName) -> Result<Cached> {
        let Some(etag) = &self.etag else {
            return Cached::read(root, queue).await;
        };
        let at = root.env().now();
        let key = Key::Settings(queue.clone()).store_key();
        match root.get_if_changed(&key, etag).await?.value {
            Changed::Same => Ok(Cached { at, ..self.clone() }),
            Changed::Missing => Ok(Cached {
                settings: Arc::new(initial(root)),
                etag: None,
                at,
            }),
            Changed::Now(object) => {
                let Seen { record, etag, .. } = seen::<Settings>(&key, object)?;
                Ok(Cached {
                    settings: Arc::new(record),
                    etag: Some(etag),
                    at,
                })
            }
        }
    }
}

fn initial(root: &Root) -> Settings {
    Settings::initial(Stamp::first(root.now(), root.env().entropy.as_ref()))
}

/// How long `shards_high` outlives the last change of the settings: longer than any producer goes
/// by old settings, and than a late write takes to land.
const SHARDS_KEPT: Duration = Duration::from_secs(3600);

impl Queue {
    /// The queue's settings, read now; the defaults if nobody changed any.
    pub async fn settings(&self) -> Result<Settings> {
        let fresh = Cached::read(self.root(), self.name()).await?;
        self.remember(fresh.clone());
        Ok(fresh.settings.as_ref().clone())
    }

    /// Changes the queue's settings, and creates them on first use. `change` may be called again
    /// when others change them at the same time.
    ///
    /// Producers notice within 15 s, workers at their next look at the bell.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use oq_core::queue::Queue;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let week = Duration::from_secs(7 * 86_400);
    /// let settings = queue.change_settings(|s| s.defaults.retention = week).await?;
    /// assert_eq!(settings.defaults.retention, week);
    /// # Ok(()) }
    /// ```
    pub async fn change_settings(&self, change: impl Fn(&mut Settings)) -> Result<Settings> {
        self.try_change(|settings| {
            change(settings);
            Ok(())
        })
        .await
    }

    async fn try_change(&self, change: impl Fn(&mut Settings) -> Result<()>) -> Result<Settings> {
        let key = Key::Settings(self.name().clone());
        let at = self.root().env().now();
        let written = modify(
            self.root(),
            &key,
            Settings::initial,
            |settings: &mut Settings| {
                let high = settings.shards_high;
                change(settings)?;
                // Workers must look where tasks may be: lowering it is another matter (see below).
                settings.shards_high = settings.shards_high.max(settings.shards).max(high);
                if mutated(Mutant::ShrinkWithoutHigh) {
                    settings.shards_high = settings.shards;
                }
                settings.check()
            },
        )
        .await?;
        self.remember(Cached {
            settings: Arc::new(written.record.clone()),
            etag: Some(written.etag),
            at,
        });
        self.bump().await;
        Ok(written.record)
    }

    /// Workers claim nothing from now on; what runs goes on.
    pub async fn pause(&self) -> Result<Settings> {
        self.change_settings(|settings| settings.paused = true)
            .await
    }

    /// Workers claim again.
    pub async fn resume(&self) -> Result<Settings> {
        self.change_settings(|settings| settings.paused = false)
            .await
    }

    /// How many shards producers use, 1 to 1024. Workers look at more at once if it grows; if it
    /// shrinks they go on looking at the old ones until [`Queue::settle_shards`].
    pub async fn set_shards(&self, shards: u16) -> Result<Settings> {
        if !(1..=Shard::LIMIT).contains(&shards) {
            return Err(Error::invalid(format!("{shards} shards"), "use 1 to 1024"));
        }
        self.change_settings(move |settings| settings.shards = shards)
            .await
    }

    /// Lets workers stop looking at shards that producers do not use any more, if the settings have
    /// not changed for an hour and nothing is left there. Returns whether that is so.
    ///
    /// Tasks that a program with old settings puts there later are found by the workers' sweep.
    pub async fn settle_shards(&self) -> Result<bool> {
        let key = Key::Settings(self.name().clone());
        let Some(old) = read::<Settings>(self.root(), &key).await? else {
            return Ok(true);
        };
        let (shards, high) = (old.record.shards, old.record.shards_high);
        if shards == high {
            return Ok(true);
        }
        let changed = old.last_modified.unwrap_or_else(|| self.root().now());
        if self.root().now().since(changed) < SHARDS_KEPT {
            return Ok(false);
        }
        for shard in (shards..high).map(Shard::new) {
            let list = List::prefix(prefix::live_shard(self.name(), shard?)).limit(1);
            if !self.root().list(&list).await?.value.entries.is_empty() {
                return Ok(false);
            }
        }
        let next = Settings {
            shards_high: shards,
            ..old.record.clone()
        };
        let settled = update(self.root(), &key, &old, next).await?;
        self.bump().await;
        Ok(matches!(settled, Settled::Won { .. }))
    }

    /// The settings to submit by, at most 15 s old.
    pub(super) async fn current(&self) -> Arc<Settings> {
        self.settings_within(MAX_AGE).await
    }

    /// The settings, not older than that. If they cannot be read again the old ones do: whether the
    /// store takes tasks shows when one is written.
    pub(crate) async fn settings_within(&self, age: Duration) -> Arc<Settings> {
        let env = self.root().env();
        let fresh = |cached: &Cached| env.now().since(cached.at) < age;
        let cached = self.cached();
        if fresh(&cached) {
            return cached.settings;
        }
        // One reads them for all: a thousand submissions in flight would each pay for it.
        let _refreshing = self.inner.refreshing.lock().await;
        let mut cached = self.cached();
        if fresh(&cached) {
            return cached.settings;
        }
        match cached.again(self.root(), self.name()).await {
            Ok(fresh) => {
                let settings = fresh.settings.clone();
                self.remember(fresh);
                settings
            }
            Err(e) => {
                tracing::debug!(queue = %self.name(), error = %e, "the settings could not be read again");
                let settings = cached.settings.clone();
                cached.at = env.now() - age.saturating_sub(RETRY);
                self.remember(cached);
                settings
            }
        }
    }

    pub(super) fn cached(&self) -> Cached {
        let cached = self.inner.settings.lock();
        cached.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn remember(&self, fresh: Cached) {
        let mut cached = self
            .inner
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *cached = fresh;
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::store::{Delayed, Latency, MemoryStore, Metered};
    use crate::testing::sim_clock::SimHost;

    #[tokio::test(start_paused = true)]
    async fn submissions_in_flight_read_the_settings_once() {
        let store = Metered::new(Arc::new(MemoryStore::default()));
        let meter = store.meter();
        let env = SimHost::new(1, Duration::ZERO, 0).env(1);
        let store = Arc::new(Delayed::new(Arc::new(store), Latency::S3, env.clone()));
        let name = QueueName::new("mail").unwrap();
        let queue = Queue::open(Root::new(store, env.clone()), name)
            .await
            .unwrap();
        env.sleep(MAX_AGE).await;
        let before = meter.snapshot();
        futures::future::join_all((0..100).map(|_| queue.current())).await;
        assert_eq!((meter.snapshot() - before).get(), 1);
    }
}
