//! A store in a file, tasks in it, and worker processes that end with the test.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use oq_core::queue::{Queue, Task, TaskState, TaskView};
use oq_core::record::TaskId;
use tempfile::TempDir;

/// Longer than anything here takes; a test that waits so long has failed.
pub const LONG: Duration = Duration::from_secs(60);

pub struct World {
    pub folder: TempDir,
    pub queue: Queue,
}

/// A process that is killed when the test ends, however it ends.
pub struct Process(Child);

impl Process {
    pub fn id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.id(), signal).unwrap();
    }

    /// Its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        for _ in 0..LONG.as_millis() / 20 {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            pause(Duration::from_millis(20)).await;
        }
        panic!("the worker does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

impl World {
    pub async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("oq.db").display());
        World {
            queue: Queue::connect(&url).await.unwrap(),
            folder,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oq"));
        command
            .env("OQ_URL", format!("sqlite:{}", self.path("oq.db").display()))
            .env("HERE", self.folder.path())
            .args(["worker", "--kill-after", "1s"])
            .args(args);
        command
    }

    /// A script beside the store; returns the program line that runs it.
    pub fn script(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        format!("sh {}", self.path(name).display())
    }

    pub async fn submit(&self, task: Task) -> TaskId {
        self.queue.submit(task).await.unwrap().id
    }

    /// Runs a worker until nothing is due.
    pub async fn drain(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        command.arg("--drain").stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = run.await.unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        output
    }

    /// What the worker says when it does not even begin.
    pub fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(args).output().unwrap();
        (output.status.code().unwrap(), stderr(&output))
    }

    /// Starts a worker that stays.
    pub fn worker(&self, args: &[&str]) -> Process {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut command = self.command(args);
        let child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        Process(child)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until the worker has said this.
    pub async fn logged(&self, text: &str) {
        for _ in 0..LONG.as_millis() / 20 {
            if self.log().contains(text) {
                return;
            }
            pause(Duration::from_millis(20)).await;
        }
        panic!("the worker does not say '{text}':\n{}", self.log());
    }

    pub async fn view(&self, id: TaskId) -> TaskView {
        self.queue.get(id).await.unwrap()
    }

    /// The task's view when it is over.
    pub async fn over(&self, id: TaskId) -> TaskView {
        self.queue.wait(id, LONG).await.unwrap()
    }

    pub async fn output(&self, id: TaskId) -> String {
        let view = self.over(id).await;
        assert_eq!(view.state, TaskState::Completed, "{:?}", view.failure);
        let output = self.queue.output(&view).await.unwrap();
        output.map_or("null".to_owned(), |o| o.as_str().to_owned())
    }

    /// Kind and message of what went wrong last.
    pub async fn failure(&self, id: TaskId) -> (String, String) {
        let failure = self.view(id).await.failure.expect("a failure");
        (failure.kind, failure.message)
    }

    /// Waits for a file that a program writes, and reads it.
    pub async fn appears(&self, name: &str) -> String {
        for _ in 0..LONG.as_millis() / 20 {
            match std::fs::read_to_string(self.path(name)) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => pause(Duration::from_millis(20)).await,
            }
        }
        panic!("{name} does not appear; the log says\n{}", self.log());
    }

    /// Waits until the processes are gone.
    pub async fn gone(&self, ids: &str) {
        for _ in 0..LONG.as_millis() / 20 {
            if !ids.split_whitespace().any(lives) {
                return;
            }
            pause(Duration::from_millis(20)).await;
        }
        panic!("{ids} still live");
    }
}

/// Whether a process runs; one that ended and was not waited for does not.
pub fn lives(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

pub fn task(task_type: &str) -> Task {
    Task::new(task_type, &"input").unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[allow(clippy::disallowed_methods)] // it waits for real processes
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
