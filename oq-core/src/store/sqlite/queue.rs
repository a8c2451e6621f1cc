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

    /// Closes the queue when its thread ends, whatever ends it: nobody may wait for a thread that
    /// panicked.
    pub(super) fn serve(&self) -> Serving<'_, T> {
        Serving(self)
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

/// Held by a thread for as long as it takes jobs.
pub(super) struct Serving<'a, T>(&'a Queue<T>);

impl<T> Drop for Serving<'_, T> {
    fn drop(&mut self) {
        self.0.close();
        let mut left = Vec::new();
        if self.0.take(&mut left) {
            // Whoever waits for one of these learns of it by the end of its channel.
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let queue = Arc::new(Queue::new());
        let (waiting, answer) = std::sync::mpsc::channel::<()>();
        queue.push(waiting).unwrap();
        let served = queue.clone();
        let thread = std::thread::spawn(move || {
            let _serving = served.serve();
            panic!("as asked for");
        });
        thread.join().unwrap_err();
        answer.recv().unwrap_err();
        let (late, _) = std::sync::mpsc::channel();
        assert!(queue.push(late).is_err(), "taken by nobody");
    }
}
