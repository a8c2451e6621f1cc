//! Real worker processes, and what is done to them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::ValueEnum;
use oq_core::env::Mono;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::server::oq;

/// Which program works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Program {
    /// `oq worker` with a shell script as its handler.
    Shell,
    /// A program with oq's crate: this one, see [`crate::program`].
    Rust,
    /// A Python program with oq's package.
    Python,
}

/// One process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Worker {
    pub number: usize,
    child: Child,
    stopped: Option<Mono>,
}

/// How its handlers and its log are found.
#[derive(Debug, Clone)]
pub struct Place {
    pub folder: PathBuf,
    pub url: String,
    /// An interpreter that has oq's package.
    pub python: Option<PathBuf>,
    /// How many tasks a worker runs at once.
    pub slots: usize,
    /// How long tasks run that are delivered again, if not as long as the first time.
    pub again: Option<&'static str>,
}

impl Place {
    pub fn effects(&self) -> PathBuf {
        self.folder.join("effects")
    }

    /// Writes the handlers down.
    pub fn prepare(&self) -> std::io::Result<()> {
        std::fs::write(self.folder.join("handler.sh"), include_str!("handler.sh"))?;
        std::fs::write(self.folder.join("worker.py"), include_str!("worker.py"))?;
        File::create(self.effects()).map(drop)
    }

    pub fn start(&self, program: Program, number: usize) -> std::io::Result<Worker> {
        let log = File::create(self.folder.join(format!("worker-{number}")))?;
        let mut command = match program {
            Program::Shell => shell(&self.folder, self.slots),
            Program::Rust => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("work");
                command
            }
            Program::Python => {
                let missing = || std::io::Error::other("name a Python that has oq: --python PATH");
                let mut command = Command::new(self.python.as_ref().ok_or_else(missing)?);
                command.arg(self.folder.join("worker.py"));
                command
            }
        };
        let child = command
            .env("OQ_URL", &self.url)
            .env("EFFECTS", self.effects())
            .env("WORKER", number.to_string())
            .env("SLOTS", self.slots.to_string())
            .envs(self.again.map(|run| ("AGAIN", run)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Worker {
            number,
            child,
            stopped: None,
        })
    }
}

fn shell(folder: &Path, slots: usize) -> Command {
    let handler = folder.join("handler.sh");
    let mut command = Command::new(oq());
    command
        .args(["worker", "--grace", "5s", "--kill-after", "1s"])
        .args(["--concurrency", &slots.to_string()]);
    for kind in ["act", "block", "flaky", "later"] {
        command.args(["--task", &format!("{kind}=bash {}", handler.display())]);
    }
    command
}

impl Worker {
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id as i32));
        if let Some(id) = id {
            // It may have ended a moment ago.
            let _gone = kill_process(id, signal);
        }
    }

    /// As a service manager ends it.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn stop(&mut self, now: Mono) {
        self.stopped = Some(now);
        self.signal(Signal::STOP);
    }

    pub fn go_on(&mut self) {
        self.stopped = None;
        self.signal(Signal::CONT);
    }

    /// Since when it is stopped, if it is.
    pub fn stopped(&self) -> Option<Mono> {
        self.stopped
    }

    /// As the system ends it that is out of memory.
    pub async fn kill(mut self) {
        let _gone = self.child.kill().await;
    }

    /// Whether it still runs; with which code it ended.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How much memory it has, in KiB.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}
