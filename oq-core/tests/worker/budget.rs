//! Inputs share the memory that a worker has for them, however many slots it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oq_core::queue::TaskState;
use oq_core::worker::{Drain, Event, WorkerBuilder};
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};

use crate::world::{World, outcome, pause, start};

const KIB: usize = 1 << 10;

/// How many tasks ran at once, at most.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    claimed: Arc<AtomicUsize>,
}

impl Crowd {
    /// A worker with 16 slots and room for inputs of `budget` bytes.
    fn worker(&self, queue: &Queue, budget: usize) -> WorkerBuilder {
        let (crowd, claimed) = (self.clone(), self.claimed.clone());
        Worker::builder()
            .queue(queue)
            .concurrency(16)
            .input_budget(budget)
            .on_event(move |event| {
                if let Event::Claimed { .. } = event {
                    claimed.fetch_add(1, Ordering::Relaxed);
                }
            })
            .handler("read", move |ctx: Context, text: String| {
                let crowd = crowd.clone();
                async move {
                    let now = crowd.now.fetch_add(1, Ordering::Relaxed) + 1;
                    crowd.most.fetch_max(now, Ordering::Relaxed);
                    ctx.sleep(Duration::from_secs(20)).await;
                    crowd.now.fetch_sub(1, Ordering::Relaxed);
                    Ok::<_, TaskError>(text.len())
                }
            })
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn claimed(&self) -> usize {
        self.claimed.load(Ordering::Relaxed)
    }
}

/// A task with an input of so many bytes; its time is shorter than a turn may be long in coming.
fn read(bytes: usize) -> Task {
    let task = Task::new("read", &"x".repeat(bytes - 2)).unwrap();
    task.timeout(Duration::from_secs(30))
}

async fn all_complete(queue: &Queue, ids: &[oq_core::record::TaskId]) {
    for id in ids {
        let view = outcome(queue, *id).await;
        assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn lone_tasks_start_while_there_is_memory_for_their_inputs() {
    // In the record, and in objects of their own.
    for bytes in [40 * KIB, 300 * KIB] {
        let world = World::new();
        let queue = world.queue().await;
        let many = queue.submit_many((0..12).map(|_| read(bytes))).pack(1);
        let ids = many.ids().await.unwrap();
        let crowd = Crowd::default();
        let worker = start(crowd.worker(&world.queue().await, 3 * bytes + bytes / 2));
        all_complete(&queue, &ids).await;
        assert_eq!(crowd.most(), 3, "with {bytes} bytes each");
        worker.stop().await;
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_do_the_tasks_of_a_pack() {
    let world = World::new();
    let queue = world.queue().await;
    let bytes = 40 * KIB;
    let many = queue.submit_many((0..12).map(|_| read(bytes))).pack(12);
    let ids = many.ids().await.unwrap();
    let crowd = Crowd::default();
    let worker = start(crowd.worker(&world.queue().await, 3 * bytes));
    all_complete(&queue, &ids).await;
    assert_eq!((crowd.most(), crowd.claimed()), (3, 1));
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_larger_than_all_memory_runs_alone() {
    let world = World::new();
    let queue = world.queue().await;
    let sizes = [KIB, 100 * KIB, KIB, 100 * KIB, KIB];
    let many = queue.submit_many(sizes.map(read)).pack(1);
    let ids = many.ids().await.unwrap();
    let crowd = Crowd::default();
    let worker = start(crowd.worker(&world.queue().await, KIB));
    all_complete(&queue, &ids).await;
    assert_eq!(crowd.most(), 1);
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_large_task_keeps_its_turn_while_small_ones_keep_coming() {
    let world = World::new();
    let queue = world.queue().await;
    let crowd = Crowd::default();
    let worker = start(crowd.worker(&world.queue().await, 100 * KIB));
    let mut small = Vec::new();
    let mut large = None;
    for n in 0..40 {
        if n == 6 {
            large = Some(queue.submit(read(90 * KIB)).await.unwrap().id);
        }
        small.push(queue.submit(read(20 * KIB)).await.unwrap().id);
        pause(4.0).await;
        if n == 25 {
            // What ran when it came has ended long since, and so has it.
            let view = queue.get(large.unwrap()).await.unwrap();
            assert_eq!(view.state, TaskState::Completed);
        }
    }
    all_complete(&queue, &small).await;
    worker.stop().await;
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_no_memory_left_leaves_what_comes_to_others() {
    let world = World::new();
    let queue = world.queue().await;
    let [full, free] = [Crowd::default(), Crowd::default()];
    let first = start(full.worker(&world.queue().await, 100 * KIB));
    let large = queue.submit(read(200 * KIB)).await.unwrap().id;
    pause(5.0).await;
    assert_eq!(full.claimed(), 1);
    let second = start(free.worker(&world.queue().await, 100 * KIB));
    let many = queue.submit_many((0..8).map(|_| read(KIB))).pack(1);
    let small = many.ids().await.unwrap();
    pause(14.0).await;
    // It had fifteen slots free.
    assert_eq!(full.claimed(), 1);
    all_complete(&queue, &small).await;
    all_complete(&queue, &[large]).await;
    for worker in [first, second] {
        worker.stop().await;
    }
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_memory_at_the_end_is_given_back_uncharged() {
    let world = World::new();
    let queue = world.queue().await;
    let bytes = 40 * KIB;
    let many = queue.submit_many((0..6).map(|_| read(bytes))).pack(1);
    let ids = many.ids().await.unwrap();
    let crowd = Crowd::default();
    let builder = crowd.worker(&world.queue().await, bytes);
    let worker = start(builder.grace(Duration::from_secs(1)));
    pause(5.0).await;
    assert_eq!((crowd.most(), crowd.claimed()), (1, 6));
    worker.stop().await;
    for id in ids {
        let view = queue.get(id).await.unwrap();
        assert_eq!((view.state, view.attempts), (TaskState::Pending, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_keeps_to_it_as_well() {
    let world = World::new();
    let queue = world.queue().await;
    let bytes = 40 * KIB;
    let many = queue.submit_many((0..40).map(|_| read(bytes))).pack(1);
    many.ids().await.unwrap();
    let crowd = Crowd::default();
    let builder = crowd.worker(&world.queue().await, 2 * bytes);
    let drained = builder.build().unwrap().drain(Drain::all()).await.unwrap();
    assert_eq!((drained.completed, crowd.most()), (40, 2));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn no_memory_at_all_is_a_mistake() {
    let world = World::new();
    let builder = Crowd::default().worker(&world.queue().await, 0);
    assert!(matches!(builder.build(), Err(Error::Invalid { .. })));
}
