//! Single operations against a store that answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::claim::{Claimed, Claiming, claim};
use super::finish::{self, Finished};
use super::hold::{Hold, Renewed};
use super::lookup::{Found, lookup};
use super::root::Root;
use super::submit::{Submitted, submit};
use super::write::{create, update};
use crate::env::{Entropy, Env, SystemEntropy};
use crate::error::{Error, Result};
use crate::record::*;
use crate::state::cancel::{Cancel, cancel};
use crate::state::claim::{Claimant, take_over_at};
use crate::state::record_outcome;
use crate::state::run::{Verdict, settle};
use crate::state::submit::{Draft, pending};
use crate::store::{
    Changed, Dated, Etag, List, MemoryStore, Object, Page, Store, StoreError, StoreKey, Write,
};
#[cfg(feature = "testing")]
use crate::testing::sim_clock::SimHost;
use crate::time::StoreTime;

/// What is to become of the next conditional writes below a prefix.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Answered as 503.
    Again,
    /// Landed, its answer lost, and from now on reads have none either.
    CutOff,
}

/// A memory store with a clock that is set by hand.
#[derive(Debug)]
struct Scripted {
    inner: MemoryStore,
    now: Arc<Mutex<StoreTime>>,
    fates: Mutex<VecDeque<(&'static str, Fate)>>,
    /// Reads and listings fail.
    blind: Mutex<bool>,
    /// How long the answers of reads are under way.
    slow: Mutex<Duration>,
    /// How long it says that one request may take.
    timeout: Mutex<Option<Duration>>,
}

const START: StoreTime = StoreTime(1_700_000_000_000);

impl Scripted {
    fn new() -> Arc<Scripted> {
        let now = Arc::new(Mutex::new(START));
        let clock = now.clone();
        Arc::new(Scripted {
            inner: MemoryStore::with_time(Arc::new(move || *clock.lock().unwrap())),
            now,
            fates: Mutex::default(),
            blind: Mutex::default(),
            slow: Mutex::default(),
            timeout: Mutex::default(),
        })
    }

    fn next(&self, below: &'static str, fate: Fate, times: usize) {
        let fates = std::iter::repeat_n((below, fate), times);
        self.fates.lock().unwrap().extend(fates);
    }

    fn pass(&self, time: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(time);
    }

    async fn write(
        &self,
        key: &StoreKey,
        write: impl Future<Output = Result<Write, StoreError>>,
    ) -> Result<Write, StoreError> {
        let fate = {
            let mut fates = self.fates.lock().unwrap();
            let at = fates.iter().position(|(p, _)| key.as_str().starts_with(p));
            at.and_then(|at| fates.remove(at)).map(|(_, fate)| fate)
        };
        match fate {
            None => write.await,
            Some(Fate::Again) => Ok(Write::Again { after: None }),
            Some(Fate::CutOff) => {
                write.await?;
                *self.blind.lock().unwrap() = true;
                Ok(Write::Unknown)
            }
        }
    }

    fn see(&self) -> Result<(), StoreError> {
        if *self.blind.lock().unwrap() {
            return Err(StoreError::Unavailable("blind".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl crate::store::Passing for Scripted {
    fn to(&self) -> &dyn Store {
        &self.inner
    }

    fn attempt_timeout(&self) -> Option<Duration> {
        *self.timeout.lock().unwrap()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.see()?;
        let answer = self.inner.get(key).await;
        let slow = *self.slow.lock().unwrap();
        pause(slow).await;
        answer
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.see()?;
        self.inner.get_if_changed(key, seen).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.write(key, self.inner.create(key, body)).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.write(key, self.inner.update(key, body, seen)).await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.see()?;
        self.inner.list(list).await
    }
}

#[allow(clippy::disallowed_methods)] // virtual time
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

struct World {
    store: Arc<Scripted>,
    root: Root,
    queue: QueueName,
}

impl World {
    fn new() -> World {
        let store = Scripted::new();
        World {
            root: Root::new(store.clone(), Env::system()),
            store,
            queue: QueueName::new("q").unwrap(),
        }
    }

    async fn submit(&self, tasks: usize) -> ObjectId {
        let shard = Shard::default();
        let random = SystemEntropy.next_u64();
        let id = ObjectId::from_parts(START, random, Priority::NORMAL, tasks, shard);
        let draft = Draft {
            task_type: TaskType::new("t").unwrap(),
            options: Options::default(),
            available_at: None,
            key: None,
            retry_of: None,
            reason: None,
        };
        let slots = (0..tasks).map(|_| Slot::new(Data::Json(Json::null())));
        let live = pending(&draft, slots.collect(), Stamp::first(START, &SystemEntropy));
        let submitted = submit(&self.root, &self.queue, id, live, None)
            .await
            .unwrap();
        assert!(matches!(submitted, Submitted::Accepted(_)));
        id
    }

    async fn claim(&self, id: ObjectId, token: &str, doubtful: &str) -> Claimed {
        self.try_claim(id, token, doubtful).await.unwrap()
    }

    async fn try_claim(&self, id: ObjectId, token: &str, doubtful: &str) -> Result<Claimed> {
        let who = Claimant {
            worker: WorkerId::new(&SystemEntropy),
            token: Token::parse(token).unwrap(),
            longest_lease: MAX_LEASE,
            slots: 1,
        };
        let how = Claiming {
            queue: &self.queue,
            wants: &|_| true,
            purged_before: None,
            doubtful: &|token| token.as_str() == doubtful,
            admits: &|_| true,
        };
        claim(&self.root, how, id, None, &who).await
    }

    async fn hold(&self, id: ObjectId, token: &str) -> Hold {
        match self.claim(id, token, "").await {
            Claimed::Held(hold) => *hold,
            other => panic!("{other:?}"),
        }
    }

    /// The store's clock goes on until the lease of `id` is over.
    async fn expire(&self, id: ObjectId) {
        let Some(Found::Live { live, .. }) = lookup(&self.root, &self.queue, id).await.unwrap()
        else {
            panic!("not live")
        };
        let end = take_over_at(&live.record, live.last_modified.unwrap());
        let now = *self.store.now.lock().unwrap();
        self.store.pass(end.since(now));
    }
}

#[tokio::test(start_paused = true)]
async fn a_seal_of_an_earlier_holder_is_not_taken_for_a_lost_lease() {
    let world = World::new();
    let id = world.submit(1).await;
    world.hold(id, "A").await;
    world.expire(id).await;
    let mut b = world.hold(id, "B").await;
    let back = b.give_back(Step::Released, None).await.unwrap();
    assert_eq!(back, Renewed::Held);
    let mut c = world.hold(id, "C").await;
    settle(c.live_mut(), 0, Verdict::Completed(None), START);
    // The store is too busy for one round of sends.
    world.store.next("q/done", Fate::Again, 6);
    let finished = finish::completed(&mut c).await.unwrap();
    assert_eq!(finished, Finished::Recorded);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_claim_is_not_another_holders() {
    let world = World::new();
    let id = world.submit(1).await;
    world.hold(id, "A").await;
    // The renewal lands, its answer is lost, and nothing can be read until B has taken over.
    world.store.next("q/live", Fate::CutOff, 1);
    let adopt = world.claim(id, "new", "A");
    let meanwhile = async {
        world.root.env().sleep(Duration::from_millis(500)).await;
        *world.store.blind.lock().unwrap() = false;
        world.expire(id).await;
        world.hold(id, "B").await
    };
    let (adopted, b) = tokio::join!(adopt, meanwhile);
    assert!(matches!(adopted, Claimed::LostRace), "{adopted:?}");
    assert_eq!(b.token().as_str(), "B");
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_what_was_purged_since_is_not_adopted() {
    let world = World::new();
    let id = world.submit(1).await;
    world.hold(id, "A").await;
    let who = Claimant {
        worker: WorkerId::new(&SystemEntropy),
        token: Token::parse("new").unwrap(),
        longest_lease: MAX_LEASE,
        slots: 1,
    };
    let how = Claiming {
        queue: &world.queue,
        wants: &|_| true,
        purged_before: Some(world.root.now().plus(Duration::from_secs(1))),
        doubtful: &|token| token.as_str() == "A",
        admits: &|_| true,
    };
    let claimed = claim(&world.root, how, id, None, &who).await.unwrap();
    assert!(matches!(claimed, Claimed::Gone), "{claimed:?}");
    let found = lookup(&world.root, &world.queue, id).await.unwrap();
    assert!(found.is_none(), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_take_over_without_its_seal_is_not_adopted() {
    let world = World::new();
    let id = world.submit(1).await;
    world.hold(id, "A").await;
    world.expire(id).await;
    world.store.next("q/done", Fate::Again, 24);
    let claimed = world.claim(id, "B", "").await;
    assert!(matches!(claimed, Claimed::LostRace), "{claimed:?}");
    // What somebody notes after the take-over must not hide it.
    let found = lookup(&world.root, &world.queue, id).await.unwrap();
    let Some(Found::Live { live, .. }) = found else {
        panic!("not live")
    };
    let Cancel::Requested(asked) = cancel(&live.record, &[0], None, START) else {
        panic!("it is held")
    };
    let key = Key::Live(world.queue.clone(), id);
    update(&world.root, &key, &live, *asked).await.unwrap();
    let claimed = world.claim(id, "new", "B").await;
    assert!(matches!(claimed, Claimed::Running { .. }), "{claimed:?}");
    // Its lease runs out, for the worker that wrote it as well: it may be the only one there is.
    world.expire(id).await;
    let Claimed::Held(hold) = world.claim(id, "new", "B").await else {
        panic!("nobody would ever take it over")
    };
    assert_eq!(hold.token().as_str(), "new");
}

/// What becomes of a pack of two after something was written by hand.
async fn claim_beside(change: impl Fn(&mut Live, &mut Done)) -> (World, ObjectId, bool) {
    let world = World::new();
    let id = world.submit(2).await;
    let found = lookup(&world.root, &world.queue, id).await.unwrap();
    let Some(Found::Live { live, .. }) = found else {
        panic!("not live")
    };
    let mut next = live.record.clone();
    let token = Token::parse("T").unwrap();
    let mut done = record_outcome::done(&next, &token, next.write.clone());
    change(&mut next, &mut done);
    let key = Key::Live(world.queue.clone(), id);
    update(&world.root, &key, &live, next).await.unwrap();
    if !done.history.is_empty() {
        let key = Key::Done(world.queue.clone(), id);
        create(&world.root, &key, |_| done.clone()).await.unwrap();
    }
    world.store.pass(Duration::from_secs(60));
    let claimed = world.try_claim(id, "new", "").await;
    let refused = matches!(claimed, Err(Error::Unreadable { .. }));
    (world, id, refused)
}

#[tokio::test(start_paused = true)]
async fn a_pack_is_left_alone_while_its_records_contradict_each_other() {
    let outcomes_of_nothing = claim_beside(|live, done| {
        live.log(START, Step::Released, None);
        done.history = live.history.clone();
    });
    let over_without_outcomes = claim_beside(|live, _| live.state = LiveState::Terminal);
    let run_by_nobody = claim_beside(|live, _| live.tasks[1].running = true);
    let worlds = [
        outcomes_of_nothing.await,
        over_without_outcomes.await,
        run_by_nobody.await,
    ];
    for (n, (world, id, refused)) in worlds.into_iter().enumerate() {
        assert!(refused, "case {n}");
        let key = Key::Live(world.queue.clone(), id).store_key();
        assert!(
            world.root.get(&key).await.unwrap().value.is_some(),
            "case {n}"
        );
    }
}

#[cfg(feature = "testing")] // which has the clock
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_long_under_way_does_not_set_the_clock_back() {
    let store = Scripted::new();
    let env = SimHost::new(1, Duration::from_secs(9), 0).env(1);
    let root = Root::new(store.clone(), env);
    let key = Key::Format.store_key();
    root.get(&key).await.unwrap();
    assert_eq!(root.now(), START);
    *store.slow.lock().unwrap() = Duration::from_secs(4);
    root.get(&key).await.unwrap();
    assert_eq!(root.now(), START.plus(Duration::from_secs(4)));
    // A clock that was set back shows in any quick answer.
    *store.slow.lock().unwrap() = Duration::ZERO;
    root.get(&key).await.unwrap();
    assert_eq!(root.now(), START);
}

#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods)] // virtual time
async fn a_request_may_take_as_long_as_its_store_says_within_reason() {
    let store = Scripted::new();
    *store.slow.lock().unwrap() = Duration::from_secs(6);
    let cases = [(None, 5, 11), (Some(7), 7, 6), (Some(600), 8, 6)];
    for (told, limit, answered) in cases {
        *store.timeout.lock().unwrap() = told.map(Duration::from_secs);
        let root = Root::new(store.clone(), Env::system());
        assert_eq!(root.attempt_timeout(), Duration::from_secs(limit));
        let began = tokio::time::Instant::now();
        root.get(&StoreKey::listed("x")).await.unwrap();
        // Of 5 s the first try is given up, and the second has 7 s.
        assert_eq!(began.elapsed().as_secs(), answered, "told {told:?}");
    }
}
