//! Stores for the tests of users: in memory, on a clock that can be moved forward.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::env::{BoxFuture, Clock, Env, Mono};
use oq_core::protocol::Root;
use oq_core::store::MemoryStore;
use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::draft::seconds;
use crate::errors::raise;

/// When the tests begin: 2026-01-01.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// A clock that goes on as the machine's does, and jumps when it is told to.
#[pyclass(frozen, module = "oq._oq")]
pub struct TestClock {
    clock: Arc<Jumping>,
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
        let store = MemoryStore::with_time(Arc::new(now));
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
        }
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
