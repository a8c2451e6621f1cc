//! The threads of this process that do the work; a forked child gets threads of its own.

use std::sync::OnceLock;

use oq_core::{Error, Result};
use tokio::runtime::Runtime;

/// Enough for waiting on a store; handlers run in Python's threads.
const THREADS: usize = 2;

/// The runtime of one process, and then those of its forks, which inherit this memory but none of
/// its threads. What belongs to another process is never dropped: that would wait for its threads.
struct Process {
    id: u32,
    runtime: Runtime,
    fork: OnceLock<Box<Process>>,
}

/// The runtime of this process.
pub fn runtime() -> Result<&'static Runtime> {
    static FIRST: OnceLock<Box<Process>> = OnceLock::new();
    let id = std::process::id();
    let mut next = &FIRST;
    loop {
        let process = match next.get() {
            Some(process) => process,
            None => {
                let new = Process::start(id)?;
                // Another thread may have been faster; then this one's is dropped.
                next.get_or_init(|| Box::new(new))
            }
        };
        if process.id == id {
            return Ok(&process.runtime);
        }
        next = &process.fork;
    }
}

impl Process {
    fn start(id: u32) -> Result<Process> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("oq")
            .enable_all()
            .build()
            .map_err(|e| Error::Unusable(format!("no threads to work with: {e}")))?;
        Ok(Process {
            id,
            runtime,
            fork: OnceLock::new(),
        })
    }
}
