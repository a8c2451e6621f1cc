//! Telling what happens while it happens.

use super::*;
use crate::record::{Shard, Step, prefix};
use crate::store::{Metered, Requests};

async fn tail(queue: &Queue) -> Tail {
    queue.tail(Watch::new(), None).await.unwrap()
}

/// Polls so many times, an interval apart.
async fn polled(tail: &mut Tail, times: usize) -> Vec<TailEvent> {
    let mut events = Vec::new();
    for _ in 0..times {
        tail.rest().await;
        let told = tail.poll().await.unwrap();
        assert_eq!(told.lost, 0);
        events.extend(told.events);
    }
    events
}

fn words(events: &[TailEvent]) -> Vec<&'static str> {
    events.iter().map(|e| e.event.as_str()).collect()
}

async fn given_back(queue: &Queue, id: ObjectId, verdict: Verdict, step: Step) {
    let mut hold = held(queue, id).await;
    let now = queue.root().now();
    settle(hold.live_mut(), 0, verdict, now);
    hold.give_back(step, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_step_is_told_once_with_its_reason() {
    let queue = queue().await;
    let mut tail = tail(&queue).await;
    let id = queue.submit(task("x")).await.unwrap().id;
    queue.flush().await;
    let events = polled(&mut tail, 2).await;
    assert_eq!(words(&events), ["submitted"]);
    assert_eq!(events[0].id.to_string(), id.to_string());

    given_back(
        &queue,
        id.object(),
        Verdict::Later(secs(1)),
        Step::Rescheduled,
    )
    .await;
    let events = polled(&mut tail, 3).await;
    assert_eq!(words(&events), ["claimed", "rescheduled"]);

    let failure = Failure::new("smtp", "greylisted");
    given_back(
        &queue,
        id.object(),
        Verdict::Failed(failure, 0.5),
        Step::Retried,
    )
    .await;
    let events = polled(&mut tail, 3).await;
    assert_eq!(words(&events), ["claimed", "retried"]);
    assert!(events[0].worker.is_some());
    assert_eq!(events[0].delivery, 2);

    queue.root().env().sleep(secs(60)).await;
    run(&queue, id.object(), broken()).await;
    let events = polled(&mut tail, 8).await;
    assert_eq!(words(&events), ["claimed", "failed"]);
    let reason = events[1].reason.as_deref().unwrap();
    assert!(reason.contains("no such mailbox"), "{reason}");
    assert_eq!(polled(&mut tail, 30).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_begins_and_ends_between_two_polls_is_told_in_full() {
    let queue = queue().await;
    let mut tail = tail(&queue).await;
    polled(&mut tail, 10).await;
    let id = queue.submit(task("x")).await.unwrap().id;
    run(&queue, id.object(), ok("1")).await;
    queue.flush().await;
    let events = polled(&mut tail, 2).await;
    assert_eq!(words(&events), ["submitted", "claimed", "completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_task_is_told_again_when_its_time_has_come() {
    let queue = queue().await;
    let mut tail = tail(&queue).await;
    let id = queue.submit(task("x").delay(secs(600))).await.unwrap().id;
    queue.flush().await;
    assert_eq!(words(&polled(&mut tail, 100).await), ["submitted"]);
    queue.root().env().sleep(secs(500)).await;
    run(&queue, id.object(), ok("1")).await;
    assert_eq!(
        words(&polled(&mut tail, 10).await),
        ["claimed", "completed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pack_is_told_as_one_until_its_tasks_end() {
    let queue = queue().await;
    let mut tail = tail(&queue).await;
    let tasks = (0..3).map(|i| Task::new("t", &i).unwrap());
    let ids = queue.submit_many(tasks).pack(3).ids().await.unwrap();
    run(&queue, ids[0].object(), ok("1")).await;
    queue.flush().await;
    let events = polled(&mut tail, 2).await;
    let all = [
        "submitted",
        "claimed",
        "completed",
        "completed",
        "completed",
    ];
    assert_eq!(words(&events), all);
    assert_eq!(events[0].tasks, 3);
    assert_eq!(events[4].id.to_string(), ids[2].to_string());
}

#[tokio::test(start_paused = true)]
async fn asking_to_cancel_what_runs_is_told_with_its_reason() {
    let queue = queue().await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let _hold = held(&queue, id.object()).await;
    let mut tail = tail(&queue).await;
    // Whole seconds: what was written in the second in which a tail begins may be older than it.
    polled(&mut tail, 2).await;
    queue
        .cancel_because(id, Some("wrong address"))
        .await
        .unwrap();
    let events = polled(&mut tail, 10).await;
    assert_eq!(words(&events), ["cancel_requested"]);
    assert_eq!(events[0].reason.as_deref(), Some("wrong address"));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_watched_is_told() {
    let queue = queue().await;
    let watch = Watch::new()
        .task_type("welcome".parse().unwrap())
        .tag("customer", "c1")
        .event(Happened::Completed);
    let mut tail = queue.tail(watch, None).await.unwrap();
    let other = Task::new("other", "x").unwrap().tag("customer", "c1");
    let wanted = task("x").tag("customer", "c1");
    let mut ids = Vec::new();
    for task in [other, task("x"), task("x").tag("customer", "c2"), wanted] {
        ids.push(queue.submit(task).await.unwrap().id);
    }
    for id in &ids {
        run(&queue, id.object(), ok("1")).await;
    }
    queue.flush().await;
    let events = polled(&mut tail, 3).await;
    assert_eq!(words(&events), ["completed"]);
    assert_eq!(events[0].id, Subject::Task(ids[3]));
}

#[tokio::test(start_paused = true)]
async fn whoever_resumes_from_any_cursor_misses_nothing() {
    let queue = queue().await;
    let mut whole = tail(&queue).await;
    let mut all = Vec::new();
    for n in 0..30u64 {
        let id = queue.submit(task("x")).await.unwrap().id;
        if n % 3 == 0 {
            given_back(
                &queue,
                id.object(),
                Verdict::Later(secs(20)),
                Step::Rescheduled,
            )
            .await;
        } else {
            run(&queue, id.object(), ok("1")).await;
        }
        queue.flush().await;
        queue.root().env().sleep(secs(n % 7)).await;
        all.extend(polled(&mut whole, 1).await);
    }
    all.extend(polled(&mut whole, 20).await);
    assert_eq!(all.len(), 20 * 3 + 10 * 3, "{:?}", words(&all));
    let told = |e: &TailEvent| (e.at, e.event, e.id);
    for (n, event) in all.iter().enumerate().step_by(7) {
        let cursor: Cursor = event.cursor.to_string().parse().unwrap();
        let mut tail = queue.tail(Watch::new(), Some(cursor)).await.unwrap();
        let mut again = tail.poll().await.unwrap().events;
        assert!(tail.is_caught_up());
        again.extend(polled(&mut tail, 3).await);
        let again: Vec<_> = again.iter().map(told).collect();
        for later in &all[n + 1..] {
            assert!(again.contains(&told(later)), "after {cursor}: {later:?}");
        }
        let distinct: std::collections::BTreeSet<_> = again.iter().collect();
        assert_eq!(distinct.len(), again.len(), "told twice by one tail");
    }
}

/// A queue of 16 shards whose requests are counted.
async fn counted() -> (Queue, impl Fn() -> Requests) {
    let store = Metered::new(store());
    let meter = store.meter();
    (queue_on(Arc::new(store), 1).await, move || meter.snapshot())
}

/// The most requests of a poll, and those of all polls.
async fn cost(tail: &mut Tail, polls: usize, count: &impl Fn() -> Requests) -> (Requests, u64) {
    let (start, mut most) = (count(), 0);
    for _ in 0..polls {
        let before = count();
        polled(tail, 1).await;
        most = most.max((count() - before).total());
    }
    (count() - start, most)
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_costs_a_get_a_poll_and_four_listings_a_minute() {
    let (queue, count) = counted().await;
    let mut tail = tail(&queue).await;
    polled(&mut tail, 30).await;
    let (spent, most) = cost(&mut tail, 300, &count).await;
    assert_eq!((spent.get(), spent.put()), (300, 0));
    assert!(spent.list() <= 40, "{} LIST in ten minutes", spent.list());
    assert!(most <= 2);
}

/// Puts so many objects like that of `like` into the queue, spread over its shards.
async fn pile_up(queue: &Queue, like: ObjectId, first: StoreTime, number: u64) {
    let key = Key::Live(queue.name().clone(), like).store_key();
    let body = queue.root().get(&key).await.unwrap().value.unwrap().body;
    for n in 0..number {
        let shard = Shard::new((n % 16) as u16).unwrap();
        let due = StoreTime(first.0 + n);
        let id = ObjectId::from_parts(due, n, like.priority(), 1, shard);
        let key = Key::Live(queue.name().clone(), id).store_key();
        queue.root().send(&key, body.clone(), None).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_waiting_tasks_cost_hardly_more() {
    let (queue, count) = counted().await;
    let delayed = queue
        .submit(task("x").delay(secs(86_400)))
        .await
        .unwrap()
        .id;
    let due = delayed.object().due();
    pile_up(&queue, delayed.object(), due, 100_000).await;
    queue.root().env().sleep(secs(60)).await;
    let mut tail = tail(&queue).await;
    polled(&mut tail, 200).await;
    let (spent, most) = cost(&mut tail, 300, &count).await;
    assert_eq!(spent.get(), 300);
    assert!(spent.list() <= 150, "{} LIST in ten minutes", spent.list());
    assert!(most <= 20, "{most} requests in a poll");

    // And what is submitted and runs beside them is told at the next poll.
    let id = queue.submit(task("y")).await.unwrap().id;
    queue.flush().await;
    let before = count();
    assert_eq!(words(&polled(&mut tail, 1).await), ["submitted"]);
    let spent = count() - before;
    assert!(spent.list() <= 4 && spent.get() <= 2, "{spent}");
    run(&queue, id.object(), ok("1")).await;
    assert_eq!(words(&polled(&mut tail, 4).await), ["claimed", "completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_due_tasks_are_told_as_they_are_worked_off() {
    let (queue, count) = counted().await;
    let first = queue.submit(task("x")).await.unwrap().id;
    let due = first.object().due();
    queue.root().env().sleep(secs(200)).await;
    pile_up(&queue, first.object(), due, 100_000).await;
    queue.root().env().sleep(secs(60)).await;
    let mut tail = tail(&queue).await;
    polled(&mut tail, 30).await;
    let submitted = queue.submit(task("y")).await.unwrap().id;
    queue.flush().await;
    let before = count();
    assert_eq!(words(&polled(&mut tail, 1).await), ["submitted"]);
    assert!((count() - before).list() <= 4);

    // A worker takes the oldest of a shard.
    let shard = submitted.object().shard();
    let head = List::prefix(prefix::live_shard(queue.name(), shard)).limit(50);
    let head = queue.root().list(&head).await.unwrap().value.entries;
    for entry in &head {
        if let Some(Key::Live(_, id)) = Key::parse(entry.key.as_str()) {
            run(&queue, id, ok("1")).await;
        }
    }
    let (start, mut events, mut most) = (count(), Vec::new(), 0);
    for _ in 0..130 {
        let before = count();
        events.extend(polled(&mut tail, 1).await);
        most = most.max((count() - before).total());
    }
    let ends = events.iter().filter(|e| e.event == Happened::Completed);
    assert_eq!(ends.count(), 50);
    assert!(most <= 16 + 8 + 100, "{most} requests in a poll");
    let lists = (count() - start).list();
    assert!(lists <= 16 * 4 * 3, "{lists} LIST in four minutes");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_object_does_not_end_a_tail() {
    let queue = queue().await;
    let mut tail = tail(&queue).await;
    polled(&mut tail, 1).await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let other = ObjectId::from_parts(
        id.object().due(),
        7,
        id.object().priority(),
        1,
        Shard::default(),
    );
    let key = Key::Live(queue.name().clone(), other).store_key();
    queue.root().send(&key, "{".into(), None).await.unwrap();
    queue.flush().await;
    assert_eq!(words(&polled(&mut tail, 3).await), ["submitted"]);
}
