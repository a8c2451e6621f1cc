//! A worker that is killed: another takes its task over.

use std::time::Duration;

use oq_core::queue::TaskState;
use rustix::process::Signal;

use crate::world::{World, task};

#[tokio::test]
async fn a_killed_workers_task_is_run_by_another() {
    let world = World::new().await;
    let short = Duration::from_secs(15);
    let id = world.submit(task("slow").lease(short)).await;
    let script = r##"
        echo "$OQ_DELIVERY" >> "$HERE/deliveries"
        [ "$OQ_DELIVERY" = 1 ] && sleep 30
        echo "attempt $OQ_ATTEMPT""##;
    let slow = format!("slow={}", world.script("slow.sh", script));
    let first = world.worker(&["--task", &slow]);
    assert_eq!(world.appears("deliveries").await, "1");
    first.signal(Signal::KILL);
    assert_eq!(first.ended().await, None);
    // Nobody hears of it; it is the silence that tells.
    let second = world.worker(&["--task", &slow]);
    // One crash charges nobody: its neighbours may have been to blame.
    assert_eq!(world.output(id).await, "\"attempt 1\"");
    assert_eq!(world.appears("deliveries").await, "1\n2");
    let view = world.view(id).await;
    assert_eq!(
        (view.state, view.attempts, view.delivery),
        (TaskState::Completed, 1, 2)
    );
    assert!(world.log().contains("taken over"), "{}", world.log());
    second.signal(Signal::TERM);
    assert_eq!(second.ended().await, Some(0));
}
