//! The processes of a function that runs on this machine: as in a sandbox of Lambda's none is to outlive
//! it.

use std::collections::BTreeSet;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// A function's program in a process group of its own. What it started is killed when it ends by
/// itself, and with it when this is dropped: what is in its group, and what has its mark in its
/// environment. One that has neither (`setsid env -i`) is left.
#[derive(Debug)]
pub struct Process {
    child: Child,
    mark: Vec<u8>,
}

impl Process {
    /// Starts it with a variable that no other function has with this value: by that the programs that
    /// it starts are known when nobody is their parent any more.
    pub fn spawn(command: &mut Command, (name, value): (&str, &str)) -> std::io::Result<Process> {
        let child = command.env(name, value).process_group(0).spawn()?;
        let mark = format!("{name}={value}").into_bytes();
        Ok(Process { child, mark })
    }

    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end, which ends what it started.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let leader = self.leader();
        let status = self.child.wait().await;
        if let Some(leader) = leader {
            self.end(leader);
        }
        status
    }

    /// `None` once it was waited for: its number may be another's.
    fn leader(&self) -> Option<Pid> {
        self.child.id().and_then(|id| Pid::from_raw(id as i32))
    }

    /// Kills it and what it started, and waits for its end.
    pub async fn kill(&mut self) {
        let _ended = self.child.start_kill();
        let _ended = self.wait().await;
    }

    /// Whatever is gone already is what is wanted.
    fn end(&self, leader: Pid) {
        let _gone = kill_process_group(leader, Signal::KILL);
        let mut ended = BTreeSet::new();
        loop {
            let mut more = marked(&self.mark);
            more.retain(|process| ended.insert(process.as_raw_pid()));
            // What was started meanwhile has the mark, too.
            if more.is_empty() {
                break;
            }
            for process in more {
                // Programs that run tasks have groups of their own.
                let _gone = kill_process_group(process, Signal::KILL);
                let _gone = kill_process(process, Signal::KILL);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(leader) = self.leader() {
            self.end(leader);
        }
    }
}

/// The processes that began with this in their environment. Where there is no `/proc` to tell them,
/// none.
fn marked(mark: &[u8]) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten();
    let marked = processes.filter_map(|entry| {
        let entry = entry.ok()?;
        let id = entry.file_name().to_str()?.parse().ok()?;
        // Other users' cannot be read, nor that of one that has ended.
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|one| one == mark).then_some(id)
    });
    marked.filter_map(Pid::from_raw).collect()
}
