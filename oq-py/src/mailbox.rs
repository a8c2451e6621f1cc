//! What the runtime's threads leave for one Python thread, and the file descriptor by which an event
//! loop learns that there is something.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oq_core::env::{Env, Mono};
use oq_core::{Error, Result};

/// Letters in the order in which they were left.
#[derive(Debug)]
pub struct Mailbox<T> {
    letters: Mutex<Letters<T>>,
    /// A byte is on its way to the reader.
    rung: AtomicBool,
    bell: UnixStream,
    ear: UnixStream,
    env: Env,
}

#[derive(Debug)]
struct Letters<T> {
    left: Vec<T>,
    /// Since when the oldest has been there.
    since: Mono,
}

impl<T> Mailbox<T> {
    /// An empty one.
    pub fn new() -> Result<Mailbox<T>> {
        let pair = UnixStream::pair().and_then(|(bell, ear)| {
            bell.set_nonblocking(true)?;
            ear.set_nonblocking(true)?;
            Ok((bell, ear))
        });
        let (bell, ear) =
            pair.map_err(|e| Error::Unusable(format!("no socket to wake Python by: {e}")))?;
        let env = Env::system();
        Ok(Mailbox {
            letters: Mutex::new(Letters {
                left: Vec::new(),
                since: env.now(),
            }),
            rung: AtomicBool::new(false),
            bell,
            ear,
            env,
        })
    }

    /// Becomes readable when there is something to take.
    pub fn fileno(&self) -> i32 {
        self.ear.as_raw_fd()
    }

    /// Leaves a letter; needs no GIL.
    pub fn put(&self, letter: T) {
        {
            let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            if letters.left.is_empty() {
                letters.since = self.env.now();
            }
            letters.left.push(letter);
        }
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A full socket is readable anyhow, and a closed one has no reader.
            let _unread = (&self.bell).write(&[1]);
        }
    }

    /// For how long the oldest letter has been there; `None` if there is none.
    pub fn waiting(&self) -> Option<Duration> {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        (!letters.left.is_empty()).then(|| self.env.now().since(letters.since))
    }

    /// Everything that was left, and for how many seconds the oldest has been waiting.
    pub fn take(&self) -> (Vec<T>, f64) {
        let mut bytes = [0; 64];
        loop {
            match (&self.ear).read(&mut bytes) {
                Ok(n) if n == bytes.len() => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        // Before the letters are taken: whoever comes later rings again.
        self.rung.store(false, Ordering::Release);
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = match letters.left.is_empty() {
            true => 0.0,
            false => self.env.now().since(letters.since).as_secs_f64(),
        };
        (std::mem::take(&mut letters.left), waited)
    }
}
