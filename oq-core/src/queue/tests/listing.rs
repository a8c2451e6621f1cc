//! Listing, counting and cancelling by filter.

use super::*;
use crate::record::{Priority, Retry, Step, TaskType};
use crate::store::{Metered, StoreKey};
use bytes::Bytes;

async fn found(queue: &Queue, filter: Filter) -> Vec<TaskView> {
    let all = queue.list(filter).unwrap().all().await.unwrap();
    let tasks = all.into_iter().filter_map(|found| match found {
        Listed::Task(view) => Some(*view),
        Listed::Unreadable { .. } => None,
    });
    tasks.collect()
}

fn by(state: TaskState) -> Filter {
    Filter::new().state(state)
}

/// One task in each state, a waiting pack of three, and one of another type.
async fn one_of_each(queue: &Queue) {
    let submit = async |name: &str| queue.submit(task(name).tag("n", name)).await.unwrap().id;
    submit("pending").await;
    queue.submit(task("w").delay(secs(90))).await.unwrap();
    let running = submit("running").await;
    std::mem::forget(held(queue, running.object()).await);
    run(queue, submit("completed").await.object(), ok("x")).await;
    run(queue, submit("failed").await.object(), broken()).await;
    queue.cancel(submit("cancelled").await).await.unwrap();
    let pack = (0..3).map(|i| Task::new("other", &i).unwrap().delay(secs(50)));
    queue.submit_many(pack).ids().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tasks_are_found_by_state_type_tag_and_time() {
    let queue = queue().await;
    one_of_each(&queue).await;
    for (state, n) in [
        (TaskState::Pending, 1),
        (TaskState::Waiting, 4),
        (TaskState::Running, 1),
        (TaskState::Finishing, 0),
        (TaskState::Completed, 1),
        (TaskState::Failed, 1),
        (TaskState::Cancelled, 1),
        (TaskState::Expired, 0),
    ] {
        assert_eq!(found(&queue, by(state)).await.len(), n, "{state}");
    }
    assert_eq!(found(&queue, Filter::new()).await.len(), 9);
    let both = by(TaskState::Failed).state(TaskState::Completed);
    assert_eq!(found(&queue, both).await.len(), 2);
    let other = Filter::new().task_type(TaskType::new("other").unwrap());
    assert_eq!(found(&queue, other).await.len(), 3);
    let tagged = found(&queue, Filter::new().tag("n", "failed")).await;
    assert_eq!(tagged.len(), 1);
    assert_eq!(
        tagged[0].failure.as_ref().unwrap().message,
        "no such mailbox"
    );
    let later = queue.root().now().plus(secs(10));
    assert_eq!(found(&queue, Filter::new().from(later)).await.len(), 4);
    assert_eq!(found(&queue, Filter::new().until(later)).await.len(), 5);
    let urgent = Filter::new().priority(Priority::HIGHEST);
    assert!(found(&queue, urgent).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn limits_are_exact_and_a_cursor_goes_on_where_it_stopped() {
    let queue = queue().await;
    let tasks = (0..50u64).map(|i| Task::new("t", &i).unwrap());
    queue
        .submit_many(tasks.clone())
        .pack(7)
        .ids()
        .await
        .unwrap();
    queue.submit_many(tasks).pack(1).ids().await.unwrap();
    run(
        &queue,
        found(&queue, Filter::new().limit(1)).await[0].id.object(),
        ok("x"),
    )
    .await;
    let whole: Vec<_> = found(&queue, Filter::new())
        .await
        .iter()
        .map(|v| v.id)
        .collect();
    assert_eq!(whole.len(), 100);
    for step in [1, 3, 8, 100] {
        let mut pieces = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut filter = Filter::new().limit(step);
            if let Some(cursor) = &cursor {
                filter = filter.after(cursor.as_str());
            }
            let mut listing = queue.list(filter).unwrap();
            let mut n = 0;
            while let Some(Listed::Task(view)) = listing.next().await.unwrap() {
                pieces.push(view.id);
                n += 1;
            }
            assert!(n <= step);
            cursor = listing.cursor().map(str::to_owned);
            if n < step {
                break;
            }
        }
        assert_eq!(pieces, whole, "{step} at a time");
    }
    for bad in [
        "x",
        "mail/live/#",
        "mail/queue.json",
        "other/live/00/G/x",
        "mail/live/x#y",
    ] {
        let listing = queue.list(Filter::new().after(bad));
        assert!(matches!(listing, Err(Error::Invalid { .. })), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_match_is_not_read() {
    let metered = Metered::new(store());
    let meter = metered.meter();
    let queue = queue_on(Arc::new(metered), 1).await;
    for i in 0..40 {
        let task = Task::new("t", &i).unwrap();
        queue
            .submit(if i < 3 { task } else { task.delay(secs(500)) })
            .await
            .unwrap();
    }
    std::mem::forget(
        held(
            &queue,
            found(&queue, by(TaskState::Pending)).await[0].id.object(),
        )
        .await,
    );
    let before = meter.snapshot();
    assert_eq!(found(&queue, by(TaskState::Running)).await.len(), 1);
    let used = meter.snapshot() - before;
    // What runs may be over by now: its outcome is looked for as well.
    assert_eq!((used.list(), used.get()), (1, 2));
    let before = meter.snapshot();
    let stats = queue.stats().await.unwrap();
    let used = meter.snapshot() - before;
    assert_eq!((used.list(), used.get()), (3, 1));
    assert_eq!((stats.running, stats.runnable, stats.waiting), (1, 2, 37));
}

#[tokio::test(start_paused = true)]
async fn unreadable_objects_are_shown_and_left_alone() {
    let queue = queue().await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let key = Key::Live(queue.name().clone(), id.object()).to_string();
    let mut put = vec![format!("mail/live/{}", "junk"), "mail/done/".to_owned()];
    for body in ["", "{", "{\"v\":2}", "\u{1}"] {
        let other = queue.submit(task("y")).await.unwrap().id;
        let key = Key::Live(queue.name().clone(), other.object()).store_key();
        queue.root().delete(&key).await.unwrap();
        queue
            .root()
            .send(&key, Bytes::from(body), None)
            .await
            .unwrap();
        put.push(key.to_string());
        let e = queue.get(other).await.unwrap_err();
        assert!(matches!(e, Error::Unreadable { .. }), "{e}");
        assert!(matches!(
            queue.cancel(other).await,
            Err(Error::Unreadable { .. })
        ));
    }
    for key in &put[..2] {
        let key = StoreKey::listed(key.as_str());
        queue
            .root()
            .send(&key, Bytes::from("junk"), None)
            .await
            .unwrap();
    }
    let all = queue.list(Filter::new()).unwrap().all().await.unwrap();
    let mut unreadable = Vec::new();
    let mut tasks = 0;
    for found in all {
        match found {
            Listed::Task(view) => {
                assert!(key.ends_with(&view.id.to_string()));
                tasks += 1;
            }
            Listed::Unreadable { key, why } => {
                assert!(!why.is_empty());
                unreadable.push(key);
            }
        }
    }
    put.sort();
    unreadable.sort();
    assert_eq!((tasks, unreadable), (1, put));
    let cancelled = queue.cancel_many(Filter::new(), None).await;
    // One is as long as what is over, which is not asked for.
    assert_eq!((cancelled.cancelled, cancelled.unreadable), (1, 4));
    assert_eq!(
        keys(&queue)
            .await
            .iter()
            .filter(|k| k.contains("/live/"))
            .count(),
        5
    );
}

fn counts(sum: &CancelledMany) -> [u64; 5] {
    assert!(sum.error.is_none(), "{:?}", sum.error);
    [
        sum.cancelled,
        sum.requested,
        sum.already_over,
        sum.failed,
        sum.unreadable,
    ]
}

#[tokio::test(start_paused = true)]
async fn many_tasks_are_cancelled_by_filter() {
    let queue = queue().await;
    one_of_each(&queue).await;
    let other = Filter::new().task_type(TaskType::new("other").unwrap());
    let sum = queue.cancel_many(other, Some("not wanted")).await;
    assert_eq!(counts(&sum), [3, 0, 0, 0, 0]);
    let sum = queue.cancel_many(Filter::new(), None).await;
    assert_eq!((sum.cancelled, sum.requested), (2, 1));
    let none = queue.cancel_many(by(TaskState::Completed), None).await;
    assert_eq!(counts(&none), [0; 5]);
    let cancelled = found(&queue, by(TaskState::Cancelled)).await;
    assert_eq!(cancelled.len(), 6);
    let why = cancelled
        .iter()
        .flat_map(|v| &v.history)
        .filter_map(|e| e.reason.as_deref());
    assert!(why.into_iter().any(|w| w == "not wanted"));
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_task_of_a_waiting_pack_asks_for_it() {
    let queue = queue().await;
    let tasks = (0..3).map(|i| Task::new("t", &i).unwrap());
    let ids = queue.submit_many(tasks).ids().await.unwrap();
    assert_eq!(queue.cancel(ids[1]).await.unwrap(), Cancelled::Requested);
    let hold = held(&queue, ids[0].object()).await;
    let running: Vec<bool> = hold.live().tasks.iter().map(|s| s.running).collect();
    assert_eq!(running, [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_ids_is_cancelled_with_one_write_an_object_and_an_answer_for_each() {
    let queue = queue().await;
    let numbers = || (0..3).map(|i| Task::new("t", &i).unwrap());
    let pack = queue.submit_many(numbers()).ids().await.unwrap();
    let part = queue.submit_many(numbers()).ids().await.unwrap();
    let lone = queue.submit(task("x")).await.unwrap().id;
    let over = queue.submit(task("y")).await.unwrap().id;
    run(&queue, over.object(), ok("x")).await;
    let unknown = ObjectId::from_parts(StoreTime(1), 1, Priority::NORMAL, 1, Default::default());
    let unknown = unknown.task(0);
    queue.flush().await;

    let ids = [
        lone, pack[0], part[1], over, pack[2], unknown, pack[1], lone,
    ];
    let before = queue.requests();
    let answers = queue.cancel_ids(&ids, Some("why not")).await;
    let used = queue.requests() - before;
    assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    let said: Vec<String> = answers
        .into_iter()
        .map(|(_, answer)| match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(e) => e.code().to_owned(),
        })
        .collect();
    let expected = [
        "Cancelled",
        "Cancelled",
        "Requested",
        "AlreadyOver(Completed)",
        "Cancelled",
        "OQ-NOT-FOUND",
        "Cancelled",
        "Cancelled",
    ];
    assert_eq!(said, expected);
    // Two that became terminal with an outcome each, and one flag.
    assert_eq!((used.put(), used.delete()), (5, 2), "{used}");
    for id in pack {
        let view = queue.get(id).await.unwrap();
        assert_eq!(view.state, TaskState::Cancelled);
        assert!(
            view.history
                .iter()
                .any(|e| e.reason.as_deref() == Some("why not"))
        );
    }
    let again = queue.cancel_ids(&[part[1], lone], None).await;
    let again: Vec<_> = again
        .into_iter()
        .map(|(_, answer)| answer.unwrap())
        .collect();
    let cancelled = Cancelled::AlreadyOver(crate::record::Ending::Cancelled);
    assert_eq!(again, [Cancelled::Requested, cancelled]);
    assert!(queue.cancel_ids(&[], None).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn stats_count_what_is_there() {
    let queue = queue().await;
    assert_eq!(queue.stats().await.unwrap(), Stats::default());
    one_of_each(&queue).await;
    queue.root().env().sleep(secs(20)).await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.runnable, stats.waiting, stats.running), (1, 4, 1));
    assert_eq!((stats.done, stats.dead, stats.more), (3, 1, false));
    let oldest = stats.oldest.unwrap();
    assert!(oldest >= secs(20) && oldest < secs(22), "{oldest:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_before_has_been_due_since_then() {
    let queue = queue().await;
    let oldest = async || queue.stats().await.unwrap().oldest.unwrap().as_secs();
    let id = queue
        .submit(task("x").retry(Retry::fixed(3, secs(100))))
        .await
        .unwrap()
        .id;
    let env = queue.root().env().clone();
    env.sleep(secs(1000)).await;
    assert!((1000..1002).contains(&oldest().await));
    // It fails, and the next attempt comes 100 s later.
    let mut hold = held(&queue, id.object()).await;
    let failed = Verdict::Failed(Failure::new("error", "no"), 0.5);
    let now = queue.root().now();
    settle(hold.live_mut(), 0, failed, now);
    hold.give_back(Step::Retried, None).await.unwrap();
    env.sleep(secs(150)).await;
    // Its length says 64 s or more.
    let waited = oldest().await;
    assert!((50..=86).contains(&waited), "{waited}");
    // A worker that stops gives it back.
    let mut hold = held(&queue, id.object()).await;
    let now = queue.root().now();
    settle(hold.live_mut(), 0, Verdict::Released, now);
    hold.give_back(Step::Released, None).await.unwrap();
    env.sleep(secs(30)).await;
    let waited = oldest().await;
    assert!((30..32).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_finished_task_whose_object_is_not_deleted_yet_is_not_shown_as_running() {
    let queue = queue().await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let mut hold = held(&queue, id.object()).await;
    let view = async || {
        let stats = queue.stats().await.unwrap();
        let running = found(&queue, by(TaskState::Running)).await.len();
        let all = found(&queue, Filter::new()).await;
        let states: Vec<TaskState> = all.iter().map(|view| view.state).collect();
        (stats.running, stats.done, running, states)
    };
    assert_eq!(view().await, (1, 0, 1, vec![TaskState::Running]));
    let now = queue.root().now();
    settle(hold.live_mut(), 0, ok("x"), now);
    finish::completed(&mut hold).await.unwrap();
    assert!(keys(&queue).await.iter().any(|key| key.contains("/live/")));
    assert_eq!(view().await, (0, 1, 0, vec![TaskState::Completed]));
}
