//! Exit code, stdout and stderr of a program, and what becomes of its task.

use std::time::Duration;

use oq_core::queue::{Task, TaskState};
use oq_core::record::Retry;

use crate::world::{World, stderr, task};

#[tokio::test]
async fn a_shell_pipeline_and_a_python_program_complete_their_tasks() {
    let world = World::new().await;
    let upper = world.submit(Task::new("upper", "cat.png").unwrap()).await;
    let add = world.submit(Task::new("add", &[1, 2, 3]).unwrap()).await;
    let none = world.submit(task("none")).await;
    let program = "import json,sys; print(json.dumps({'sum': sum(json.load(sys.stdin))}))";
    let output = world
        .drain(&[
            "--shell",
            "--task",
            "upper=tr -d '\"' | tr a-z A-Z",
            "--task",
            &format!("add=python3 -c \"{program}\""),
            "--task",
            "none=true",
        ])
        .await;
    assert_eq!(world.output(upper).await, "\"CAT.PNG\"");
    assert_eq!(world.output(add).await, "{\"sum\": 6}");
    assert_eq!(world.output(none).await, "null");
    let drained: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&drained["completed"], &drained["stopped"]),
        (&3.into(), &"empty".into())
    );
    assert!(stderr(&output).contains(&format!("completed    {upper}  upper")));
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_end_of_stderr_as_its_message() {
    let world = World::new().await;
    let twice = Retry::fixed(2, Duration::from_millis(100));
    let id = world.submit(task("fails").retry(twice)).await;
    let script = r#"
        i=0; while [ $i -lt 4000 ]; do echo "line $i of many"; i=$((i+1)); done >&2
        echo "attempt $OQ_ATTEMPT: no disk" >&2
        exit 3"#;
    let fails = format!("fails={}", world.script("fails.sh", script));
    world.drain(&["--task", &fails, "--linger", "10s"]).await;
    let view = world.view(id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 2));
    let (kind, message) = world.failure(id).await;
    assert_eq!(kind, "exit-3");
    assert!(message.ends_with("attempt 2: no disk"), "{message}");
    assert!(
        message.len() <= 16 << 10 && message.starts_with('…'),
        "{}",
        message.len()
    );
}

#[tokio::test]
async fn exit_code_65_fails_at_once() {
    let world = World::new().await;
    let id = world.submit(task("bad")).await;
    world
        .drain(&[
            "--exec",
            "--task",
            "bad=sh -c 'echo no such customer >&2; exit 65'",
        ])
        .await;
    let view = world.view(id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 1));
    let failure = world.failure(id).await;
    assert_eq!(failure, ("exit-65".into(), "no such customer".into()));
}

#[tokio::test]
async fn exit_code_75_comes_again_and_finds_what_it_saved() {
    let world = World::new().await;
    let id = world.submit(task("steps")).await;
    let script = r#"
        step=$(cat "$OQ_SAVE" 2>/dev/null || echo 0)
        echo $((step + 1)) > "$OQ_SAVE"
        [ "$step" = 2 ] && { echo "{\"steps\": $step, \"attempt\": $OQ_ATTEMPT}"; exit 0; }
        echo 100ms; exit 75"#;
    let steps = format!("steps={}", world.script("steps.sh", script));
    world.drain(&["--task", &steps, "--linger", "20s"]).await;
    // Coming again is not an attempt.
    assert_eq!(world.output(id).await, "{\"steps\": 2, \"attempt\": 1}");
    assert_eq!(world.view(id).await.starts, 3);
}

#[tokio::test]
async fn a_program_knows_its_task() {
    let world = World::new().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let id = world.submit(task("env").trace_parent(trace)).await;
    let script = r#"printf '%s|' "$OQ_TASK_ID" "$OQ_TYPE" "$OQ_QUEUE" "$OQ_ATTEMPT" "$OQ_DELIVERY" \
            "$TRACEPARENT" "$OQ_URL"; [ -n "$OQ_TOKEN" ] && echo token"#;
    let env = format!("env={}", world.script("env.sh", script));
    world.drain(&["--task", &env]).await;
    let url = format!("sqlite:{}", world.path("oq.db").display());
    let says = format!("\"{id}|env|default|1|1|{trace}|{url}|token\"");
    assert_eq!(world.output(id).await, says);
}

#[tokio::test]
async fn queues_are_taken_together() {
    let world = World::new().await;
    let mail = world.queue.named("mail").await.unwrap();
    let (one, two) = (
        world.submit(task("t")).await,
        mail.submit(task("t")).await.unwrap().id,
    );
    world
        .drain(&["--task", "t=cat", "--queues", "mail:3,default"])
        .await;
    assert_eq!(world.view(one).await.state, TaskState::Completed);
    assert_eq!(mail.get(two).await.unwrap().state, TaskState::Completed);
}
