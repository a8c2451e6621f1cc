use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::env::Env;
use crate::protocol::write::{Settled, create};
use crate::record::{
    Data, Done, DoneTask, Ending, Json, Options, Outcome, Priority, TaskType, Token, V1, WriteId,
};
use crate::store::{Dated, MemoryStore, Page, Store, StoreError};

const DAY: u64 = 86_400_000;

/// A store whose clock is set by hand.
struct World {
    root: Root,
    queue: QueueName,
    now: Arc<AtomicU64>,
}

impl World {
    fn new() -> World {
        let now = Arc::new(AtomicU64::new(10 * DAY));
        let time = now.clone();
        let store =
            MemoryStore::with_time(Arc::new(move || StoreTime(time.load(Ordering::Relaxed))));
        World {
            root: Root::new(Arc::new(store), Env::system()),
            queue: QueueName::new("q").unwrap(),
            now,
        }
    }

    fn pass(&self, millis: u64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    fn id(&self, n: u64) -> ObjectId {
        ObjectId::from_parts(StoreTime(n), n, Priority::NORMAL, 1, Shard::default())
    }

    /// An outcome that is kept for an hour, with a payload and a dead letter.
    async fn outcome(&self, n: u64, ending: Ending) {
        let id = self.id(n);
        let token = Token::parse("T").unwrap();
        let at = StoreTime(self.now.load(Ordering::Relaxed));
        let make = |write| Done {
            v: V1,
            write,
            open: None,
            token: token.clone(),
            life: WriteId::parse("W").unwrap(),
            task_type: TaskType::new("t").unwrap(),
            options: Options::default(),
            submitted: at,
            keep: Duration::from_secs(3600),
            key: None,
            retry_of: None,
            tasks: vec![DoneTask {
                outcome: Outcome {
                    ending,
                    at,
                    attempts: 1,
                    output: None,
                    failure: None,
                },
                tags: Default::default(),
                input: Some(Data::Json(Json::null())),
                trace: None,
                starts: 1,
            }],
            history: Vec::new(),
            extra: Default::default(),
        };
        let key = Key::Done(self.queue.clone(), id);
        let Settled::Won { seen, .. } = create(&self.root, &key, make).await.unwrap() else {
            panic!("not written");
        };
        finish::clear(&self.root, &self.queue, id, &seen.record)
            .await
            .unwrap();
        self.raw(&self.payload(n)).await;
    }

    fn payload(&self, n: u64) -> String {
        format!("q/payload/00/{}/T/in-0", self.id(n))
    }

    fn live(&self, n: u64) -> String {
        Key::Live(self.queue.clone(), self.id(n)).to_string()
    }

    async fn raw(&self, key: &str) {
        let body = bytes::Bytes::from("{}");
        self.root
            .send(&StoreKey::listed(key), body, None)
            .await
            .unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.root.list(&List::prefix("")).await.unwrap().value;
        page.entries.iter().map(|e| e.key.to_string()).collect()
    }

    async fn sweep(&self, thorough: bool) -> Swept {
        sweep_outcomes(&self.root, &self.queue, Shard::default(), None, thorough)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn outcomes_go_when_their_time_is_over_with_all_that_belongs_to_them() {
    let world = World::new();
    world.outcome(1, Ending::Failed).await;
    world.outcome(2, Ending::Completed).await;
    world.pass(3_590_000);
    world.outcome(3, Ending::Failed).await;
    let before = world.keys().await;
    assert_eq!(world.sweep(false).await, Swept::default());
    assert_eq!(world.keys().await, before);
    world.pass(20_000);
    let swept = world.sweep(false).await;
    assert_eq!((swept.outcomes, swept.dead, swept.payloads), (2, 1, 2));
    let left = world.keys().await;
    assert_eq!(left.len(), 3, "{left:?}");
    let third = world.id(3).to_string();
    assert!(left.iter().all(|key| key.contains(&third)), "{left:?}");
}

#[tokio::test]
async fn an_outcome_stays_while_its_live_object_is_there() {
    let world = World::new();
    world.outcome(1, Ending::Failed).await;
    world.raw(&world.live(1)).await;
    world.pass(DAY);
    let first = world.sweep(false).await;
    assert_eq!((first.repaired, first.outcomes), (1, 0));
    assert!(!world.keys().await.contains(&world.live(1)));
    let second = world.sweep(false).await;
    assert_eq!((second.repaired, second.outcomes), (0, 1));
    assert!(world.keys().await.is_empty());
}

#[tokio::test]
async fn orphans_go_after_a_day_unless_a_task_needs_them() {
    let world = World::new();
    world.raw(&world.payload(1)).await;
    world.raw(&world.payload(2)).await;
    world.raw(&world.live(2)).await;
    world.raw(&format!("q/dead/00/{}", world.id(3))).await;
    world.pass(DAY / 2);
    assert_eq!(world.sweep(true).await.dead, 1);
    assert_eq!(world.sweep(true).await.payloads, 0);
    world.pass(DAY);
    assert_eq!(world.sweep(false).await, Swept::default());
    assert_eq!(world.sweep(true).await.payloads, 1);
    assert_eq!(world.keys().await, [world.live(2), world.payload(2)]);
}

#[tokio::test]
async fn pages_are_swept_one_at_a_time() {
    let world = World::new();
    for n in 1..=1500 {
        world.outcome(n, Ending::Completed).await;
    }
    world.pass(DAY);
    let first = world.sweep(false).await;
    assert_eq!((first.outcomes, first.payloads), (1000, 1000));
    let rest = sweep_outcomes(
        &world.root,
        &world.queue,
        Shard::default(),
        first.next.as_deref(),
        true,
    );
    let rest = rest.await.unwrap();
    assert_eq!((rest.outcomes, rest.payloads, rest.next), (500, 500, None));
    assert!(world.keys().await.is_empty());
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let world = World::new();
    for key in [
        "q/done/00/",
        "q/done/00/junk",
        "q/payload/00/x/y/z",
        "q/dead/00/",
    ] {
        world.raw(key).await;
    }
    world.pass(30 * DAY);
    let before = world.keys().await;
    assert_eq!(world.sweep(true).await, Swept::default());
    assert_eq!(world.keys().await, before);
}

#[tokio::test]
async fn keys_go_when_neither_task_nor_outcome_is_left() {
    let world = World::new();
    let record = |n: u64| {
        let id = world.id(n);
        move |write| Idempotency {
            v: V1,
            write,
            id,
            window: Duration::from_secs(60),
            extra: Default::default(),
        }
    };
    for n in [1, 2] {
        let hash = crate::record::KeyHash::of(&n.to_string());
        let key = Key::Idempotency(world.queue.clone(), hash);
        create(&world.root, &key, record(n)).await.unwrap();
    }
    world.outcome(2, Ending::Completed).await;
    world.pass(3_600_000);
    assert_eq!(
        sweep_keys(&world.root, &world.queue, None)
            .await
            .unwrap()
            .keys,
        0
    );
    world.pass(2 * 3_600_000);
    assert_eq!(
        sweep_keys(&world.root, &world.queue, None)
            .await
            .unwrap()
            .keys,
        1
    );
    world.sweep(false).await;
    assert_eq!(
        sweep_keys(&world.root, &world.queue, None)
            .await
            .unwrap()
            .keys,
        1
    );
    assert!(world.keys().await.is_empty());
}

/// A store in which a task ends when live objects are about to be listed.
#[derive(Debug)]
struct Ends {
    inner: MemoryStore,
    live: StoreKey,
    done: (StoreKey, bytes::Bytes),
}

#[async_trait::async_trait]
impl crate::store::Passing for Ends {
    fn to(&self) -> &dyn Store {
        &self.inner
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        if list.prefix.contains("/live/") {
            let (key, body) = self.done.clone();
            self.inner.create(&key, body).await?;
            self.inner.delete(&self.live).await?;
        }
        self.inner.list(list).await
    }
}

#[tokio::test]
async fn an_old_task_that_ends_between_the_listings_keeps_its_input() {
    let world = World::new();
    world.outcome(1, Ending::Failed).await;
    let done = Key::Done(world.queue.clone(), world.id(1)).store_key();
    let body = world.root.get(&done).await.unwrap().value.unwrap().body;
    let live = StoreKey::listed(world.live(1));
    let now = world.now.clone();
    let inner = MemoryStore::with_time(Arc::new(move || StoreTime(now.load(Ordering::Relaxed))));
    for key in [live.clone(), StoreKey::listed(world.payload(1))] {
        inner.create(&key, bytes::Bytes::from("{}")).await.unwrap();
    }
    let ends = Ends {
        inner,
        live,
        done: (done, body),
    };
    let root = Root::new(Arc::new(ends), Env::system());
    // It waited for two days.
    world.pass(2 * DAY);
    let swept = sweep_outcomes(&root, &world.queue, Shard::default(), None, true).await;
    assert_eq!(swept.unwrap().payloads, 0);
    let kept = root.get(&StoreKey::listed(world.payload(1))).await.unwrap();
    assert!(kept.value.is_some());
}
