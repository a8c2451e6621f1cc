//! The process group of one attempt: nothing of it outlives the attempt.
//!
//! A group is asked to end (SIGTERM), then made to (SIGKILL). Handlers are dropped when a lease is
//! lost; then a task of its own sees to it. [`Groups`] knows all that live, so that a worker can
//! wait for them, or end them at once.

use std::collections::BTreeSet;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oq_core::env::Env;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;

/// The groups of a worker that live.
#[derive(Debug, Clone, Default)]
pub struct Groups(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    live: Mutex<BTreeSet<i32>>,
    gone: Notify,
}

impl Groups {
    /// Starts a program as the leader of a new group.
    pub fn spawn(
        &self,
        command: &mut Command,
        env: &Env,
        kill_after: Duration,
    ) -> io::Result<Group> {
        let child = command.process_group(0).spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id as i32));
        let Some(id) = id else {
            return Err(io::Error::other("it has no process id"));
        };
        self.live().insert(id.as_raw_pid());
        Ok(Group {
            id,
            child: Some(child),
            asked: false,
            groups: self.clone(),
            env: env.clone(),
            kill_after,
        })
    }

    /// Kills what lives, at once.
    pub fn kill(&self) {
        for id in self.live().iter().copied().filter_map(Pid::from_raw) {
            signal(id, Signal::KILL);
        }
    }

    /// Completes when none lives.
    pub async fn gone(&self) {
        loop {
            let gone = self.0.gone.notified();
            if self.live().is_empty() {
                return;
            }
            gone.await;
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One live group.
#[derive(Debug)]
pub struct Group {
    id: Pid,
    /// Until it was waited for.
    child: Option<Child>,
    /// It was asked to end, and a task of its own waits for that.
    asked: bool,
    groups: Groups,
    env: Env,
    kill_after: Duration,
}

/// The ends of a program's pipes.
pub type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Group {
    /// The program's pipes; once.
    pub fn pipes(&mut self) -> Pipes {
        match &mut self.child {
            Some(child) => (child.stdin.take(), child.stdout.take(), child.stderr.take()),
            None => (None, None, None),
        }
    }

    /// Asks the group to end.
    pub fn end(&self) {
        signal(self.id, Signal::TERM);
    }

    /// Makes it.
    pub fn kill(&self) {
        signal(self.id, Signal::KILL);
    }

    /// Waits for the program. What it left behind in its group is killed: nobody would hold a lease
    /// for it.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = &mut self.child else {
            return Err(io::Error::other("it was waited for twice"));
        };
        let status = child.wait().await?;
        self.child = None;
        self.bury();
        Ok(status)
    }

    /// The leader is gone, so its number is free for others when the group is empty. New groups get
    /// it only after all other numbers were used, which takes longer than these lines.
    fn bury(&self) {
        signal(self.id, Signal::KILL);
        self.groups.live().remove(&self.id.as_raw_pid());
        self.groups.0.gone.notify_waiters();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else {
            return;
        };
        if self.asked {
            // A runtime that ends drops that task, and would drop the next one as well.
            return self.kill();
        }
        self.end();
        let mut group = Group {
            child: Some(child),
            asked: true,
            groups: self.groups.clone(),
            env: self.env.clone(),
            ..*self
        };
        // Without a runtime the program ends too, and others take over.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.kill();
            return;
        };
        runtime.spawn(async move {
            let (env, patience) = (group.env.clone(), group.kill_after);
            if env.within(patience, group.wait()).await.is_none() {
                group.kill();
                // The kernel ends it when it can; there is no more to do.
                let _ended = group.wait().await;
            }
        });
    }
}

fn signal(group: Pid, signal: Signal) {
    // It may be gone, which is what is wanted.
    let _gone = kill_process_group(group, signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_ends_kills_a_group_that_would_not_end() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let groups = Groups::default();
        let id = runtime.block_on(async {
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
            command.stdout(std::process::Stdio::piped());
            let minute = Duration::from_secs(60);
            let mut group = groups.spawn(&mut command, &Env::system(), minute).unwrap();
            let (_, stdout, _) = group.pipes();
            let mut lines = tokio::io::BufReader::new(stdout.unwrap());
            let mut line = String::new();
            tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line)
                .await
                .unwrap();
            let id = group.id;
            tokio::spawn(async move {
                let _group = group;
                std::future::pending::<()>().await;
            });
            id
        });
        drop(runtime);
        // The kernel may take a moment; what is dead and not waited for is no member any more.
        let dead = |_: &u32| rustix::process::test_kill_process_group(id).is_err() || zombie(id);
        assert!((0..1000).any(|n| dead(&n) || {
            #[allow(clippy::disallowed_methods)] // a real process
            std::thread::sleep(Duration::from_millis(10));
            false
        }));
    }

    /// Whether only the leader is left of the group, and waits to be waited for.
    fn zombie(id: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_pid()));
        stat.is_ok_and(|stat| {
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| rest.starts_with(" Z"))
        })
    }
}
