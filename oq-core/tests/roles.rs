//! What each role asks of the store: every role does its work on a store that writes down what it is
//! asked and refuses what is not granted, and the table of `record::Space::grants` must say just that.

// A test that cannot go on says where.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::protocol::Root;
use oq_core::queue::{Filter, Listed, Queue, Task, TaskState, TaskView, Watch, WhyWaits};
use oq_core::record::{Access, Key, QueueName, Retry, Role, Space, TaskId};
use oq_core::store::probe::{Plan, probe};
use oq_core::store::{
    Abilities, Changed, Dated, Etag, List, MemoryStore, Object, Page, Store, StoreError, StoreKey,
    TimeSource, Write, machine_time,
};
use oq_core::testing::sim_clock::SimHost;
use oq_core::{Context, StoreTime, TaskError, Worker, health};
use tokio_util::sync::CancellationToken;

const S: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

type Seen = Arc<Mutex<BTreeSet<(Space, Access)>>>;

/// A store that one program asks, which writes down what is asked and what it refused.
#[derive(Debug)]
struct Recorded {
    inner: Arc<dyn Store>,
    role: Role,
    asked: Seen,
    refused: Seen,
}

impl Recorded {
    fn note(&self, key: &StoreKey, access: Access) -> Result<(), StoreError> {
        let parsed = Key::parse(key.as_str());
        let parsed = parsed.unwrap_or_else(|| panic!("{key} is in no space"));
        self.ask(Space::of(&parsed), access)
    }

    fn ask(&self, space: Space, access: Access) -> Result<(), StoreError> {
        if space.grants(self.role).contains(&access) {
            self.asked.lock().unwrap().insert((space, access));
            return Ok(());
        }
        self.refused.lock().unwrap().insert((space, access));
        Err(StoreError::Denied(format!("{access:?} of {space:?}")))
    }
}

#[async_trait]
impl Store for Recorded {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.note(key, Access::Read)?;
        self.inner.get(key).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.note(key, Access::Read)?;
        self.inner.get_if_changed(key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.note(key, Access::Write)?;
        self.inner.create(key, body).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        // S3 asks for both where a request has If-Match.
        self.note(key, Access::Read)?;
        self.note(key, Access::Write)?;
        self.inner.update(key, body, seen).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.note(key, Access::Delete)?;
        self.inner.delete(key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        keys.iter()
            .try_for_each(|key| self.note(key, Access::Delete))?;
        self.inner.delete_many(keys).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.note(key, Access::Read)?;
        self.note(key, Access::Delete)?;
        self.inner.delete_if(key, seen).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        let space = Space::of_prefix(&list.prefix);
        let space = space.unwrap_or_else(|| panic!("a listing of '{}'", list.prefix));
        self.ask(space, Access::List)?;
        self.inner.list(list).await
    }
}

/// A store that never answers a deletion of a live object: whoever asks it dies over it.
#[derive(Debug)]
struct Deadly(Arc<dyn Store>);

impl Deadly {
    async fn meet(&self, key: &StoreKey) {
        if matches!(Key::parse(key.as_str()), Some(Key::Live(..))) {
            std::future::pending().await
        }
    }
}

#[async_trait]
impl oq_core::store::Passing for Deadly {
    fn to(&self) -> &dyn Store {
        &*self.0
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.meet(key).await;
        self.0.delete(key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        for key in keys {
            self.meet(key).await;
        }
        self.0.delete_many(keys).await
    }
}

struct World {
    store: Arc<dyn Store>,
}

impl World {
    #[allow(clippy::disallowed_methods)] // virtual time
    async fn laid_out() -> World {
        let start = tokio::time::Instant::now();
        let time: TimeSource = Arc::new(move || StoreTime(1_700_000_000_000).plus(start.elapsed()));
        let world = World {
            store: Arc::new(MemoryStore::with_time(time)),
        };
        world.queue(world.store.clone(), 1).await;
        world
    }

    fn root(store: Arc<dyn Store>, host: u16) -> Root {
        Root::new(store, SimHost::new(host, S, 0).env(u64::from(host)))
    }

    async fn queue(&self, store: Arc<dyn Store>, host: u16) -> Queue {
        let name = QueueName::new("mail").unwrap();
        let queue = Queue::open(World::root(store, host), name).await.unwrap();
        // Small inputs have payloads of their own, too.
        queue.inline_up_to(64).await.unwrap()
    }

    /// A program of this role, and what it asks from now on.
    async fn member(&self, role: Role) -> (Arc<dyn Store>, Asked) {
        let (asked, refused) = (Seen::default(), Seen::default());
        let recorded = Recorded {
            inner: self.store.clone(),
            role,
            asked: asked.clone(),
            refused: refused.clone(),
        };
        let asked = Asked {
            role,
            asked,
            refused,
        };
        (Arc::new(recorded), asked)
    }

    /// A worker dies when it has recorded an outcome and not deleted the live object yet.
    async fn leave_behind(&self, host: u16) {
        let live = self.live().await;
        work(self, Arc::new(Deadly(self.store.clone())), host, 0, true).await;
        assert_eq!(self.live().await, live);
    }

    async fn live(&self) -> usize {
        let page = self.store.list(&List::prefix("mail/live/")).await;
        page.unwrap().value.entries.len()
    }
}

struct Asked {
    role: Role,
    asked: Seen,
    refused: Seen,
}

impl Asked {
    /// Nothing that is needed is missing, and nothing that is granted is never used.
    fn assert_is_what_is_granted(&self) {
        let granted: BTreeSet<(Space, Access)> = Space::ALL
            .into_iter()
            .flat_map(|space| space.grants(self.role).iter().map(move |a| (space, *a)))
            .collect();
        let asked = self.asked.lock().unwrap().clone();
        let missing = self.refused();
        let unused: Vec<_> = granted.difference(&asked).collect();
        assert!(
            missing.is_empty() && unused.is_empty(),
            "{}: needed and not granted {missing:?}; granted and not needed {unused:?}",
            self.role
        );
    }

    fn refused(&self) -> Vec<(Space, Access)> {
        self.refused.lock().unwrap().iter().copied().collect()
    }
}

fn large() -> String {
    "x".repeat(200)
}

fn task(kind: &str) -> Task {
    let task = Task::new(kind, &large()).unwrap();
    task.retry(Retry::fixed(2, S)).retention(HOUR)
}

/// A worker of this store that runs for a while.
async fn work(world: &World, store: Arc<dyn Store>, host: u16, hours: u32, kill: bool) {
    let queue = world.queue(store, host).await;
    let worker = Worker::builder()
        .queue(&queue)
        .inline_limit(64)
        .poll(S * 60)
        .handler("ok", |_: Context, input: String| async move {
            Ok::<_, TaskError>(input)
        })
        .handler("fail", |_: Context, _: String| async move {
            Err::<(), _>(TaskError::new("no"))
        })
        .handler("half", |_: Context, input: String| async move {
            match input.starts_with('a') {
                true => Err::<(), _>(TaskError::fatal("no")),
                false => Err(TaskError::later(HOUR * 24)),
            }
        })
        .handler("hang", |_: Context, _: String| async move {
            std::future::pending::<()>().await;
            Ok::<_, TaskError>(())
        });
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let running = tokio::spawn(worker.build().unwrap().run(async move {
        stopped.cancelled().await;
    }));
    pause(if kill { S * 20 } else { HOUR * hours }).await;
    if kill {
        running.abort();
        let _ = running.await;
    } else {
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}

#[allow(clippy::disallowed_methods)] // virtual time
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_producer_asks_what_is_granted() {
    let world = World::laid_out().await;
    let (store, asked) = world.member(Role::Producer).await;
    let queue = world.queue(store, 2).await;
    let lone = queue.submit(task("ok")).await.unwrap().id;
    let keyed = queue.submit(task("ok").key("k")).await.unwrap().id;
    assert!(queue.submit(task("ok").key("k")).await.unwrap().existing);
    let many = queue.submit_many((0..20).map(|_| task("ok")));
    many.ids().await.unwrap();
    queue.flush().await;
    work(&world, world.store.clone(), 3, 0, true).await;
    for id in [lone, keyed] {
        assert_eq!(queue.wait(id, S).await.unwrap().state, TaskState::Completed);
        assert_eq!(queue.result::<String>(id).await.unwrap(), large());
    }
    // After its window the key stands for another task.
    pause(HOUR * 24 * 3).await;
    let again = queue.submit(task("ok").key("k")).await.unwrap();
    assert!(!again.existing);
    asked.assert_is_what_is_granted();
}

#[tokio::test(start_paused = true)]
async fn a_producer_goes_on_where_a_worker_died() {
    let world = World::laid_out().await;
    let (store, asked) = world.member(Role::Producer).await;
    let queue = world.queue(store, 2).await;
    let done = queue.submit(task("ok").key("done")).await.unwrap().id;
    let failed = queue.submit(task("fail").key("failed").retry(Retry::fixed(1, S)));
    let failed = failed.await.unwrap().id;
    world.leave_behind(3).await;
    let again = queue.submit(task("ok").key("done")).await.unwrap();
    assert_eq!((again.id, again.existing), (done, true));
    let again = queue.submit(task("ok").key("failed")).await.unwrap();
    assert!(again.id != failed && !again.existing);
    // It tried to clear away what was left, and may not.
    let refused = [(Space::Live, Access::Delete), (Space::Dead, Access::Write)];
    assert_eq!(asked.refused(), refused);
}

#[tokio::test(start_paused = true)]
async fn a_producer_waits_for_a_worker_to_record_that_a_key_is_free() {
    let world = World::laid_out().await;
    let (store, asked) = world.member(Role::Producer).await;
    let queue = world.queue(store, 2).await;
    let expires = || task("ok").key("k").delay(S).expires_in(S * 2);
    let first = queue.submit(expires()).await.unwrap().id;
    pause(S * 10).await;
    let nobody = queue.submit(task("ok").key("k")).await.unwrap_err();
    assert!(nobody.is_transient(), "{nobody}");
    // Outcomes are not the producer's to write.
    assert_eq!(asked.refused(), [(Space::Done, Access::Write)]);
    work(&world, world.store.clone(), 3, 0, true).await;
    let again = queue.submit(task("ok").key("k")).await.unwrap();
    assert!(again.id != first && !again.existing);
}

#[tokio::test(start_paused = true)]
async fn a_worker_goes_on_where_another_died() {
    let world = World::laid_out().await;
    let queue = world.queue(world.store.clone(), 2).await;
    for kind in ["ok", "fail"] {
        queue
            .submit(task(kind).retry(Retry::fixed(1, S)))
            .await
            .unwrap();
    }
    world.leave_behind(3).await;
    assert_eq!(queue.dead(Filter::new()).all().await.unwrap().len(), 1);
    let (store, asked) = world.member(Role::Worker).await;
    work(&world, store, 4, 1, false).await;
    assert_eq!((world.live().await, asked.refused()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_worker_asks_what_is_granted() {
    let world = World::laid_out().await;
    let queue = world.queue(world.store.clone(), 2).await;
    for kind in ["ok", "fail"] {
        queue.submit(task(kind)).await.unwrap();
    }
    let keyed = task("ok").key("k").key_window(HOUR);
    queue.submit(keyed).await.unwrap();
    queue
        .submit_many((0..30).map(|_| task("ok")))
        .pack(10)
        .ids()
        .await
        .unwrap();
    let expired = task("ok").delay(S).expires_in(S * 2);
    queue.submit(expired).await.unwrap();
    let (store, asked) = world.member(Role::Worker).await;
    work(&world, store.clone(), 3, 1, false).await;
    // One dies while it holds a task, another takes it over and clears away for eight hours.
    queue.submit(task("hang").timeout(S * 300)).await.unwrap();
    work(&world, store.clone(), 4, 0, true).await;
    queue.submit(task("fail")).await.unwrap();
    world.leave_behind(6).await;
    queue.submit(task("ok")).await.unwrap();
    work(&world, store, 5, 8, false).await;
    asked.assert_is_what_is_granted();
}

async fn views(queue: &Queue, filter: Filter) -> Vec<TaskView> {
    let listed = queue.list(filter).unwrap().all().await.unwrap();
    let tasks = listed.into_iter().map(|found| match found {
        Listed::Task(view) => *view,
        other => panic!("{other:?}"),
    });
    tasks.collect()
}

/// Tasks in every state, as somebody finds them who looks.
async fn populated(world: &World) -> Vec<TaskId> {
    let queue = world.queue(world.store.clone(), 2).await;
    for task in [task("ok"), task("fail"), task("fail").key("failed")] {
        queue.submit(task).await.unwrap();
    }
    let halves = ["a", "b"].map(|start| Task::new("half", &format!("{start}{}", large())).unwrap());
    let halves = queue.submit_many(halves).pack(2).ids().await.unwrap();
    work(world, world.store.clone(), 3, 1, false).await;
    // One that died is still listed, and taken for present for a minute.
    work(world, world.store.clone(), 8, 0, true).await;
    queue.submit(task("ok").key("k")).await.unwrap();
    let waiting = queue.submit(task("ok").delay(HOUR)).await.unwrap().id;
    // The other half of this pack has failed: who cancels this one records both.
    vec![waiting, halves[1]]
}

async fn look_around(store: Arc<dyn Store>, queue: &Queue) {
    let root = World::root(store, 9);
    health::layout(&root).await.unwrap();
    health::examine(&root, queue.name()).await.unwrap();
    queue.stats().await.unwrap();
    views(queue, Filter::new().state(TaskState::Failed)).await;
    let mut why = Vec::new();
    for view in views(queue, Filter::new()).await {
        queue.input(&view).await.unwrap();
        queue.output(&view).await.unwrap();
        why.extend(queue.why_waits(&view).await.unwrap());
        if view.id.object().count() == 1 {
            let begins = &view.id.to_string()[..20];
            assert_eq!(queue.find(begins).await.unwrap(), view.id);
        }
    }
    assert!(why.contains(&WhyWaits::InLine { workers: 1 }), "{why:?}");
    assert_eq!(queue.workers().await.unwrap().len(), 1);
    assert!(queue.dead(Filter::new()).all().await.unwrap().len() >= 2);
    let mut tail = queue.tail(Watch::new(), None).await.unwrap();
    tail.poll().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_viewer_asks_what_is_granted() {
    let world = World::laid_out().await;
    populated(&world).await;
    let (store, asked) = world.member(Role::Viewer).await;
    let queue = world.queue(store.clone(), 4).await;
    look_around(store, &queue).await;
    asked.assert_is_what_is_granted();
}

#[tokio::test(start_paused = true)]
async fn an_operator_asks_what_is_granted() {
    let world = World::laid_out().await;
    let open = populated(&world).await;
    world.store.delete(&Key::Format.store_key()).await.unwrap();
    let (store, asked) = world.member(Role::Operator).await;
    let queue = world.queue(store.clone(), 4).await;
    look_around(store.clone(), &queue).await;
    queue
        .change_settings(|s| s.defaults.timeout = S)
        .await
        .unwrap();
    for id in open {
        queue.cancel(id).await.unwrap();
    }
    let failed = views(&queue, Filter::new().state(TaskState::Failed)).await;
    for dead in failed {
        queue.retry(dead.id).await.unwrap();
    }
    pause(HOUR).await;
    queue.purge().await.unwrap();
    let env = World::root(store.clone(), 5).env().clone();
    let report = probe(store, env, Plan::QUICK, machine_time()).await;
    assert!(!report.refuses());
    asked.assert_is_what_is_granted();
}
