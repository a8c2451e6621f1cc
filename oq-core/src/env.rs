//! What a program takes from its surroundings: elapsed time and randomness.
//!
//! Both are injected, so that the simulation runs the real code on virtual time from one seed.
//! There is no wall clock here on purpose: the time of day comes from the store's answers
//! (see [`crate::protocol::Root`]).

use std::fmt::Debug;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::TryRng;
#[allow(clippy::disallowed_types)] // for `SystemEntropy`
use rand::rngs::SysRng;

/// A reading of a clock that only goes forward and runs while the machine is suspended.
/// Comparable only with readings of the same [`Clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub Duration);

impl Mono {
    /// Time passed since `earlier`, zero if that lies in the future.
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, rhs: Duration) -> Mono {
        Mono(self.0.saturating_add(rhs))
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, rhs: Duration) -> Mono {
        Mono(self.0.saturating_sub(rhs))
    }
}

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Elapsed time and waiting.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now, on a clock that runs through suspend.
    fn now(&self) -> Mono;
    /// Completes after `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Sets the clock forward: somebody knows of time that passed and that it may not have seen,
    /// such as the freeze of a function's sandbox. A clock that is right for certain ignores it.
    fn set_forward(&self, _by: Duration) {}
}

/// Randomness.
pub trait Entropy: Debug + Send + Sync + 'static {
    /// Sixty-four random bits.
    fn next_u64(&self) -> u64;
}

/// The injected surroundings of one client (a producer or a worker).
#[derive(Debug, Clone)]
pub struct Env {
    /// Elapsed time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Env {
    /// The machine's own clock and random source.
    pub fn system() -> Env {
        Env {
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Now, on the injected clock.
    pub fn now(&self) -> Mono {
        self.clock.now()
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Runs `work` for at most `limit`; `None` when the limit came first (`work` is dropped).
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            value = work => Some(value),
            () = self.clock.sleep(limit) => None,
        }
    }

    /// A uniform number below `bound`; zero when `bound` is zero.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            self.entropy.next_u64() % bound
        }
    }

    /// A uniform duration between half of `around` and one and a half times it.
    pub fn jitter(&self, around: Duration) -> Duration {
        let micros = u64::try_from(around.as_micros())
            .unwrap_or(u64::MAX / 2)
            .min(u64::MAX / 2);
        Duration::from_micros(micros / 2 + self.below(micros + 1))
    }
}

/// `CLOCK_BOOTTIME` on Linux, the standard library's monotonic clock elsewhere; sleeps are tokio's.
#[derive(Debug)]
pub struct SystemClock {
    /// Milliseconds that it was set forward.
    forward: AtomicU64,
    #[cfg(not(target_os = "linux"))]
    start: std::time::Instant,
}

#[allow(clippy::disallowed_methods, clippy::derivable_impls)] // the one place that reads the machine's clock
impl Default for SystemClock {
    fn default() -> Self {
        SystemClock {
            forward: AtomicU64::new(0),
            #[cfg(not(target_os = "linux"))]
            start: std::time::Instant::now(),
        }
    }
}

impl SystemClock {
    fn forward(&self) -> Duration {
        Duration::from_millis(self.forward.load(Ordering::Relaxed))
    }
}

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Mono {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let elapsed = Duration::new(
            t.tv_sec.unsigned_abs(),
            u32::try_from(t.tv_nsec).unwrap_or(0),
        );
        Mono(elapsed) + self.forward()
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Mono {
        Mono(self.start.elapsed()) + self.forward()
    }

    fn set_forward(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(0);
        self.forward.fetch_add(by, Ordering::Relaxed);
    }

    #[allow(clippy::disallowed_methods)] // the one place that sleeps on the machine's clock
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The operating system's random source, asked each time. A generator in the process would go on with
/// the same numbers in each child of a fork and in each clone of a machine, and so would ids and
/// tokens.
#[derive(Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods)] // the one place that draws from the machine
    fn next_u64(&self) -> u64 {
        // Without the system's source nothing can be seeded either, and this panics.
        SysRng.try_next_u64().unwrap_or_else(|_| rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn within_gives_up_at_its_limit_and_not_before() {
        let env = Env::system();
        let late = env
            .within(Duration::from_secs(1), std::future::pending::<()>())
            .await;
        assert_eq!(late, None);
        assert_eq!(
            env.within(Duration::from_secs(1), async { 7 }).await,
            Some(7)
        );
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let clock = SystemClock::default();
        let a = clock.now();
        assert!(clock.now() >= a);
        clock.set_forward(Duration::from_secs(60));
        assert!(clock.now().since(a) >= Duration::from_secs(60));
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let env = Env::system();
        for _ in 0..1000 {
            let d = env.jitter(Duration::from_millis(100));
            assert!(
                d >= Duration::from_millis(50) && d <= Duration::from_millis(150),
                "{d:?}"
            );
        }
    }
}
