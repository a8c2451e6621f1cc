//! What people look for: ids by their beginning, dead letters by fault, why a task waits, who works.

use super::*;
use crate::protocol::write::create;
use crate::record::{Fingerprint, Presence, Priority, TaskId, V1};
use crate::store::Metered;

#[tokio::test(start_paused = true)]
async fn ids_are_found_by_a_unique_beginning() {
    let queue = queue().await;
    let first = queue.submit(task("a").delay(secs(10))).await.unwrap().id;
    let other = queue
        .submit(task("b").delay(secs(90_000)))
        .await
        .unwrap()
        .id;
    run(
        &queue,
        queue.submit(task("c")).await.unwrap().id.object(),
        ok("x"),
    )
    .await;
    let begins = |id: TaskId, n: usize| id.to_string()[..n].to_owned();
    assert_eq!(queue.find(&begins(first, 10)).await.unwrap(), first);
    assert_eq!(queue.find(&begins(other, 8)).await.unwrap(), other);
    assert_eq!(queue.find(&first.to_string()).await.unwrap(), first);
    let e = queue.find(&begins(first, 6)).await.unwrap_err();
    assert!(
        matches!(&e, Error::Conflict(why) if why.contains("several ids")),
        "{e}"
    );
    for short in ["", "0", "01HF7"] {
        let e = queue.find(short).await.unwrap_err();
        assert!(matches!(&e, Error::Invalid { .. }), "{short}: {e}");
    }
    assert!(matches!(
        queue.find("7ZZZZZZZ").await,
        Err(Error::NotFound(_))
    ));
    for bad in [
        "01hf7yat00",
        "01HF7YAT0U",
        "../../../../x",
        "01HF7YAT0000000000000G0000X",
    ] {
        assert!(
            matches!(queue.find(bad).await, Err(Error::Invalid { .. })),
            "{bad}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ids_are_found_among_many_with_few_listings() {
    let store = Metered::new(store());
    let meter = store.meter();
    let queue = queue_on(Arc::new(store), 1).await;
    let tasks = (0..1500).map(|n| {
        let priority = if n % 2 == 0 {
            Priority::HIGH
        } else {
            Priority::LOW
        };
        task("x").priority(priority).delay(secs(n))
    });
    let ids = queue.submit_many(tasks).pack(1).ids().await.unwrap();
    for id in [ids[0], ids[749], ids[1499]] {
        let before = meter.snapshot();
        assert_eq!(queue.find(&id.to_string()[..14]).await.unwrap(), id);
        // Live and outcomes once, then the priorities of 16 shards, and two in each.
        assert!((meter.snapshot() - before).list() <= 2 + 16 + 32);
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_grouped_listed_and_dismissed() {
    let queue = queue().await;
    let mut ids = Vec::new();
    for message in ["no user 17", "no user 4711", "disk full"] {
        let id = queue.submit(task("a").tag("m", message)).await.unwrap().id;
        let failure = Failure::new("error", message).fatal();
        run(&queue, id.object(), Verdict::Failed(failure, 0.5)).await;
        ids.push(id);
    }
    let letters = queue.dead(Filter::new()).all().await.unwrap();
    let groups = group_dead(&letters);
    assert_eq!(groups.iter().map(|g| g.count).collect::<Vec<_>>(), [2, 1]);
    let welcome = crate::record::TaskType::new("welcome").unwrap();
    assert_eq!(
        groups[0].fingerprint,
        Fingerprint::of(&welcome, "error", "no user 1")
    );
    let some = queue
        .dead(Filter::new())
        .fingerprint(groups[1].fingerprint)
        .all()
        .await
        .unwrap();
    assert_eq!(some.iter().map(|l| l.id).collect::<Vec<_>>(), [ids[2]]);
    let tagged = queue
        .dead(Filter::new().tag("m", "no user 17"))
        .all()
        .await
        .unwrap();
    assert_eq!(tagged.len(), 1);
    assert_eq!(
        queue
            .dead(Filter::new().limit(2))
            .all()
            .await
            .unwrap()
            .len(),
        2
    );
    queue.dismiss(ids[0]).await.unwrap();
    assert_eq!(queue.dead(Filter::new()).all().await.unwrap().len(), 2);
    assert_eq!(queue.get(ids[0]).await.unwrap().state, TaskState::Failed);
}

async fn announce(queue: &Queue, types: &str) {
    let worker = WorkerId::new(queue.root().env().entropy.as_ref());
    let key = Key::Presence(queue.name().clone(), worker);
    let about = [(Presence::TYPES.to_owned(), types.to_owned())];
    let make = |write| Presence {
        v: V1,
        write,
        about: about.clone().into(),
        extra: Default::default(),
    };
    create(queue.root(), &key, make).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_told_why_a_task_waits() {
    let queue = queue().await;
    let why = async |id: TaskId| {
        let view = queue.get(id).await.unwrap();
        queue.why_waits(&view).await.unwrap()
    };
    let id = queue.submit(task("a")).await.unwrap().id;
    assert_eq!(why(id).await, Some(WhyWaits::NoWorker));
    announce(&queue, "resize other").await;
    let told = why(id).await.unwrap().to_string();
    assert!(
        told.contains("runs the type welcome; they run other, resize"),
        "{told}"
    );
    announce(&queue, "welcome").await;
    assert_eq!(why(id).await, Some(WhyWaits::InLine { workers: 1 }));
    assert_eq!(queue.workers().await.unwrap().len(), 2);

    queue.pause().await.unwrap();
    assert_eq!(why(id).await, Some(WhyWaits::Paused));
    queue.resume().await.unwrap();
    let later = queue.submit(task("b").delay(secs(60))).await.unwrap().id;
    assert!(matches!(why(later).await, Some(WhyWaits::Delayed { .. })));
    run(&queue, id.object(), ok("x")).await;
    assert_eq!(why(id).await, None);

    // Nobody is counted who has not shown himself for long.
    tokio::time::advance(Presence::STALE * 2).await;
    assert_eq!(why(later).await, Some(WhyWaits::NoWorker));
    assert!(queue.workers().await.unwrap().iter().all(|w| !w.present));
}

#[tokio::test(start_paused = true)]
async fn queues_are_named() {
    let mail = queue().await;
    mail.submit(task("a")).await.unwrap();
    let other = mail.named("a-1").await.unwrap();
    other.submit(task("a")).await.unwrap();
    let found = names(mail.root()).await.unwrap();
    let found: Vec<&str> = found.iter().map(|name| name.as_str()).collect();
    assert_eq!(found, ["a-1", "mail"]);
}
