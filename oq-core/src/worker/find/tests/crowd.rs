//! Keys that wait in front of runnable tasks, pages full of them.

use std::time::Duration;

use super::QUICK;
use super::world::{RUNNABLE, World, waiting};
use crate::protocol::bell::Ringer;
use crate::record::Shard;

/// Eight pages of one shard.
const CROWD: u64 = 8000;

/// Tasks that were put off: due an hour ago, and to wait for hours more.
async fn put_off(world: &World, priority: u8) {
    for n in 0..CROWD {
        let due = world.now().minus(Duration::from_millis(3_600_000 + n));
        world.put(due, priority, 3, waiting(14)).await;
    }
}

/// How long a worker that is there takes until it has begun with the last of a few tasks.
async fn to_start(world: &World) -> Duration {
    let worker = world.worker("W", 40, QUICK);
    let ringer = Ringer::new(world.root(), world.queue.clone());
    world.sleep(60).await;
    // So that it asks the bell often.
    for _ in 0..20 {
        world.put(world.now(), 16, 4, RUNNABLE).await;
        ringer.ring(Shard::new(4).unwrap());
        world.root().env().sleep(QUICK * 10).await;
    }
    let submitted = world.now();
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(world.put(submitted, 16, 3, RUNNABLE).await);
    }
    ringer.ring(Shard::new(3).unwrap());
    world.sleep(10).await;
    let started = ids.into_iter().map(|id| worker.started(id).unwrap());
    started.max().unwrap().since(submitted)
}

#[tokio::test(start_paused = true)]
async fn what_came_of_late_starts_hardly_later_behind_a_crowd() {
    let [free, behind] = [World::new(), World::new()];
    put_off(&free, 31).await;
    let free = to_start(&free).await;
    put_off(&behind, 16).await;
    let behind = to_start(&behind).await;
    // Eight more listings, one after the other, would take 240 ms.
    let later = behind.saturating_sub(free);
    assert!(later <= Duration::from_millis(120), "{free:?}, {behind:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_runnable_amid_a_crowd_starts_while_new_tasks_come() {
    let world = World::new();
    put_off(&world, 16).await;
    let due = world
        .now()
        .minus(Duration::from_millis(3_600_000 + CROWD / 2));
    let old = world.put(due, 16, 3, RUNNABLE).await;
    let worker = world.worker("W", 2, Duration::from_millis(100));
    let ringer = Ringer::new(world.root(), world.queue.clone());
    let start = world.now();
    for _ in 0..40 {
        for _ in 0..3 {
            world.put(world.now(), 16, 3, RUNNABLE).await;
        }
        ringer.ring(Shard::new(3).unwrap());
        world.root().env().sleep(QUICK * 10).await;
    }
    let at = worker.started(old).expect("it was there before all others");
    let waited = at.since(start);
    assert!(waited <= Duration::from_secs(2), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_a_crowd_while_it_is_walked_through_starts_when_it_is_rung_for() {
    let world = World::new();
    put_off(&world, 16).await;
    let worker = world.worker("W", 10, QUICK);
    let ringer = Ringer::new(world.root(), world.queue.clone());
    world.sleep(60).await;
    let mut late = Vec::new();
    for n in 0..30u32 {
        let new = world.put(world.now(), 16, 3, RUNNABLE).await;
        ringer.ring(Shard::new(3).unwrap());
        // Some moment of the walk that this ring begins.
        world.root().env().sleep(QUICK * (20 + 10 * n)).await;
        let due = world.now().minus(Duration::from_secs(2 * 3600));
        let old = world.put(due, 16, 3, RUNNABLE).await;
        let rung = world.now();
        ringer.ring(Shard::new(3).unwrap());
        world.sleep(35).await;
        late.extend([(new, rung), (old, rung)]);
    }
    for (id, rung) in late {
        let waited = worker.started(id).unwrap().since(rung);
        assert!(waited <= Duration::from_secs(3), "{id} {waited:?}");
    }
}
