//! The processes of a function that runs on this machine: none of them outlives it, as in a sandbox of
//! Lambda's.

use std::collections::BTreeSet;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// A function's program in a process group of its own, which is killed with all that it started when
/// this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    pub fn spawn(command: &mut Command) -> std::io::Result<Process> {
        command.process_group(0).spawn().map(Process)
    }

    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Waits for its end, which ends its group.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let leader = self.leader();
        let status = self.0.wait().await;
        if let Some(leader) = leader {
            let _gone = kill_process_group(leader, Signal::KILL);
        }
        status
    }

    /// `None` once it was waited for: its number may be another's.
    fn leader(&self) -> Option<Pid> {
        self.0.id().and_then(|id| Pid::from_raw(id as i32))
    }

    /// Kills it and what it started, and waits for its end.
    pub async fn kill(&mut self) {
        self.end();
        let _ended = self.0.wait().await;
    }

    fn end(&self) {
        let Some(leader) = self.leader() else {
            return;
        };
        // Whatever is gone already is what is wanted. Stopped, it starts nothing more meanwhile.
        let _gone = kill_process_group(leader, Signal::STOP);
        for process in started_by(leader) {
            let _gone = kill_process_group(process, Signal::KILL);
            let _gone = kill_process(process, Signal::KILL);
        }
        let _gone = kill_process_group(leader, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The processes that this one started, those that they started, and so on: programs that run tasks
/// have groups of their own. Where there is no `/proc` to tell them, none.
fn started_by(first: Pid) -> Vec<Pid> {
    let parents: Vec<(i32, i32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name stands in brackets and may hold anything; then come the state and the parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            let id = entry.file_name().to_str()?.parse().ok()?;
            Some((id, parent.parse().ok()?))
        })
        .collect();
    let mut found = BTreeSet::from([first.as_raw_pid()]);
    loop {
        let before = found.len();
        let more = parents.iter().filter(|(_, parent)| found.contains(parent));
        let more: Vec<i32> = more.map(|(id, _)| *id).collect();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    found.remove(&first.as_raw_pid());
    found.into_iter().filter_map(Pid::from_raw).collect()
}
