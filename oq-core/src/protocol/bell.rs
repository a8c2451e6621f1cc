//! Ringing the doorbell: after a write, producers tell the owner of a shard to look there.
//!
//! Rings are coalesced and may be lost. Nothing depends on them but the time until a task is seen:
//! the workers' sweep finds what a lost ring announced.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::env::Mono;
use crate::error::Result;
use crate::protocol::root::Root;
use crate::protocol::write::{Settled, create_while, read, update_while};
use crate::record::{Bell, Key, QueueName, Shard, Stamp};

/// The shortest time between two rings of one process.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a process about to exit waits for its last ring.
const FLUSH: Duration = Duration::from_secs(5);

/// Rings the bell of one queue for one process, in the background.
#[derive(Debug)]
pub struct Ringer {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    root: Root,
    queue: QueueName,
    pending: Mutex<Pending>,
    rung: Notify,
    /// Held while a ring is being sent, so that a flush neither overtakes nor repeats one.
    sending: tokio::sync::Mutex<Option<Mono>>,
}

#[derive(Debug, Default)]
struct Pending {
    shards: BTreeSet<Shard>,
    help: Option<Shard>,
}

impl Ringer {
    /// A ringer that does nothing until it is asked to.
    pub fn new(root: Root, queue: QueueName) -> Ringer {
        Ringer {
            shared: Arc::new(Shared {
                root,
                queue,
                pending: Mutex::default(),
                rung: Notify::new(),
                sending: tokio::sync::Mutex::new(None),
            }),
            task: Mutex::new(None),
        }
    }

    /// Announces work in a shard; returns at once.
    pub fn ring(&self, shard: Shard) {
        self.shared.pending().shards.insert(shard);
        self.start();
    }

    /// Calls for help with a shard; returns at once.
    pub fn help(&self, shard: Shard) {
        self.shared.pending().help = Some(shard);
        self.start();
    }

    /// Waits until everything rung so far is sent or given up, at most five seconds.
    pub async fn flush(&self) {
        let env = self.shared.root.env();
        if env.within(FLUSH, self.shared.send()).await.is_none() {
            tracing::debug!(queue = %self.shared.queue, "the last ring got no answer in time");
        }
    }

    /// Outside a runtime rings wait for [`Ringer::flush`].
    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let shared = self.shared.clone();
            *task = Some(runtime.spawn(async move { shared.run().await }));
        }
        self.shared.rung.notify_one();
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Shared {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self) {
        loop {
            self.rung.notified().await;
            self.send().await;
        }
    }

    /// Sends what is pending, not sooner than the interval after the last time.
    async fn send(&self) {
        let mut last = self.sending.lock().await;
        let nothing = {
            let pending = self.pending();
            pending.shards.is_empty() && pending.help.is_none()
        };
        if nothing {
            return;
        }
        let env = self.root.env();
        if let Some(at) = *last {
            let slowest = self.root.store().abilities().write_interval;
            let interval = INTERVAL.max(slowest.unwrap_or_default());
            env.sleep(interval.saturating_sub(env.now().since(at)))
                .await;
        }
        let pending = std::mem::take(&mut *self.pending());
        *last = Some(env.now());
        let change = |bell: &mut Bell| {
            for shard in &pending.shards {
                bell.ring(*shard);
            }
            if let Some(shard) = pending.help {
                bell.call_for_help(shard);
            }
        };
        // Whoever rang after the bell was first read has rung for us too.
        let rung = |was: &Bell, is: &Bell| {
            let shards = pending.shards.iter();
            pending.help.is_none_or(|_| was.help != is.help)
                && shards
                    .into_iter()
                    .all(|s| was.rings.get(s) != is.rings.get(s))
        };
        match write(&self.root, &self.queue, 2, change, rung).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!(queue = %self.queue, "a ring was lost to others'"),
            Err(e) => tracing::debug!(queue = %self.queue, error = %e, "a ring was lost"),
        }
    }
}

/// Asks everybody to read the settings and the fleet again; for operators after a change of the
/// settings, and for workers that come and go. Best effort: all read both again within a minute.
pub async fn bump_view(root: &Root, queue: &QueueName) -> Result<()> {
    let bumped = |was: &Bell, is: &Bell| was.view != is.view;
    write(root, queue, 4, Bell::bump_view, bumped)
        .await
        .map(|_| ())
}

/// Changes the bell; gives up after so many lost races. After a lost race it may turn out that what
/// was to be said is `said`: what others wrote since the first look says the same.
async fn write(
    root: &Root,
    queue: &QueueName,
    tries: u32,
    change: impl Fn(&mut Bell),
    said: impl Fn(&Bell, &Bell) -> bool,
) -> Result<bool> {
    let key = Key::Bell(queue.clone());
    let mut first: Option<Bell> = None;
    let twice = |send: u32| send <= 2;
    for attempt in 1..=tries {
        let settled = match read::<Bell>(root, &key).await? {
            Some(old) => {
                match &first {
                    Some(first) if said(first, &old.record) => return Ok(true),
                    Some(_) => {}
                    None => first = Some(old.record.clone()),
                }
                let mut next = old.record.clone();
                change(&mut next);
                update_while(root, &key, &old, next, twice).await?
            }
            None => {
                let stamp = || Stamp::first(root.now(), root.env().entropy.as_ref());
                first.get_or_insert_with(|| Bell::silent(stamp()));
                let make = |stamp| {
                    let mut bell = Bell::silent(stamp);
                    change(&mut bell);
                    bell
                };
                create_while(root, &key, make, twice).await?
            }
        };
        match settled {
            Settled::Won { .. } => return Ok(true),
            Settled::Doubt => return Ok(false),
            Settled::Lost(_) if attempt < tries => root.back_off(attempt).await,
            Settled::Lost(_) => {}
        }
    }
    Ok(false)
}
