//! What a worker knows of a Python that does not answer: a handler blocks the event loop, or holds the
//! GIL. Whoever holds the GIL keeps Python from telling it, so that a long silence is told here.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oq_core::record::TaskType;

/// How often Python is asked.
pub const LOOK: Duration = Duration::from_millis(500);

/// A silence as long as this is told at once, on stderr: shorter than any lease.
const LONG: Duration = Duration::from_secs(10);

/// The attempts that nobody answered yet, and the silence that is going on.
#[derive(Debug, Default)]
pub struct Silence {
    given: Mutex<BTreeMap<u64, Attempt>>,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Attempt {
    task: TaskType,
    /// Python has read of it.
    taken: bool,
}

#[derive(Debug, Default)]
struct Now {
    /// The tasks that ran when it was noticed.
    meanwhile: Vec<String>,
    /// How long it was when it was told.
    told: Duration,
}

impl Silence {
    /// This attempt is there for Python to take.
    pub fn given(&self, number: u64, task: TaskType) {
        let taken = false;
        self.attempts().insert(number, Attempt { task, taken });
    }

    /// Python has taken it.
    pub fn taken(&self, number: u64) {
        if let Some(attempt) = self.attempts().get_mut(&number) {
            attempt.taken = true;
        }
    }

    /// It was answered, or nobody waits for it any more.
    pub fn over(&self, number: u64) {
        self.attempts().remove(&number);
    }

    /// Python has read nothing for so long.
    pub fn lasts(&self, waiting: Duration) {
        if let Some(report) = self.report(waiting) {
            // Whether anybody reads it is not this worker's concern. A pipe that is full may take its
            // time, so that nothing is locked here.
            let _unread = std::io::stderr().write_all(report.as_bytes());
        }
    }

    /// What there is to tell of a silence as long as this.
    fn report(&self, waiting: Duration) -> Option<String> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.meanwhile.is_empty() {
            now.meanwhile = self.names();
        }
        if waiting < LONG || waiting < now.told * 2 {
            return None;
        }
        now.told = waiting;
        Some(format!(
            "oq: Python has not run the worker's event loop for {} s: a handler blocks it or holds \
             the GIL. Leases are renewed meanwhile, but no other task starts here. Running: {}\n",
            waiting.as_secs(),
            now.meanwhile.join(", "),
        ))
    }

    /// Python reads again; the tasks that ran when it did not.
    pub fn ends(&self) -> Vec<String> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *now).meanwhile
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<u64, Attempt>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks that Python has in hand.
    fn names(&self) -> Vec<String> {
        let attempts = self.attempts();
        let taken = attempts.values().filter(|attempt| attempt.taken);
        let mut names: Vec<String> = taken.map(|attempt| attempt.task.to_string()).collect();
        names.sort();
        names.dedup();
        names
    }
}
