//! Submitting, looking up, waiting, cancelling.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_task_goes_from_pending_to_completed_and_its_result_is_there() {
    let queue = queue().await;
    let submitted = queue
        .submit(task("a@x.io").tag("customer", "c1"))
        .await
        .unwrap();
    assert!(!submitted.existing);
    let view = queue.get(submitted.id).await.unwrap();
    assert_eq!(view.state, TaskState::Pending);
    assert_eq!(view.tags["customer"], "c1");
    assert!(view.submitted.since(StoreTime(EPOCH)) < secs(1));
    assert!(matches!(
        queue.result::<String>(submitted.id).await,
        Err(Error::Conflict(_))
    ));

    run(&queue, submitted.id.object(), ok("sent")).await;
    let view = queue.get(submitted.id).await.unwrap();
    assert_eq!((view.state, view.attempts), (TaskState::Completed, 1));
    assert_eq!(queue.result::<String>(submitted.id).await.unwrap(), "sent");
    let waited = queue.wait(submitted.id, secs(1)).await.unwrap();
    assert_eq!(waited.state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_task_is_not_found() {
    let queue = queue().await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let other = queue.named("other").await.unwrap();
    assert!(matches!(other.get(id).await, Err(Error::NotFound(_))));
    assert!(matches!(other.cancel(id).await, Err(Error::NotFound(_))));
    let wait = other.wait(id, secs(1)).await;
    assert!(matches!(wait, Err(Error::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_task_waits_and_is_then_pending() {
    let queue = queue().await;
    let id = queue.submit(task("x").delay(secs(60))).await.unwrap().id;
    let view = queue.get(id).await.unwrap();
    assert_eq!(view.state, TaskState::Waiting);
    assert_eq!(view.available_at, Some(id.object().due()));
    assert!(matches!(
        claimed(&queue, id.object()).await,
        Claimed::Waiting { .. }
    ));
    queue.root().env().sleep(secs(61)).await;
    assert_eq!(queue.get(id).await.unwrap().state, TaskState::Pending);
    held(&queue, id.object()).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_soon_after_the_outcome_or_at_the_limit() {
    let queue = queue().await;
    let id = queue.submit(task("x")).await.unwrap().id;
    let before = queue.root().env().now();
    let late = queue.wait(id, secs(10)).await;
    assert!(matches!(late, Err(Error::TimedOut(_))));
    assert_eq!(queue.root().env().now().since(before), secs(10));

    let (waited, ()) = futures::join!(queue.wait(id, secs(100)), async {
        queue.root().env().sleep(secs(20)).await;
        run(&queue, id.object(), ok("late")).await;
    });
    assert_eq!(waited.unwrap().state, TaskState::Completed);
    let took = queue.root().env().now().since(before);
    assert!(took <= secs(32), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn cancelling_is_recorded_at_once_unless_somebody_holds_the_task() {
    let queue = queue().await;
    let idle = queue.submit(task("idle")).await.unwrap().id;
    let busy = queue.submit(task("busy")).await.unwrap().id;
    assert_eq!(queue.cancel(idle).await.unwrap(), Cancelled::Cancelled);
    assert_eq!(queue.get(idle).await.unwrap().state, TaskState::Cancelled);
    assert_eq!(
        queue.cancel(idle).await.unwrap(),
        Cancelled::AlreadyOver(crate::record::Ending::Cancelled)
    );
    assert!(matches!(
        claimed(&queue, idle.object()).await,
        Claimed::Gone
    ));

    let mut hold = held(&queue, busy.object()).await;
    assert_eq!(queue.cancel(busy).await.unwrap(), Cancelled::Requested);
    assert_eq!(queue.cancel(busy).await.unwrap(), Cancelled::Requested);
    assert!(queue.get(busy).await.unwrap().cancel_requested);
    hold.renew().await.unwrap();
    assert!(hold.live().tasks[0].cancel_requested);
}

#[tokio::test(start_paused = true)]
async fn large_inputs_live_in_an_object_of_their_own() {
    let queue = queue().await;
    let text = "all work and no play ".repeat(10_000);
    let id = queue.submit(task(&text)).await.unwrap().id;
    let payloads: Vec<_> = keys(&queue).await;
    assert!(payloads.iter().any(|k| k.starts_with("mail/payload/")));
    let view = queue.get(id).await.unwrap();
    assert!(matches!(view.input, Some(Data::At(_))));
    let input = queue.input(&view).await.unwrap().unwrap();
    assert_eq!(input.to::<String>().unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn two_programs_share_a_store() {
    let store = store();
    let a = queue_on(store.clone(), 1).await;
    let b = queue_on(store, 2).await;
    let id = a.submit(task("x")).await.unwrap().id;
    assert_eq!(b.get(id).await.unwrap().state, TaskState::Pending);
}
