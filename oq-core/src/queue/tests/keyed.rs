//! Idempotency keys: one live task in the window, and everybody learns its id.

use super::*;
use crate::env::Env;
use crate::protocol::write::{read, update};
use crate::record::{Ending, Idempotency, KeyHash, Live};
use crate::state::cancel;
use crate::store::{Faults, Faulty};

const WINDOW: Duration = Duration::from_secs(3600);

fn keyed(input: &str) -> Task {
    task(input).key("welcome:a@x.io").key_window(WINDOW)
}

async fn live_tasks(queue: &Queue) -> Vec<ObjectId> {
    let keys = keys(queue).await;
    let ids = keys.iter().filter_map(|key| match Key::parse(key) {
        Some(Key::Live(_, id)) => Some(id),
        _ => None,
    });
    ids.collect()
}

#[tokio::test(start_paused = true)]
async fn the_second_submitter_gets_the_first_ones_id_and_then_its_result() {
    let queue = queue().await;
    let first = queue.submit(keyed("one")).await.unwrap();
    assert!(!first.existing);
    let id = first.id;
    let pending = queue.submit(keyed("two")).await.unwrap();
    assert_eq!((pending.id, pending.existing), (id, true));
    let hold = held(&queue, id.object()).await;
    let running = queue.submit(keyed("three")).await.unwrap();
    assert_eq!((running.id, running.existing), (id, true));
    drop(hold);
    queue.root().env().sleep(secs(60)).await;
    run(&queue, id.object(), ok("sent")).await;
    let over = queue.submit(keyed("four")).await.unwrap();
    assert_eq!((over.id, over.existing), (id, true));
    assert_eq!(queue.result::<String>(over.id).await.unwrap(), "sent");
    // Other keys and other queues are not concerned.
    let other = task("x").key("welcome:b@x.io");
    assert!(!queue.submit(other).await.unwrap().existing);
    let elsewhere = queue.named("other").await.unwrap();
    assert!(!elsewhere.submit(keyed("x")).await.unwrap().existing);
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_a_completed_task_in_its_window_only() {
    let queue = queue().await;
    let first = queue.submit(keyed("one")).await.unwrap().id;
    run(&queue, first.object(), ok("sent")).await;
    queue.root().env().sleep(WINDOW - secs(5)).await;
    assert!(queue.submit(keyed("two")).await.unwrap().existing);
    queue.root().env().sleep(secs(10)).await;
    let second = queue.submit(keyed("three")).await.unwrap();
    assert!(!second.existing && second.id != first);
    assert_eq!(queue.submit(keyed("four")).await.unwrap().id, second.id);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_task_failed_was_cancelled_or_expired_is_free_at_once() {
    let queue = queue().await;
    let failed = queue.submit(keyed("one")).await.unwrap().id;
    run(&queue, failed.object(), broken()).await;
    let cancelled = queue.submit(keyed("two")).await.unwrap();
    assert!(!cancelled.existing && cancelled.id != failed);
    queue.cancel(cancelled.id).await.unwrap();
    let expired = queue
        .submit(keyed("three").expires_in(secs(5)))
        .await
        .unwrap();
    assert!(!expired.existing);
    queue.root().env().sleep(secs(6)).await;
    // Nobody has said that its time is over: the next submitter does.
    let last = queue.submit(keyed("four")).await.unwrap();
    assert!(!last.existing);
    assert_eq!(
        queue.get(expired.id).await.unwrap().state,
        TaskState::Expired
    );
    assert_eq!(live_tasks(&queue).await, [last.id.object()]);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_task_without_an_outcome_is_settled_first() {
    let queue = queue().await;
    let id = queue.submit(keyed("one")).await.unwrap().id;
    let key = Key::Live(queue.name().clone(), id.object());
    let live = read::<Live>(queue.root(), &key).await.unwrap().unwrap();
    let now = queue.root().now();
    let cancel::Cancel::Over(over) = cancel::cancel(&live.record, &[0], None, now) else {
        panic!("not cancelled");
    };
    update(queue.root(), &key, &live, *over).await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Finishing);
    let next = queue.submit(keyed("two")).await.unwrap();
    assert!(!next.existing && next.id != id);
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Cancelled);
}

/// Only the key's record is there: its writer died before the task.
async fn orphan(queue: &Queue) -> ObjectId {
    let submitted = queue.submit(keyed("dead")).await.unwrap().id;
    let key = Key::Live(queue.name().clone(), submitted.object());
    queue.root().delete(&key.store_key()).await.unwrap();
    submitted.object()
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_task_is_helped_not_replaced() {
    let queue = queue().await;
    let id = orphan(&queue).await;
    let helped = queue.submit(keyed("two").delay(secs(90))).await.unwrap();
    assert_eq!((helped.id.object(), helped.existing), (id, false));
    // When it is due is what the recorded id says.
    assert_eq!(
        queue.get(helped.id).await.unwrap().state,
        TaskState::Pending
    );
    run(&queue, id, ok("sent")).await;
    assert!(queue.submit(keyed("three")).await.unwrap().existing);
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_life_is_long_over_is_used_again_under_a_new_id() {
    let queue = queue().await;
    let id = orphan(&queue).await;
    queue.root().env().sleep(secs(3700)).await;
    let next = queue.submit(keyed("two")).await.unwrap();
    assert!(!next.existing && next.id.object() != id);
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_of_a_helped_task_is_not_run() {
    let queue = queue().await;
    let id = orphan(&queue).await;
    queue.submit(keyed("two")).await.unwrap();
    let key = Key::Live(queue.name().clone(), id).store_key();
    let body = queue.root().get(&key).await.unwrap().value.unwrap().body;
    run(&queue, id, ok("sent")).await;
    // The dead writer's create lands now.
    queue.root().send(&key, body, None).await.unwrap();
    assert!(queue.submit(keyed("three")).await.unwrap().existing);
    assert!(live_tasks(&queue).await.is_empty(), "the copy was left");
    assert!(matches!(claimed(&queue, id).await, Claimed::Gone));
}

#[tokio::test(start_paused = true)]
async fn whoever_races_for_a_key_learns_the_same_id() {
    let store = store();
    let mut queues = Vec::new();
    for seed in 1..=20 {
        queues.push(queue_on(store.clone(), seed).await);
    }
    let all = futures::future::join_all(queues.iter().map(|q| q.submit(keyed("x")))).await;
    let all: Vec<Submitted> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|s| !s.existing).count(), 1);
    assert!(all.iter().all(|s| s.id == all[0].id));
    assert_eq!(live_tasks(&queues[0]).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn faults_never_make_two_tasks_for_a_key() {
    for seed in 1..=150 {
        let calm = store();
        let worker = queue_on(calm.clone(), 1000 + seed).await;
        let env: Env = client(calm.clone(), seed).env().clone();
        let faulty = Arc::new(Faulty::new(calm.clone(), Faults::each(0.2), env));
        let mut clients = Vec::new();
        while clients.len() < 3 {
            let root = client(faulty.clone(), seed * 10 + clients.len() as u64);
            if let Ok(q) = Queue::open(root, worker.name().clone()).await {
                clients.push(q);
            }
        }
        let mut completed: Option<StoreTime> = None;
        for round in 0..6u64 {
            let asked = clients.iter().map(|q| q.submit(keyed("x")));
            let answers = futures::future::join_all(asked).await;
            let record: Option<_> = {
                let key = Key::Idempotency(worker.name().clone(), KeyHash::of("welcome:a@x.io"));
                read::<Idempotency>(worker.root(), &key).await.unwrap()
            };
            // Everybody who got an answer got the one id.
            for submitted in answers.iter().flatten() {
                assert_eq!(
                    Some(submitted.id.object()),
                    record.as_ref().map(|r| r.record.id)
                );
            }
            let mut runnable = Vec::new();
            for id in live_tasks(&worker).await {
                if worker.get(id.task(0)).await.unwrap().state == TaskState::Pending {
                    runnable.push(id);
                }
            }
            assert!(runnable.len() <= 1, "seed {seed}: {runnable:?}");
            if let Some(id) = runnable.first() {
                let now = worker.root().now();
                let stands = completed.is_some_and(|at| now < at.plus(WINDOW));
                assert!(!stands, "seed {seed}: {id} although its key stands");
                let verdict = if (seed + round) % 3 == 0 {
                    broken()
                } else {
                    ok("x")
                };
                run(&worker, *id, verdict).await;
                let view = worker.get(id.task(0)).await.unwrap();
                let won = view.state == Ending::Completed.into();
                completed = view.ended.filter(|_| won).or(completed);
            }
            worker.root().env().sleep(secs(1000 * round)).await;
        }
    }
}
