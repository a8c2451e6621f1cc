//! Stores for the tests of users: in memory, on a clock that can be moved forward.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::env::{BoxFuture, Clock, Env, Mono};
use oq_core::protocol::Root;
use oq_core::store::MemoryStore;
use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::crash::{Crash, Mortal, Plan};
use crate::draft::seconds;
use crate::errors::raise;
use crate::request::Request;

/// When the tests begin: 2026-01-01.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// A clock that goes on as the machine's does, and jumps when it is told to; and the crashes of the
/// stores on it.
#[pyclass(frozen, module = "oq._oq")]
pub struct TestClock {
    clock: Arc<Jumping>,
    crash: Arc<Crash>,
}

#[derive(Debug)]
struct Jumping {
    machine: Env,
    began: Mono,
    skipped: Mutex<Duration>,
    jumped: Notify,
}

impl Jumping {
    fn elapsed(&self) -> Duration {
        let skipped = *self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        self.machine.now().since(self.began) + skipped
    }
}

#[derive(Debug, Clone)]
struct Shared(Arc<Jumping>);

impl Clock for Shared {
    fn now(&self) -> Mono {
        Mono(self.0.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.0.clone();
        let until = clock.elapsed().saturating_add(duration);
        Box::pin(async move {
            loop {
                // Listening begins before the clock is read, so that no jump is missed.
                let jumped = clock.jumped.notified();
                let left = until.saturating_sub(clock.elapsed());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = jumped => {}
                    () = clock.machine.sleep(left) => {}
                }
            }
        })
    }
}

impl TestClock {
    /// A new store on this clock.
    pub fn root(&self) -> Root {
        let time = self.clock.clone();
        let now = move || {
            let now = (BEGIN + time.elapsed()).as_millis();
            StoreTime::from_millis(u64::try_from(now).unwrap_or(u64::MAX))
        };
        let store = Mortal {
            inner: MemoryStore::with_time(Arc::new(now)),
            crash: self.crash.clone(),
        };
        let env = Env {
            clock: Arc::new(Shared(self.clock.clone())),
            entropy: Env::system().entropy,
        };
        Root::new(Arc::new(store), env)
    }
}

#[pymethods]
impl TestClock {
    #[new]
    fn new() -> TestClock {
        let machine = Env::system();
        TestClock {
            clock: Arc::new(Jumping {
                began: machine.now(),
                machine,
                skipped: Mutex::default(),
                jumped: Notify::new(),
            }),
            crash: Arc::default(),
        }
    }

    /// From now on writes are counted, and the process "dies" at the one of this number: with it
    /// written, or just before that.
    fn crash_at(&self, write: u64, written: bool) {
        *self.crash.plan() = Some(Plan {
            left: write,
            written,
            happened: false,
        });
    }

    /// Ends that; whether the crash happened.
    fn survive(&self) -> bool {
        let plan = self.crash.plan().take();
        plan.is_some_and(|plan| plan.happened)
    }

    /// Answers when the crash has happened.
    fn crashed(&self) -> Request {
        let crash = self.crash.clone();
        Request::new(async move {
            loop {
                let happens = crash.happens.notified();
                if crash.plan().as_ref().is_some_and(|plan| plan.happened) {
                    return Ok(());
                }
                happens.await;
            }
        })
    }

    /// Seconds since the test began, those skipped included.
    fn now(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    /// Skips so many seconds.
    fn advance(&self, py: Python<'_>, by: f64) -> PyResult<()> {
        let by = seconds("advance", by).map_err(|e| raise(py, e))?;
        {
            let skipped = &self.clock.skipped;
            let mut skipped = skipped.lock().unwrap_or_else(PoisonError::into_inner);
            *skipped = skipped.saturating_add(by);
        }
        self.clock.jumped.notify_waiters();
        Ok(())
    }
}
