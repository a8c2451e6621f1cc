//! Being present, knowing who else is, and so which shards to look at.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;

use super::Finder;
use super::assign::own_shards;
use crate::env::Mono;
use crate::error::Result;
use crate::protocol::bell::bump_view;
use crate::protocol::write::{Settled, create, read, update};
use crate::record::{Key, Presence, Seen, Shard, V1, WorkerId, prefix};
use crate::store::{List, MAX_DELETE, StoreKey};

/// How often a worker shows that it is present.
pub(in crate::worker) const SHOW: Duration = Duration::from_secs(30);

/// A worker that has not shown itself for this long is gone.
pub(in crate::worker) const STALE: Duration = Presence::STALE;

/// How often the fleet is read at least …
pub(in crate::worker) const MUSTER: Duration = Duration::from_secs(60);

/// … and by a worker that is alone: nobody can die unseen, and whoever comes rings.
pub(in crate::worker) const MUSTER_ALONE: Duration = Duration::from_secs(120);

/// However often it changes, the fleet is read at most this often.
const APART: Duration = Duration::from_secs(2);

/// Those who start within this time of each other need not each tell the others.
const TOGETHER: Duration = Duration::from_millis(500);

/// Many start in the same instant (a deployment, an auto-scaler): until the others' presence has
/// landed too, each would look at everything and try what the others try.
const HERD: Duration = Duration::from_millis(120);

/// How soon after the start the fleet is read again, until it stays the same …
const SETTLE: Duration = Duration::from_millis(200);

/// … but not more often than this.
const SETTLE_AT_MOST: u32 = 5;

/// A worker that is full for this long leaves its shards to others.
const FULL: Duration = Duration::from_secs(10);

/// What a dead worker left behind is deleted after this long.
const REMAINS: Duration = Duration::from_secs(24 * 3600);

/// What is known of the workers present.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    presence: Option<Seen<Presence>>,
    shown_at: Option<Mono>,
    mustered_at: Option<Mono>,
    present: BTreeSet<WorkerId>,
    /// Shards above the present number that hold something.
    pub found: BTreeSet<Shard>,
    /// Not to be counted by others for now: full, or leaving.
    away: bool,
    stopped: bool,
}

impl Finder {
    /// Becomes present and learns who else is.
    pub(super) async fn join(&self) {
        if self.options.fleet {
            self.show().await;
            self.root.env().sleep(HERD).await;
            self.muster().await;
        } else {
            self.assign().await;
            self.state().settled = true;
        }
    }

    /// Stays present, and keeps up with who else is.
    pub(super) async fn run_fleet(&self) {
        let env = self.root.env();
        if !self.options.fleet {
            return std::future::pending().await;
        }
        futures::future::join(self.announce_self(), self.settle()).await;
        let mut stale = false;
        loop {
            let now = env.now();
            let since = |at: Option<Mono>| at.map_or(Duration::MAX, |at| now.since(at));
            let (shown, mustered, here) = {
                let fleet = self.fleet.lock().await;
                if fleet.stopped {
                    drop(fleet);
                    return std::future::pending().await;
                }
                (since(fleet.shown_at), since(fleet.mustered_at), !fleet.away)
            };
            let full = self.state().full_for(now);
            let others = self.state().workers > 1;
            let muster = if others { MUSTER } else { MUSTER_ALONE };
            let mut wait = muster.saturating_sub(mustered);
            if stale {
                wait = wait.min(APART.saturating_sub(mustered));
            }
            if here {
                wait = wait.min(SHOW.saturating_sub(shown));
                if others && full > Duration::ZERO {
                    wait = wait.min(FULL.saturating_sub(full));
                }
                if others && full >= FULL {
                    self.leave().await;
                    continue;
                }
            } else if full < FULL {
                self.come().await;
                continue;
            }
            if !wait.is_zero() {
                tokio::select! {
                    biased;
                    () = self.muster.notified() => stale = true,
                    () = self.capacity.notified() => {}
                    () = env.sleep(wait) => {}
                }
                continue;
            }
            if here && shown >= SHOW {
                self.show().await;
            }
            if mustered >= muster || (stale && mustered >= APART) {
                stale = false;
                // Those who heard the same ring need not all list at the same moment.
                env.sleep(env.jitter(Duration::from_millis(100))).await;
                self.muster().await;
            }
        }
    }

    /// Leaves for good: others take over at once what was looked at here.
    pub async fn withdraw(&self) {
        self.state().stopped = true;
        self.ready.notify_waiters();
        if self.options.fleet {
            self.fleet.lock().await.stopped = true;
            self.leave().await;
        }
        self.ringer.flush().await;
    }

    async fn come(&self) {
        self.fleet.lock().await.away = false;
        self.show().await;
        self.muster().await;
        if self.state().workers > 1 {
            self.tell().await;
        }
    }

    async fn leave(&self) {
        let mut fleet = self.fleet.lock().await;
        fleet.presence = None;
        fleet.away = true;
        fleet.present.remove(&self.me);
        let key = Key::Presence(self.queue.clone(), self.me.clone()).store_key();
        let deleted = self.root.delete(&key).await;
        let others = !fleet.present.is_empty();
        drop(fleet);
        if let Err(e) = deleted {
            tracing::warn!(queue = %self.queue, error = %e, "the presence could not be withdrawn");
        }
        self.assign().await;
        if others {
            self.tell().await;
        }
    }

    /// Looks who else is here until nobody comes any more: many start together, and until they know
    /// of each other they look at the same shards.
    async fn settle(&self) {
        let mut before = self.fleet.lock().await.present.clone();
        for _ in 0..SETTLE_AT_MOST {
            self.root.env().sleep(SETTLE).await;
            if self.fleet.lock().await.stopped {
                return;
            }
            self.muster().await;
            let present = self.fleet.lock().await.present.clone();
            if present == before {
                break;
            }
            before = present;
        }
        self.state().settled = true;
        self.look.notify_one();
        self.crowds.notify_one();
    }

    /// Tells others that one more is here, unless somebody makes them look again anyway: of many who
    /// start together, few have to speak.
    async fn announce_self(&self) {
        // The bell was asked after the presence was shown, so a change since then is late enough.
        let (view, others) = {
            let state = self.state();
            (state.view(), state.workers > 1)
        };
        let env = self.root.env();
        env.sleep(env.jitter(TOGETHER)).await;
        if others && self.state().view() == view {
            self.tell().await;
        }
    }

    /// Makes others read the fleet again.
    async fn tell(&self) {
        if let Err(e) = bump_view(&self.root, &self.queue).await {
            tracing::debug!(queue = %self.queue, error = %e, "the others were not told");
        }
    }

    /// Writes the presence, for the first time or again.
    async fn show(&self) {
        let mut fleet = self.fleet.lock().await;
        let now = self.root.env().now();
        fleet.shown_at = Some(now);
        if fleet.stopped {
            return;
        }
        match self.write_presence(fleet.presence.take()).await {
            Ok(seen) => fleet.presence = seen,
            Err(e) => {
                // Twice more before others think that this worker is gone.
                fleet.shown_at = Some(now - SHOW / 2);
                tracing::warn!(queue = %self.queue, error = %e, "the presence could not be shown");
            }
        }
    }

    async fn write_presence(&self, old: Option<Seen<Presence>>) -> Result<Option<Seen<Presence>>> {
        let key = Key::Presence(self.queue.clone(), self.me.clone());
        if let Some(old) = old {
            let next = old.record.clone();
            if let Settled::Won { seen, .. } = update(&self.root, &key, &old, next).await? {
                return Ok(Some(seen));
            }
        }
        let make = |write| Presence {
            v: V1,
            write,
            about: self.options.about.clone(),
            extra: std::collections::BTreeMap::new(),
        };
        match create(&self.root, &key, make).await? {
            Settled::Won { seen, .. } => Ok(Some(seen)),
            // Nobody else writes this key: an earlier write of our own has landed after all.
            Settled::Lost(Some(seen)) => Ok(Some(seen)),
            Settled::Lost(None) | Settled::Doubt => read(&self.root, &key).await,
        }
    }

    /// Reads who is present.
    async fn muster(&self) {
        let mut fleet = self.fleet.lock().await;
        fleet.mustered_at = Some(self.root.env().now());
        // Whoever was announced so far is seen now.
        let _ = self.muster.notified().now_or_never();
        let mut list = List::prefix(prefix::fleet(&self.queue));
        let mut present = BTreeSet::new();
        let mut remains: Vec<StoreKey> = Vec::new();
        loop {
            let page = match self.root.list(&list).await {
                Ok(page) => page,
                Err(e) => {
                    tracing::warn!(queue = %self.queue, error = %e, "the fleet could not be read");
                    break;
                }
            };
            for line in page.value.entries {
                let Some(Key::Presence(_, worker)) = Key::parse(line.key.as_str()) else {
                    continue;
                };
                let age = page.date.since(line.last_modified);
                if age < STALE {
                    present.insert(worker);
                } else if age > REMAINS && remains.len() < MAX_DELETE {
                    remains.push(line.key);
                }
            }
            match page.value.next {
                Some(next) => list = list.after(next),
                None => {
                    fleet.present = present;
                    break;
                }
            }
        }
        let first = fleet.present.first() == Some(&self.me);
        drop(fleet);
        self.assign().await;
        if first && !remains.is_empty() {
            let _ = self.root.delete_many(&remains).await;
        }
    }

    /// Computes anew which shards are this worker's.
    pub(super) async fn assign(&self) {
        let fleet = self.fleet.lock().await;
        let high = self.settings().shards_high;
        let mut present = BTreeSet::new();
        if self.options.fleet {
            present.clone_from(&fleet.present);
        }
        if !fleet.away {
            // Even if the fleet could not be read: looking at too much harms nobody.
            present.insert(self.me.clone());
        }
        let mut own = own_shards(&present, &self.me, high);
        if !fleet.away {
            own.extend(fleet.found.iter().copied());
        }
        let mut state = self.state();
        state.workers = present.len().max(1);
        state.adopt(own, self.root.env().now());
        drop(state);
        self.look.notify_one();
    }

    /// This worker's place among those present, and how many there are.
    pub(super) async fn place(&self) -> (usize, usize) {
        let fleet = self.fleet.lock().await;
        let rank = fleet.present.iter().position(|w| *w == self.me);
        (rank.unwrap_or(0), fleet.present.len().max(1))
    }
}
