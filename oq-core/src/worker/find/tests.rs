//! The real finder over a store in memory, on virtual time, with every request counted.

mod crowd;
mod world;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use self::world::{RUNNABLE, Worker, World, running, waiting};
use super::*;
use crate::protocol::bell::bump_view;
use crate::protocol::write::{modify, read};
use crate::record::{Bell, Key, Shard};
use crate::store::Store;

const QUICK: Duration = Duration::from_millis(10);

fn dollars_a_month(counts: (u64, u64, u64), seconds: u64) -> f64 {
    let (gets, puts, lists) = (counts.0 as f64, counts.1 as f64, counts.2 as f64);
    (gets * 0.4 + (puts + lists) * 5.0) / 1e6 * (30.0 * 86400.0 / seconds as f64)
}

fn fleet(world: &World, n: usize, slots: usize, task: Duration) -> Vec<Worker> {
    let names = (0..n).map(|i| format!("W{i:03}"));
    names.map(|name| world.worker(&name, slots, task)).collect()
}

fn claims(fleet: &[Worker]) -> usize {
    fleet.iter().map(Worker::claims).sum()
}

async fn pause(world: &World, paused: bool) {
    let key = Key::Settings(world.queue.clone());
    modify(
        &world.root(),
        &key,
        Settings::initial,
        |s: &mut Settings| {
            s.paused = paused;
            Ok(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_keeps_to_its_budget() {
    let world = World::new();
    let _worker = world.worker("W", 10, QUICK);
    world.sleep(600).await;
    let (gets, puts, lists) = world.counts();
    assert!(gets + puts + lists <= 450, "{gets} + {puts} + {lists}");
    assert!(puts + lists <= 100, "{puts} + {lists}");
}

#[tokio::test(start_paused = true)]
async fn ten_idle_workers_keep_to_theirs() {
    let world = World::new();
    let _fleet = fleet(&world, 10, 10, QUICK);
    world.sleep(600).await;
    let counts = world.counts();
    let dollars = dollars_a_month(counts, 600);
    assert!(dollars <= 15.0, "{counts:?}: ${dollars}");
}

#[tokio::test(start_paused = true)]
async fn a_ring_is_answered_within_a_poll() {
    let world = World::new();
    let fleet = fleet(&world, 3, 10, QUICK);
    let ringer = Ringer::new(world.root(), world.queue.clone());
    world.sleep(60).await;
    world.counts();
    for shard in 0..16 {
        let submitted = world.now();
        let id = world.put(submitted, 16, shard, RUNNABLE).await;
        ringer.ring(Shard::new(shard).unwrap());
        world.sleep(4).await;
        let started = fleet.iter().find_map(|w| w.started(id)).unwrap();
        assert!(started.since(submitted) < Duration::from_millis(2500));
    }
    let (_, _, lists) = world.counts();
    // One for each ring, and what is listed without rings in a minute.
    assert!(lists <= 16 + 14, "{lists}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_costs_few_listings() {
    let world = World::new();
    let (_, puts, lists) = burst(&world, 10).await;
    assert!(lists <= 300, "{lists}");
    // Ten come, and tell the others.
    assert!(puts <= 40, "{puts}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_behind_a_crowd_that_waits_costs_few_listings_too() {
    let world = World::new();
    let now = world.now();
    for n in 0..100_000u64 {
        let shard = (n % 16) as u16;
        world
            .put(now.plus(Duration::from_secs(3600 + n)), 0, shard, RUNNABLE)
            .await;
        world
            .put(now.minus(Duration::from_secs(n)), 16, shard, waiting(12))
            .await;
    }
    let (_, _, lists) = burst(&world, 10).await;
    // A fifth more than with nothing in front may be asked: those who start together split the same walks.
    assert!(lists <= 360, "{lists}");
}

async fn burst(world: &World, workers: usize) -> (u64, u64, u64) {
    world.counts();
    for n in 0..10_000u16 {
        world.put(world.now(), 16, n % 16, RUNNABLE).await;
    }
    let fleet = fleet(world, workers, 10, Duration::from_millis(60));
    for _ in 0..40 {
        world.sleep(1).await;
        if claims(&fleet) >= 10_000 {
            return world.counts();
        }
    }
    panic!("only {} of 10000 were claimed", claims(&fleet));
}

#[tokio::test(start_paused = true)]
async fn what_comes_steadily_is_claimed_without_listings() {
    let world = World::new();
    let fleet = fleet(&world, 4, 32, QUICK);
    world.sleep(70).await;
    world.counts();
    let ringers = [(); 2].map(|()| Ringer::new(world.root(), world.queue.clone()));
    for n in 0..60 {
        for shard in 0..16 {
            let id = world.put(world.now(), 16, shard, RUNNABLE).await;
            ringers[usize::from(n + shard) % 2].announce(id);
        }
        world.sleep(1).await;
    }
    world.sleep(2).await;
    assert_eq!(claims(&fleet), 960);
    // Six sweeps, four looks at the fleet, and what two rings at once took to be found.
    let (_, _, lists) = world.counts();
    assert!(lists <= 30, "{lists}");
}

#[tokio::test(start_paused = true)]
async fn delayed_urgent_tasks_do_not_starve_the_others() {
    let world = World::new();
    for n in 0..3000 {
        let due = world.now().plus(Duration::from_secs(3600 + n));
        world.put(due, 0, 3, waiting(12)).await;
    }
    let id = world.put(world.now(), 31, 3, RUNNABLE).await;
    let worker = world.worker("W", 1, QUICK);
    world.sleep(2).await;
    assert!(worker.started(id).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_due_behind_the_first_page_starts_in_time() {
    let world = World::new();
    let start = world.now();
    for n in 0..1500 {
        world
            .put(start.minus(Duration::from_secs(n)), 16, 3, waiting(14))
            .await;
    }
    let mut delayed = Vec::new();
    for n in 0..200 {
        let due = start.plus(Duration::from_secs(20 + n));
        delayed.push(world.put(due, 16, 3, waiting(4)).await);
    }
    let worker = world.worker("W", 10, QUICK);
    world.sleep(230).await;
    for id in delayed {
        let at = worker.started(id).expect("it was due");
        assert!(at >= id.due() && at.since(id.due()) < Duration::from_secs(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_ring_is_made_good_by_the_sweep() {
    let world = World::new();
    let fleet = fleet(&world, 3, 10, QUICK);
    world.sleep(100).await;
    let mut ids = Vec::new();
    for shard in 0..16 {
        ids.push(world.put(world.now(), 16, shard, RUNNABLE).await);
    }
    world.sleep(45).await;
    for id in ids {
        assert!(fleet.iter().any(|w| w.started(id).is_some()), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_shards_and_tasks_of_a_dead_worker_are_found() {
    let world = World::new();
    let mut fleet = fleet(&world, 2, 20, Duration::from_secs(3600));
    world.sleep(65).await;
    let ringer = Ringer::new(world.root(), world.queue.clone());
    for shard in 0..16 {
        world.put(world.now(), 16, shard, RUNNABLE).await;
        ringer.ring(Shard::new(shard).unwrap());
    }
    world.sleep(5).await;
    let held: Vec<ObjectId> = fleet[0].done.lock().unwrap().iter().map(|d| d.0).collect();
    assert!(!held.is_empty());
    let died = world.now();
    drop(fleet.remove(0));
    world.sleep(45).await;
    for id in held {
        let at = fleet[0].started(id).expect("its holder is dead");
        assert!(at.since(died) < Duration::from_secs(45));
    }
    world.sleep(120).await;
    assert_eq!(fleet[0].finder.state().own.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_gives_nothing_after_one_poll() {
    let world = World::new();
    let worker = world.worker("W", 1, QUICK);
    world.sleep(30).await;
    pause(&world, true).await;
    bump_view(&world.root(), &world.queue).await.unwrap();
    world.sleep(3).await;
    let id = world.put(world.now(), 16, 3, RUNNABLE).await;
    Ringer::new(world.root(), world.queue.clone()).ring(Shard::new(3).unwrap());
    world.sleep(100).await;
    assert_eq!(worker.started(id), None);
    assert!(worker.finder.take().is_none() && worker.finder.settings().paused);
    pause(&world, false).await;
    bump_view(&world.root(), &world.queue).await.unwrap();
    world.sleep(3).await;
    assert!(worker.started(id).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_work_of_a_full_worker_is_helped_with_and_its_shards_pass_on() {
    let world = World::new();
    let full = world.worker("A", 1, Duration::from_secs(3600));
    let idle = world.worker("B", 200, QUICK);
    world.sleep(70).await;
    let shard = *full.finder.state().own.first().unwrap();
    let ringer = Ringer::new(world.root(), world.queue.clone());
    for _ in 0..100 {
        world.put(world.now(), 16, shard.value(), RUNNABLE).await;
    }
    ringer.ring(shard);
    world.sleep(10).await;
    assert_eq!(full.claims(), 1);
    assert!(idle.claims() >= 60, "{}", idle.claims());
    world.sleep(20).await;
    assert_eq!(world.left().await, 1);
    assert_eq!(idle.finder.state().own.len(), 16);
    assert!(full.finder.state().own.is_empty());
    full.finder.set_room(1);
    world.sleep(10).await;
    assert_eq!(idle.finder.state().own.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn who_withdraws_hands_over_at_once() {
    let world = World::new();
    let leaving = world.worker("A", 1, QUICK);
    let staying = world.worker("B", 1, QUICK);
    world.sleep(70).await;
    assert_eq!(staying.finder.state().own.len(), 8);
    leaving.finder.withdraw().await;
    drop(leaving);
    world.sleep(5).await;
    assert_eq!(staying.finder.state().own.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_claimed_when_due_without_a_listing() {
    let world = World::new();
    let finder = world.finder("W");
    finder.set_room(1);
    let run = finder.clone();
    let run = tokio::spawn(async move { run.run().await });
    let id = world.put(world.now(), 16, 3, RUNNABLE).await;
    finder.ready().await;
    let first = finder.take().unwrap();
    assert_eq!((first.id, first.why), (id, Why::Runnable));
    assert_eq!(finder.take(), None, "it is being tried");
    finder.report(id, News::Claimed);
    let until = world.now().plus(Duration::from_secs(7));
    let etag = Some(Etag::new("new"));
    finder.report(
        id,
        News::Waiting {
            until,
            etag: etag.clone(),
        },
    );
    world.sleep(1).await;
    assert_eq!(finder.take(), None);
    world.counts();
    finder.ready().await;
    assert!(world.now() >= until && world.now().since(until) < Duration::from_millis(50));
    // At most the sweep, which is due at some time.
    assert!(world.counts().2 <= 1);
    let again = finder.take().unwrap();
    assert_eq!((again.id, again.why, again.etag), (id, Why::Due, etag));
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_is_taken_over_in_time() {
    let world = World::new();
    let id = world.put(world.now(), 16, 3, running(5)).await;
    let worker = world.worker("W", 1, QUICK);
    world.sleep(44).await;
    let at = worker.started(id).expect("its lease has ended");
    assert!(at.as_millis() >= world::EPOCH + 35_000);
}

#[tokio::test(start_paused = true)]
async fn a_long_listing_stays_small_in_memory() {
    let world = World::new();
    for n in 0..100_000u64 {
        let due = world.now().minus(Duration::from_millis(n));
        let size = if n % 2 == 0 { RUNNABLE } else { waiting(12) };
        world.put(due, 16, (n % 4) as u16, size).await;
    }
    let worker = world.worker("W", 0, QUICK);
    worker.finder.set_room(500);
    for _ in 0..20 {
        world.sleep(1).await;
        let state = worker.finder.state();
        assert!(state.buffer.len() <= 4 * 1016, "{}", state.buffer.len());
        assert!(state.memory.len() <= 10_000, "{}", state.memory.len());
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_store_are_waited_out() {
    let world = World::new();
    let worker = world.worker("W", 1, QUICK);
    world.sleep(5).await;
    world.store.down.store(true, Relaxed);
    world.sleep(300).await;
    let id = world.put(world.now(), 16, 3, RUNNABLE).await;
    assert!(world.counts().0 < 600);
    world.store.down.store(false, Relaxed);
    world.sleep(60).await;
    assert!(worker.started(id).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_left_alone() {
    let world = World::new();
    for key in ["mail/live/", "mail/live/00/G/notes.txt", "mail/live/zz/x"] {
        let key = crate::store::StoreKey::listed(key);
        let body = bytes::Bytes::from_static(b"x");
        world.store.inner.create(&key, body).await.unwrap();
    }
    let id = world.put(world.now(), 16, 0, RUNNABLE).await;
    let worker = world.worker("W", 1, QUICK);
    world.sleep(100).await;
    assert!(worker.started(id).is_some() && !world.exists(id).await);
    assert_eq!(world.left().await, 3);
}

#[tokio::test(start_paused = true)]
async fn rings_are_coalesced_and_flushed() {
    let world = World::new();
    let ringer = Ringer::new(world.root(), world.queue.clone());
    for n in 0..1000u16 {
        ringer.ring(Shard::new(n % 16).unwrap());
        if n % 100 == 0 {
            world.sleep(1).await;
        }
    }
    ringer.flush().await;
    let (gets, puts, _) = world.counts();
    // Nobody else rings: after the second time the bell is known.
    assert!(gets == 2 && puts <= 11, "{gets} {puts}");
    let key = Key::Bell(world.queue.clone());
    let bell = read::<Bell>(&world.root(), &key).await.unwrap().unwrap();
    assert_eq!(bell.record.rings.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_what_is_rung_after_it() {
    let world = World::new();
    let ringer = Arc::new(Ringer::new(world.root(), world.queue.clone()));
    let (busy, env) = (ringer.clone(), world.root().env().clone());
    let busy = tokio::spawn(async move {
        loop {
            busy.ring(Shard::new(1).unwrap());
            env.sleep(Duration::from_millis(20)).await;
        }
    });
    world.sleep(5).await;
    ringer.ring(Shard::new(7).unwrap());
    let began = world.now();
    ringer.flush().await;
    let took = world.now().since(began);
    assert!(took < Duration::from_secs(2), "{took:?}");
    let key = Key::Bell(world.queue.clone());
    let bell = read::<Bell>(&world.root(), &key).await.unwrap().unwrap();
    assert!(bell.record.rings.contains_key(&Shard::new(7).unwrap()));
    busy.abort();
}
