//! Programs that do not behave, and lines that name none.

use oq_core::queue::{Task, TaskState};
use oq_core::record::Retry;

use crate::world::{World, task};

#[tokio::test]
async fn a_program_that_reads_nothing_gets_a_large_input_all_the_same() {
    let world = World::new().await;
    let large = Task::new("deaf", &"x".repeat(4 << 20)).unwrap();
    let id = world.submit(large).await;
    world.drain(&["--task", "deaf=echo heard"]).await;
    assert_eq!(world.output(id).await, "\"heard\"");
}

#[tokio::test]
async fn a_program_may_close_its_pipes_before_it_ends() {
    let world = World::new().await;
    let id = world.submit(task("mute")).await;
    world
        .drain(&["--task", "mute=sh -c 'exec 0<&- 1>&- 2>&-; sleep 0.2'"])
        .await;
    assert_eq!(world.output(id).await, "null");
}

#[tokio::test]
async fn endless_output_is_stopped_and_not_tried_again() {
    let world = World::new().await;
    let id = world.submit(task("loud")).await;
    world
        .drain(&["--task", "loud=head -c 1000000000 /dev/zero"])
        .await;
    let (kind, message) = world.failure(id).await;
    assert_eq!(kind, "output");
    assert!(message.contains("16777216 bytes"), "{message}");
    let view = world.view(id).await;
    assert_eq!((view.state, view.attempts), (TaskState::Failed, 1));
}

#[tokio::test]
async fn endless_stderr_is_read_and_its_end_kept() {
    let world = World::new().await;
    let id = world.submit(task("loud").retry(Retry::none())).await;
    world
        .drain(&[
            "--task",
            "loud=sh -c 'yes no | head -c 50000000 >&2; echo last >&2; exit 1'",
        ])
        .await;
    let (_, message) = world.failure(id).await;
    assert!(
        message.ends_with("last") && message.len() <= 16 << 10,
        "{}",
        message.len()
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let world = World::new().await;
    let id = world.submit(task("bytes")).await;
    world.drain(&["--task", r"bytes=printf '\377\376'"]).await;
    assert!(world.failure(id).await.1.contains("not UTF-8"));
}

#[tokio::test]
async fn a_program_that_is_killed_is_tried_again() {
    let world = World::new().await;
    let id = world.submit(task("dies").retry(Retry::none())).await;
    world.drain(&["--task", "dies=sh -c 'kill -SEGV $$'"]).await;
    assert_eq!(world.failure(id).await.0, "signal-11");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_what_is_missing() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    for (name, script, says) in [
        ("text", "no first line", "name its interpreter"),
        (
            "gone",
            "#!/no/such/shell -e\nexit\n",
            "/no/such/shell, which is not here",
        ),
        ("windows", "#!/bin/sh\r\nexit\r\n", "end with CR and LF"),
    ] {
        let id = world.submit(task(name).retry(Retry::none())).await;
        let path = world.path(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        world
            .drain(&["--task", &format!("{name}={}", path.display())])
            .await;
        let (kind, message) = world.failure(id).await;
        assert_eq!(kind, "not-started");
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn a_worker_whose_programs_are_not_there_does_not_begin() {
    let world = World::new().await;
    for (line, says) in [
        (
            "a=no-such-program",
            "no program 'no-such-program' in the PATH",
        ),
        ("a=/no/such/file", "/no/such/file"),
        ("a=/etc/passwd", "not an executable file"),
        ("a=sh 'open", "a quote is not closed"),
        ("a", "NAME='program args'"),
        ("../a=true", "../a"),
    ] {
        let (code, stderr) = world.refused(&["--task", line]);
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(stderr.contains(says), "{line}: {stderr}");
    }
    let (code, stderr) = world.refused(&["--task", "a=true", "--task", "a=true"]);
    assert!(code == 2 && stderr.contains("two handlers"), "{stderr}");
}

#[tokio::test]
async fn without_a_folder_for_temporary_files_a_worker_does_not_start() {
    let world = World::new().await;
    let id = world.submit(task("x")).await;
    let mut worker = world.command(&["--task", "x=true", "--drain"]);
    let output = worker.env("TMPDIR", "/no/such/folder").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("/no/such/folder, the folder"), "{said}");
    assert_eq!(world.view(id).await.state, TaskState::Pending);
}

#[tokio::test]
async fn a_folder_that_goes_while_a_worker_runs_costs_no_task_an_attempt() {
    let world = World::new().await;
    let folder = world.path("tmp");
    std::fs::create_dir(&folder).unwrap();
    let first = world.submit(task("x")).await;
    let second = world
        .submit(task("y").delay(std::time::Duration::from_secs(2)))
        .await;
    let gone = format!("x=rm -rf {}", folder.display());
    let mut worker = world.command(&["--task", &gone, "--task", "y=true", "--drain"]);
    worker.args(["--linger", "4s", "--later", "1h", "--concurrency", "1"]);
    let output = worker.env("TMPDIR", &folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        world.view(first).await.state,
        TaskState::Completed,
        "{said}"
    );
    let view = world.view(second).await;
    assert_eq!(
        (view.state, view.attempts),
        (TaskState::Waiting, 0),
        "{said}"
    );
    assert!(said.contains("the folder for temporary files"), "{said}");
}
