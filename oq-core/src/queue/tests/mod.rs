//! The producer's side on the memory store, in virtual time.

mod basics;
mod doubts;
mod draining;
mod input;
mod keyed;
mod listing;
mod looking;
mod many;
mod narrow;
mod operators;
mod purging;
mod tail;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::env::{BoxFuture, Clock, Entropy, Mono, SystemClock};
use crate::protocol::claim::{Claimed, Claiming, claim};
use crate::protocol::finish;
use crate::protocol::hold::Hold;
use crate::record::{Data, Failure, Json, ObjectId, Token, WorkerId};
use crate::state::claim::Claimant;
use crate::state::run::{Verdict, settle};
use crate::store::{List, MemoryStore, Store};
use crate::time::StoreTime;

/// tokio's paused clock.
#[derive(Debug)]
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    #[allow(clippy::disallowed_methods)] // virtual
    fn now(&self) -> Mono {
        Mono(tokio::time::Instant::now() - self.0)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock::default().sleep(duration)
    }
}

/// SplitMix64: the same numbers in every run.
#[derive(Debug)]
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn next_u64(&self) -> u64 {
        let step = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

const EPOCH: u64 = 1_700_000_000_000;

/// A store whose clock is tokio's.
#[allow(clippy::disallowed_methods)] // virtual
fn store() -> Arc<MemoryStore> {
    let start = tokio::time::Instant::now();
    Arc::new(MemoryStore::with_time(Arc::new(move || {
        StoreTime(EPOCH).plus(tokio::time::Instant::now() - start)
    })))
}

/// A client of a store; different seeds are different clients.
#[allow(clippy::disallowed_methods)] // virtual
fn client(store: Arc<dyn Store>, seed: u64) -> Root {
    let env = Env {
        clock: Arc::new(PausedClock(tokio::time::Instant::now())),
        entropy: Arc::new(Seeded(AtomicU64::new(seed << 32))),
    };
    Root::new(store, env)
}

async fn queue() -> Queue {
    queue_on(store(), 1).await
}

async fn queue_on(store: Arc<dyn Store>, seed: u64) -> Queue {
    let name = QueueName::new("mail").unwrap();
    Queue::open(client(store, seed), name).await.unwrap()
}

fn task(input: &str) -> Task {
    Task::new("welcome", input).unwrap()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// All keys of the store but the root's mark.
async fn keys(queue: &Queue) -> Vec<String> {
    let page = queue.root().list(&List::prefix("")).await.unwrap().value;
    let all = page.entries.into_iter().map(|e| e.key.to_string());
    all.filter(|key| key != "oq.json" && !key.ends_with("/bell"))
        .collect()
}

/// Claims as a worker does.
async fn claimed(queue: &Queue, id: ObjectId) -> Claimed {
    claimed_after(queue, id, None).await
}

/// The same, with a worker that knows of a purge.
async fn claimed_after(queue: &Queue, id: ObjectId, purged_before: Option<StoreTime>) -> Claimed {
    let root = queue.root();
    let entropy = root.env().entropy.as_ref();
    let who = Claimant {
        worker: WorkerId::new(entropy),
        token: Token::new(entropy),
        longest_lease: secs(600),
        slots: 1,
    };
    let how = Claiming {
        queue: queue.name(),
        wants: &|_| true,
        purged_before,
        doubtful: &|_| false,
        admits: &|_| true,
    };
    claim(root, how, id, None, &who).await.unwrap()
}

async fn held(queue: &Queue, id: ObjectId) -> Hold {
    match claimed(queue, id).await {
        Claimed::Held(hold) => *hold,
        other => panic!("not claimed: {other:?}"),
    }
}

fn ok(output: &str) -> Verdict {
    Verdict::Completed(Some(Data::Json(Json::of(output).unwrap())))
}

fn broken() -> Verdict {
    Verdict::Failed(Failure::new("error", "no such mailbox").fatal(), 0.5)
}

/// Runs an object as a worker does: each task comes to `verdict`.
async fn run(queue: &Queue, id: ObjectId, verdict: Verdict) {
    let mut hold = held(queue, id).await;
    let now = queue.root().now();
    let completed = matches!(verdict, Verdict::Completed(_));
    for index in 0..id.count() {
        settle(hold.live_mut(), index, verdict.clone(), now);
    }
    if completed {
        finish::completed(&mut hold).await.unwrap();
        let key = Key::Live(queue.name().clone(), id).store_key();
        queue.root().delete(&key).await.unwrap();
    } else {
        finish::over(&mut hold).await.unwrap();
    }
}
