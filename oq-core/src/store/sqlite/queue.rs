//! A queue between asynchronous callers and a thread that takes all that waits at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// Jobs on their way to a thread.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    jobs: Vec<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Queue<T> {
        Queue {
            inner: Mutex::new(Inner {
                jobs: Vec::new(),
                closed: false,
            }),
            filled: Condvar::new(),
        }
    }

    /// Adds a job; gives it back when the queue is closed.
    pub(super) fn push(&self, job: T) -> Result<(), T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed {
            return Err(job);
        }
        inner.jobs.push(job);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for jobs and moves all of them into `jobs`; false once the queue is closed and empty.
    pub(super) fn take(&self, jobs: &mut Vec<T>) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |inner: &mut Inner<T>| inner.jobs.is_empty() && !inner.closed;
        let mut inner = self
            .filled
            .wait_while(inner, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut inner.jobs, jobs);
        !jobs.is_empty()
    }

    /// Lets the threads end when nothing waits any more.
    pub(super) fn close(&self) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.filled.notify_all();
    }
}
