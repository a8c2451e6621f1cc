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
use crate::record::{Bell, Key, NAMED, ObjectId, QueueName, Seen, Shard, Stamp};

/// The time between two rings of one process, on average: those that began together must not go on
/// ringing together.
const INTERVAL: Duration = Duration::from_millis(500);

/// One ring names so many objects at most: others' names last for a few rings, and what comes in larger
/// numbers is found sooner, and for little each, by listings.
const MOST: usize = NAMED / 4;

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
    sending: tokio::sync::Mutex<Sent>,
}

/// What is known of the rings sent so far.
#[derive(Debug, Default)]
struct Sent {
    /// When the next one is due, if they keep to their interval.
    next: Option<Mono>,
    known: Known,
}

/// What one process knows of the bell that it writes.
#[derive(Debug, Default)]
struct Known {
    /// As it was written last.
    bell: Option<Seen<Bell>>,
    /// Nobody else wrote it between the last two rings: it need not be read before the next.
    alone: bool,
}

#[derive(Debug, Default)]
struct Pending {
    /// Objects that are there.
    named: BTreeSet<ObjectId>,
    /// Shards that hold more than is named.
    shards: BTreeSet<Shard>,
    help: Option<Shard>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.shards.is_empty() && self.help.is_none()
    }

    /// This one is there. Of too many only the shards are told: it takes listings to find them all.
    fn add(&mut self, id: ObjectId) {
        if self.shards.contains(&id.shard()) {
            return;
        }
        self.named.insert(id);
        if self.named.len() > MOST {
            self.unname();
        }
    }

    /// Tells of shards only from now on.
    fn unname(&mut self) {
        let named = std::mem::take(&mut self.named);
        self.shards.extend(named.into_iter().map(ObjectId::shard));
    }

    /// A lost ring is to be rung as well. Where so many ring, a listing that any of them asks for finds
    /// what all have written: so it names nothing any more.
    fn take_on(&mut self, mut lost: Pending) {
        lost.unname();
        self.shards.extend(lost.shards);
        self.named.retain(|id| !self.shards.contains(&id.shard()));
        self.help = self.help.or(lost.help);
    }

    fn ring(&self, bell: &mut Bell) {
        self.shards.iter().for_each(|shard| bell.ring(*shard));
        self.named.iter().for_each(|id| bell.name(*id));
        if let Some(shard) = self.help {
            bell.call_for_help(shard);
        }
    }
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
                sending: tokio::sync::Mutex::default(),
            }),
            task: Mutex::new(None),
        }
    }

    /// Announces work in a shard; returns at once.
    #[cfg(test)]
    pub fn ring(&self, shard: Shard) {
        self.shared.pending().shards.insert(shard);
        self.start();
    }

    /// Announces one object; returns at once.
    pub fn announce(&self, id: ObjectId) {
        self.shared.pending().add(id);
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
        // One that is on its way is waited for, and what is rung meanwhile is not.
        let all = async { while self.shared.send().await {} };
        if env.within(FLUSH, all).await.is_none() {
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

    /// This is to be rung once more, with whatever has come meanwhile.
    fn again(&self, lost: Pending) {
        self.pending().take_on(lost);
        self.rung.notify_one();
    }

    /// Sends what is pending, not sooner than the interval after the last time; whether it is
    /// pending still, because others were faster.
    async fn send(&self) -> bool {
        let mut sent = self.sending.lock().await;
        if self.pending().is_empty() {
            return false;
        }
        let env = self.root.env();
        let slowest = self.root.store().abilities().write_interval;
        let interval = env.jitter(INTERVAL).max(slowest.unwrap_or_default());
        // Of two tasks that come close together the second need not wait either, where the store
        // takes two writes.
        let early = slowest.map_or(INTERVAL, |_| Duration::ZERO);
        let due = sent.next.unwrap_or_default();
        env.sleep((due - early).since(env.now())).await;
        let pending = std::mem::take(&mut *self.pending());
        sent.next = Some(due.max(env.now()) + interval);
        let change = |bell: &mut Bell| pending.ring(bell);
        // Whoever rang after the bell was first read has rung for us too, unless he named what he meant.
        let rung = |was: &Bell, is: &Bell| {
            let by_others =
                |s: &Shard| was.rings.get(s) != is.rings.get(s) && is.is_to_be_listed(*s);
            pending.help.is_none_or(|_| was.help != is.help)
                && pending.shards.iter().all(by_others)
                && pending.named.iter().all(|id| by_others(&id.shard()))
        };
        match write(&self.root, &self.queue, 2, &mut sent.known, change, rung).await {
            Ok(Rung::Yes) => {}
            Ok(Rung::Lost) => {
                tracing::debug!(queue = %self.queue, "a ring was lost to others'; it follows with the next");
                self.again(pending);
                return true;
            }
            Ok(Rung::Doubt) => tracing::debug!(queue = %self.queue, "a ring may be lost"),
            Err(e) => tracing::debug!(queue = %self.queue, error = %e, "a ring was lost"),
        }
        false
    }
}

/// What came of changing the bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Yes,
    /// Others were faster each time.
    Lost,
    /// Nobody knows.
    Doubt,
}

/// Asks everybody to read the settings and the fleet again; for operators after a change of the
/// settings, and for workers that come and go. Best effort: all read both again within two minutes.
pub async fn bump_view(root: &Root, queue: &QueueName) -> Result<()> {
    let bumped = |was: &Bell, is: &Bell| was.view != is.view;
    let unknown = &mut Known::default();
    write(root, queue, 4, unknown, Bell::bump_view, bumped)
        .await
        .map(|_| ())
}

/// Changes the bell; gives up after so many lost races. After a lost race it may turn out that what
/// was to be said is `said`: what others wrote since the first look says the same.
async fn write(
    root: &Root,
    queue: &QueueName,
    tries: u32,
    known: &mut Known,
    change: impl Fn(&mut Bell),
    said: impl Fn(&Bell, &Bell) -> bool,
) -> Result<Rung> {
    let key = Key::Bell(queue.clone());
    let mut first: Option<Bell> = None;
    let twice = |send: u32| send <= 2;
    if known.alone
        && let Some(old) = known.bell.take()
    {
        let mut next = old.record.clone();
        change(&mut next);
        match update_while(root, &key, &old, next, twice).await? {
            Settled::Won { seen, .. } => {
                known.bell = Some(seen);
                return Ok(Rung::Yes);
            }
            Settled::Doubt => return Ok(Rung::Doubt),
            Settled::Lost(_) => known.alone = false,
        }
    }
    for attempt in 1..=tries {
        let settled = match read::<Bell>(root, &key).await? {
            Some(old) => {
                known.alone = known.bell.take().is_some_and(|mine| mine.etag == old.etag);
                match &first {
                    Some(first) if said(first, &old.record) => return Ok(Rung::Yes),
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
            Settled::Won { seen, .. } => {
                known.bell = Some(seen);
                return Ok(Rung::Yes);
            }
            Settled::Doubt => return Ok(Rung::Doubt),
            Settled::Lost(_) if attempt < tries => root.back_off(attempt).await,
            Settled::Lost(_) => {}
        }
    }
    Ok(Rung::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemEntropy;
    use crate::record::Priority;
    use crate::store::{Delayed, Latency, MemoryStore};
    use crate::testing::sim_clock::SimHost;
    use crate::time::StoreTime;

    fn ids(range: std::ops::Range<u64>) -> impl Iterator<Item = ObjectId> {
        range.map(|n| {
            let shard = Shard::new((n % 16) as u16).unwrap();
            ObjectId::from_parts(StoreTime(7), n, Priority::NORMAL, 1, shard)
        })
    }

    fn rung(pending: &Pending) -> Bell {
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        pending.ring(&mut bell);
        bell
    }

    #[test]
    fn names_what_is_there_unless_it_is_too_much() {
        let mut pending = Pending::default();
        ids(0..MOST as u64).for_each(|id| pending.add(id));
        let bell = rung(&pending);
        assert_eq!(bell.named.len(), MOST);
        assert!(bell.rings.keys().all(|s| bell.news(*s, 0).is_some()));
        ids(100..101).for_each(|id| pending.add(id));
        let bell = rung(&pending);
        assert!(bell.named.is_empty());
        assert_eq!(bell.rings.len(), 16);
        assert!(bell.rings.values().all(|rings| *rings == 1));
    }

    #[test]
    fn a_ring_that_follows_tells_of_each_shard_in_one_way() {
        let [mut lost, mut next] = [Pending::default(), Pending::default()];
        ids(0..4).for_each(|id| lost.add(id));
        ids(18..22).for_each(|id| next.add(id));
        next.take_on(lost);
        let bell = rung(&next);
        let listed = |n| bell.is_to_be_listed(Shard::new(n).unwrap());
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(listed),
            [true, true, true, true, false, false]
        );
        assert_eq!(bell.rings.len(), 6);
        assert!(bell.rings.values().all(|rings| *rings == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn of_rings_at_once_about_one_shard_none_is_overlooked() {
        let env = SimHost::new(1, Duration::ZERO, 0).env(1);
        let slow = Delayed::new(Arc::new(MemoryStore::new()), Latency::S3, env.clone());
        let root = Root::new(Arc::new(slow), env);
        let queue = QueueName::new("mail").unwrap();
        let ringers = [(); 2].map(|()| Ringer::new(root.clone(), queue.clone()));
        let shard = Shard::new(3).unwrap();
        let mut rings = 0;
        for n in 0..20 {
            let both = [2 * n, 2 * n + 1]
                .map(|n| ObjectId::from_parts(StoreTime(7), n, Priority::NORMAL, 1, shard));
            for (ringer, id) in ringers.iter().zip(both) {
                ringer.announce(id);
            }
            tokio::join!(ringers[0].flush(), ringers[1].flush());
            let key = Key::Bell(queue.clone());
            let bell = read::<Bell>(&root, &key).await.unwrap().unwrap().record;
            let told = bell.news(shard, rings).unwrap_or_else(|| both.to_vec());
            assert!(both.iter().all(|id| told.contains(id)), "{n}: {told:?}");
            assert!(bell.rings[&shard] > rings);
            rings = bell.rings[&shard];
        }
    }
}
