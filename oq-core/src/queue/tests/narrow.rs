//! A listing by time or priority asks for no more pages than hold what can match.

use super::*;
use crate::record::Priority;
use crate::store::{Metered, Requests};

const EARLY: usize = 6000;

/// How many tasks match, and what finding them took.
async fn listed(queue: &Queue, filter: Filter) -> (usize, Requests) {
    let before = queue.requests();
    let all = queue.list(filter).unwrap().all().await.unwrap();
    (all.len(), queue.requests() - before)
}

#[tokio::test(start_paused = true)]
async fn a_listing_by_time_or_priority_passes_over_what_cannot_match() {
    let queue = queue().await;
    queue.set_shards(2).await.unwrap();
    let submit = async |n: usize, priority| {
        let tasks = (0..n).map(|i| Task::new("t", &i).unwrap().priority(priority));
        let ids = queue.submit_many(tasks).pack(1).ids().await.unwrap();
        assert_eq!(ids.len(), n);
        ids
    };
    submit(EARLY, Priority::NORMAL).await;
    queue.root().env().sleep(secs(100)).await;
    let between = queue.root().now();
    submit(20, Priority::NORMAL).await;
    submit(10, Priority::LOW).await;
    queue.root().env().sleep(secs(100)).await;
    let late = queue.root().now();
    submit(EARLY, Priority::NORMAL).await;

    let pending = || Filter::new().state(TaskState::Pending);
    let (n, used) = listed(&queue, pending()).await;
    assert_eq!((n, used.list()), (2 * EARLY + 30, 13), "all of it");
    // A page for each stretch of a shard that can match, and one that shows where the next begins.
    let (n, used) = listed(&queue, pending().from(between).until(late)).await;
    assert_eq!(n, 30);
    assert!(used.list() <= 5 && used.get() <= 30, "{used}");
    let (n, used) = listed(&queue, pending().priority(Priority::LOW)).await;
    assert_eq!((n, used.list(), used.get()), (10, 2, 10));
    let (n, used) = listed(&queue, pending().priority(Priority::HIGH)).await;
    assert_eq!((n, used.get()), (0, 0));
    // Behind the last shard it looks for another.
    assert!(used.list() <= 3, "{used}");
    // Cursors of such a listing go on in it.
    let mut listing = queue
        .list(pending().from(between).until(late).limit(7))
        .unwrap();
    let mut pieces = 0;
    loop {
        while listing.next().await.unwrap().is_some() {
            pieces += 1;
        }
        let Some(cursor) = listing.cursor().map(str::to_owned) else {
            break;
        };
        let rest = pending()
            .from(between)
            .until(late)
            .limit(7)
            .after(cursor.as_str());
        listing = queue.list(rest).unwrap();
        if pieces >= 30 {
            assert!(listing.next().await.unwrap().is_none());
            break;
        }
    }
    assert_eq!(pieces, 30);
}

#[tokio::test(start_paused = true)]
async fn outcomes_and_dead_letters_of_a_time_are_found_without_the_others() {
    let queue = queue().await;
    queue.set_shards(1).await.unwrap();
    let fail = async |n: usize| {
        let tasks = (0..n).map(|i| Task::new("t", &i).unwrap());
        for id in queue.submit_many(tasks).pack(1).ids().await.unwrap() {
            run(&queue, id.object(), broken()).await;
        }
    };
    fail(1200).await;
    queue.root().env().sleep(secs(100)).await;
    let late = queue.root().now();
    fail(5).await;
    for state in [TaskState::Failed, TaskState::Cancelled] {
        let both = Filter::new().state(state).state(TaskState::Failed);
        let (n, used) = listed(&queue, both.from(late)).await;
        assert_eq!((n, used.list()), (5, 1), "{state}");
    }
    let (n, used) = listed(&queue, Filter::new().state(TaskState::Failed).until(late)).await;
    assert_eq!((n, used.list()), (1200, 2));
    let before = queue.requests();
    let letters = queue.dead(Filter::new().from(late)).all().await.unwrap();
    let used = queue.requests() - before;
    assert_eq!((letters.len(), used.list(), used.get()), (5, 1, 5));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_once_whoever_counts() {
    let own = Metered::new(store());
    let meter = own.meter();
    let queue = queue_on(Arc::new(own), 1).await;
    queue.submit(task("x")).await.unwrap();
    assert_eq!(queue.requests(), meter.snapshot());
    let plain = queue_on(store(), 2).await;
    plain.submit(task("x")).await.unwrap();
    assert_eq!(plain.requests(), queue.requests());
    let other = plain.named("other").await.unwrap();
    assert_eq!(other.requests(), plain.requests());
}
