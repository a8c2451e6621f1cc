//! A store that counts, a clock that tests turn, and workers that claim without the protocol.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::{JoinHandle, JoinSet};

use super::super::*;
use crate::env::{BoxFuture, Clock, Entropy, Env, Mono};
use crate::record::{Key, Priority, Shard};
use crate::store::{
    Changed, Dated, Etag, List, MemoryStore, Object, Page, Store, StoreError, StoreKey, Write,
};

pub const EPOCH: u64 = 1_700_000_000_000;

#[derive(Debug)]
struct TestClock(tokio::time::Instant);

#[allow(clippy::disallowed_methods)] // the clock that tests inject
impl Clock for TestClock {
    fn now(&self) -> Mono {
        Mono(self.0.elapsed())
    }
    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(d))
    }
}

#[derive(Debug)]
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// What was asked of the store by finders and ringers.
#[derive(Debug, Default)]
pub struct Counts {
    pub gets: AtomicU64,
    pub puts: AtomicU64,
    pub lists: AtomicU64,
}

#[derive(Debug)]
pub struct Counting {
    pub inner: MemoryStore,
    pub counts: Counts,
    pub down: AtomicBool,
    clock: TestClock,
}

impl Counting {
    async fn request(&self, count: &AtomicU64) -> Result<(), StoreError> {
        count.fetch_add(1, Relaxed);
        self.clock.sleep(Duration::from_millis(30)).await;
        if self.down.load(Relaxed) {
            return Err(StoreError::Unavailable("down".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl crate::store::Passing for Counting {
    fn to(&self) -> &dyn Store {
        &self.inner
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.request(&self.counts.gets).await?;
        self.inner.get(key).await
    }

    async fn get_if_changed(&self, k: &StoreKey, e: &Etag) -> Result<Dated<Changed>, StoreError> {
        self.request(&self.counts.gets).await?;
        self.inner.get_if_changed(k, e).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.request(&self.counts.puts).await?;
        self.inner.create(key, body).await
    }

    async fn update(&self, k: &StoreKey, b: Bytes, e: &Etag) -> Result<Write, StoreError> {
        self.request(&self.counts.puts).await?;
        self.inner.update(k, b, e).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.request(&self.counts.lists).await?;
        self.inner.list(list).await
    }
}

/// Lengths that hint at states; see [`Hint`].
pub const RUNNABLE: usize = 128;
pub fn running(class: usize) -> usize {
    128 + 1 + 4 * class
}
pub fn waiting(class: usize) -> usize {
    128 + 2 + 4 * class
}

#[derive(Debug, Clone)]
pub struct World {
    pub store: Arc<Counting>,
    pub queue: QueueName,
    next: Arc<AtomicU64>,
    start: tokio::time::Instant,
}

impl World {
    #[allow(clippy::disallowed_methods)] // the clock that tests inject
    pub fn new() -> World {
        let start = tokio::time::Instant::now();
        let time = Arc::new(move || StoreTime(EPOCH + start.elapsed().as_millis() as u64)) as _;
        World {
            store: Arc::new(Counting {
                inner: MemoryStore::with_time(time),
                counts: Counts::default(),
                down: AtomicBool::new(false),
                clock: TestClock(start),
            }),
            queue: QueueName::new("mail").unwrap(),
            next: Arc::new(AtomicU64::new(0)),
            start,
        }
    }

    pub fn now(&self) -> StoreTime {
        StoreTime(EPOCH + self.start.elapsed().as_millis() as u64)
    }

    pub fn root(&self) -> Root {
        let seed = self.next.fetch_add(1, Relaxed);
        let env = Env {
            clock: Arc::new(TestClock(self.start)),
            entropy: Arc::new(Seeded(AtomicU64::new(seed << 32))),
        };
        Root::new(self.store.clone(), env)
    }

    /// Puts an object without asking or ringing anybody.
    pub async fn put(&self, due: StoreTime, priority: u8, shard: u16, size: usize) -> ObjectId {
        let n = self.next.fetch_add(1, Relaxed);
        let p = Priority::new(priority).unwrap();
        let id = ObjectId::from_parts(due, n, p, 1, Shard::new(shard).unwrap());
        let body = Bytes::from_static(&[b' '; 256]).slice(..size);
        let key = Key::Live(self.queue.clone(), id).store_key();
        let written = self.store.inner.create(&key, body).await.unwrap();
        assert!(matches!(written, Write::Won { .. }));
        id
    }

    pub async fn exists(&self, id: ObjectId) -> bool {
        let key = Key::Live(self.queue.clone(), id).store_key();
        self.store.inner.get(&key).await.unwrap().value.is_some()
    }

    pub async fn left(&self) -> usize {
        let mut n = 0;
        let mut list = List::prefix("mail/live/");
        loop {
            let page = self.store.inner.list(&list).await.unwrap().value;
            n += page.entries.len();
            match page.next {
                Some(next) => list = list.after(next),
                None => return n,
            }
        }
    }

    pub fn finder(&self, name: &str) -> Arc<Finder> {
        let me = WorkerId::parse(name).unwrap();
        Finder::new(self.root(), self.queue.clone(), me, FindOptions::default())
    }

    /// A worker whose tasks take `task`.
    pub fn worker(&self, name: &str, slots: usize, task: Duration) -> Worker {
        let finder = self.finder(name);
        finder.set_room(slots);
        let run = {
            let finder = finder.clone();
            tokio::spawn(async move { finder.run().await })
        };
        let done = Arc::new(Mutex::new(Vec::new()));
        let serve = {
            let (world, finder, done) = (self.clone(), finder.clone(), done.clone());
            tokio::spawn(async move { world.serve(finder, slots, task, done).await })
        };
        Worker {
            finder,
            done,
            tasks: [run, serve],
        }
    }

    async fn serve(&self, finder: Arc<Finder>, slots: usize, task: Duration, done: Done) {
        let mut busy = JoinSet::new();
        loop {
            while busy.len() < slots {
                let Some(candidate) = finder.take() else {
                    break;
                };
                let (world, finder, done) = (self.clone(), finder.clone(), done.clone());
                busy.spawn(async move { world.attempt(finder, candidate, task, done).await });
            }
            finder.set_room(slots - busy.len());
            let free = busy.len() < slots;
            tokio::select! {
                biased;
                Some(_) = busy.join_next() => {}
                () = finder.ready(), if free => {}
                else => return,
            }
        }
    }

    /// What a claim does, reduced to what a finder sees of it.
    async fn attempt(&self, finder: Arc<Finder>, c: Candidate, task: Duration, done: Done) {
        let clock = &self.store.clock;
        let key = Key::Live(self.queue.clone(), c.id).store_key();
        clock.sleep(Duration::from_millis(30)).await;
        let Some(object) = self.store.inner.get(&key).await.unwrap().value else {
            return finder.report(c.id, News::Gone);
        };
        let lease = Duration::from_secs(35);
        let etag = Some(object.etag.clone());
        if let Hint::Running(_) = Hint::of_size(object.body.len() as u64) {
            let until = object.last_modified.plus(lease);
            if until > self.now() {
                return finder.report(c.id, News::Running { until, etag });
            }
        }
        clock.sleep(Duration::from_millis(30)).await;
        let body = Bytes::from(vec![b' '; running(5)]);
        let written = self.store.inner.update(&key, body, &object.etag).await;
        if !matches!(written, Ok(Write::Won { .. })) {
            return finder.report(c.id, News::LostRace);
        }
        finder.report(c.id, News::Claimed);
        done.lock().unwrap().push((c.id, self.now()));
        clock.sleep(task).await;
        self.store.inner.delete(&key).await.unwrap();
        finder.report(c.id, News::Released);
    }

    pub async fn sleep(&self, secs: u64) {
        self.store.clock.sleep(Duration::from_secs(secs)).await;
    }

    /// GETs, PUTs and LISTs since the last time.
    pub fn counts(&self) -> (u64, u64, u64) {
        let c = &self.store.counts;
        (
            c.gets.swap(0, Relaxed),
            c.puts.swap(0, Relaxed),
            c.lists.swap(0, Relaxed),
        )
    }
}

type Done = Arc<Mutex<Vec<(ObjectId, StoreTime)>>>;

pub struct Worker {
    pub finder: Arc<Finder>,
    pub done: Done,
    tasks: [JoinHandle<()>; 2],
}

impl Worker {
    /// When its claim of this object was done.
    pub fn started(&self, id: ObjectId) -> Option<StoreTime> {
        let done = self.done.lock().unwrap();
        done.iter().find(|(d, _)| *d == id).map(|(_, at)| *at)
    }

    pub fn claims(&self) -> usize {
        self.done.lock().unwrap().len()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
