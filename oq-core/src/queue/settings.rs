//! A queue's settings, as a producer knows them: read once, and again when they may be stale.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Queue;
use crate::env::Mono;
use crate::error::Result;
use crate::protocol::Root;
use crate::record::{Key, QueueName, Seen, Settings, Stamp, seen};
use crate::store::{Changed, Etag};

/// How old the settings may be that a submission goes by.
const MAX_AGE: Duration = Duration::from_secs(15);

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

impl Queue {
    /// The settings to submit by, at most 15 s old. If they cannot be read again the old ones do:
    /// whether the store takes tasks shows when one is written.
    pub(super) async fn current(&self) -> Arc<Settings> {
        let cached = self.cached();
        if self.root().env().now().since(cached.at) < MAX_AGE {
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
                cached.settings
            }
        }
    }

    fn cached(&self) -> Cached {
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
