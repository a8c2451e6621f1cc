//! Programs end with their attempt, with all that they started.

use std::time::Duration;

use oq_core::queue::{Cancelled, TaskState};
use oq_core::record::Retry;
use rustix::process::Signal;

use crate::world::{World, lives, task};

/// Starts a child of its own, ignores SIGTERM in both, and tells their ids.
const STUBBORN: &str = r#"
    trap '' TERM
    (trap '' TERM; while :; do sleep 1; done) &
    echo "$$ $!" > "$HERE/ids"
    wait; while :; do sleep 1; done"#;

/// Ends when it is asked to, and says so.
const POLITE: &str = r#"
    trap 'echo asked > "$HERE/asked"; exit 0' TERM
    echo $$ > "$HERE/ids"
    while :; do sleep 0.1; done"#;

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let world = World::new().await;
    let once = Retry::none();
    let slow = task("slow").timeout(Duration::from_secs(1)).retry(once);
    let id = world.submit(slow).await;
    let slow = format!("slow={}", world.script("slow.sh", STUBBORN));
    world.drain(&["--task", &slow]).await;
    // Nothing outlives the attempt: when its outcome is there, all are gone.
    let ids = world.appears("ids").await;
    assert!(!ids.split_whitespace().any(lives), "{ids}");
    assert_eq!(world.failure(id).await.0, "timeout");
}

#[tokio::test]
async fn what_a_program_leaves_behind_goes_with_it() {
    let world = World::new().await;
    let id = world.submit(task("forks")).await;
    // The child holds stdout open: reading it to its end would take for ever.
    let script = r#"sleep 600 & echo $! > "$HERE/ids"; echo done"#;
    let forks = format!("forks={}", world.script("forks.sh", script));
    world.drain(&["--task", &forks]).await;
    assert_eq!(world.output(id).await, "\"done\"");
    world.gone(&world.appears("ids").await).await;
}

#[tokio::test]
async fn cancelling_asks_the_program_to_end() {
    let world = World::new().await;
    // Renewals are how a worker learns of it: every third of the lease.
    let id = world
        .submit(task("long").lease(Duration::from_secs(15)))
        .await;
    let long = format!("long={}", world.script("long.sh", POLITE));
    let _worker = world.worker(&["--task", &long]);
    let ids = world.appears("ids").await;
    assert_eq!(world.queue.cancel(id).await.unwrap(), Cancelled::Requested);
    assert_eq!(world.over(id).await.state, TaskState::Cancelled);
    assert_eq!(world.appears("asked").await, "asked");
    world.gone(&ids).await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_lets_programs_finish() {
    let world = World::new().await;
    let id = world.submit(task("short")).await;
    let script = r#"echo $$ > "$HERE/ids"; sleep 1; echo finished"#;
    let short = format!("short={}", world.script("short.sh", script));
    let worker = world.worker(&["--task", &short]);
    world.appears("ids").await;
    worker.signal(Signal::TERM);
    assert_eq!(worker.ended().await, Some(0), "{}", world.log());
    assert_eq!(world.output(id).await, "\"finished\"");
}

#[tokio::test]
async fn past_the_grace_period_programs_are_stopped_and_their_tasks_given_back() {
    let world = World::new().await;
    let id = world.submit(task("stubborn")).await;
    let stubborn = format!("stubborn={}", world.script("stubborn.sh", STUBBORN));
    let worker = world.worker(&["--task", &stubborn, "--grace", "100ms"]);
    let ids = world.appears("ids").await;
    worker.signal(Signal::INT);
    assert_eq!(worker.ended().await, Some(0), "{}", world.log());
    assert!(!ids.split_whitespace().any(lives), "{ids}");
    let view = world.view(id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Pending, 0));
}

#[tokio::test]
async fn a_second_signal_ends_everything_at_once() {
    let world = World::new().await;
    world.submit(task("stubborn")).await;
    let stubborn = format!("stubborn={}", world.script("stubborn.sh", STUBBORN));
    let worker = world.worker(&["--task", &stubborn, "--grace", "10m"]);
    let ids = world.appears("ids").await;
    worker.signal(Signal::INT);
    world.logged("ending").await;
    worker.signal(Signal::INT);
    assert_eq!(worker.ended().await, Some(130), "{}", world.log());
    world.gone(&ids).await;
}
