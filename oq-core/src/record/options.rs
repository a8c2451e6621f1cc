//! What a submitter may ask for each task: time limits, retries, expiry, retention.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::span::exact as shown;
use crate::time::{StoreTime, millis};

/// No task has more attempts.
pub const MAX_ATTEMPTS: u32 = 1000;

/// How a task is to be run. What equals the default is not written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// How long one attempt may run.
    #[serde(with = "millis", rename = "timeout_ms")]
    pub timeout: Duration,
    /// How long a worker may be silent before others take the task over: 15 s to 10 min.
    #[serde(with = "millis", rename = "lease_ms")]
    pub lease: Duration,
    /// When a failed attempt is tried again.
    pub retry: Retry,
    /// Not started any more from this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<StoreTime>,
    /// How long the outcome is kept at least; one hour at the least.
    #[serde(with = "millis", rename = "retention_ms")]
    pub retention: Duration,
    /// How often a handler may answer "later". Once more ends the task as failed at once, however
    /// many attempts are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_reschedules: Option<u32>,
}

/// The shortest lease.
pub const MIN_LEASE: Duration = Duration::from_secs(15);
/// The longest lease.
pub const MAX_LEASE: Duration = Duration::from_secs(600);
/// The longest timeout, delay and retention: 366 days.
pub const MAX_SPAN: Duration = Duration::from_secs(366 * 86_400);
/// The shortest retention of outcomes: shorter, and a late repetition could start a task anew.
pub const MIN_RETENTION: Duration = Duration::from_secs(3600);

impl Default for Options {
    fn default() -> Self {
        Options {
            timeout: Duration::from_secs(300),
            lease: Duration::from_secs(30),
            retry: Retry::default(),
            expires_at: None,
            retention: Duration::from_secs(3 * 86_400),
            max_reschedules: None,
        }
    }
}

impl Options {
    /// Whether these are the defaults, which are not written.
    pub fn is_default(&self) -> bool {
        *self == Options::default()
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), Error> {
        span("timeout", self.timeout, Duration::from_millis(1), MAX_SPAN)?;
        span("lease", self.lease, MIN_LEASE, MAX_LEASE)?;
        span("retention", self.retention, MIN_RETENTION, MAX_SPAN)?;
        self.retry.check()
    }
}

pub(crate) fn span(what: &str, d: Duration, min: Duration, max: Duration) -> Result<(), Error> {
    if (min..=max).contains(&d) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{what} of {}", shown(d)),
        format!("use {} to {}", shown(min), shown(max)),
    ))
}

/// When a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// How many attempts in all, the first included.
    pub attempts: u32,
    /// How the delay grows from attempt to attempt.
    pub growth: Growth,
    /// The delay after the first attempt.
    #[serde(with = "millis", rename = "base_ms")]
    pub base: Duration,
    /// No delay is longer.
    #[serde(with = "millis", rename = "cap_ms")]
    pub cap: Duration,
    /// How much of the delay is random: 0.0 none, 1.0 all of it.
    pub jitter: f64,
    /// Error kinds that are not tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    /// If not empty: the only error kinds that are tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// How retry delays grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Growth {
    /// Always the base.
    Fixed,
    /// The base times the number of attempts made.
    Linear,
    /// The base, doubled with every attempt made.
    Exponential,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 5,
            growth: Growth::Exponential,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(600),
            jitter: 0.5,
            never: Vec::new(),
            only: Vec::new(),
        }
    }
}

impl Retry {
    /// One attempt and no more.
    pub fn none() -> Retry {
        Retry {
            attempts: 1,
            ..Retry::default()
        }
    }

    /// So many attempts, the same delay between them.
    pub fn fixed(attempts: u32, delay: Duration) -> Retry {
        Retry {
            attempts,
            growth: Growth::Fixed,
            base: delay,
            cap: delay,
            ..Retry::default()
        }
    }

    /// So many attempts, the delay growing by `base` each time.
    pub fn linear(attempts: u32, base: Duration) -> Retry {
        Retry {
            attempts,
            growth: Growth::Linear,
            base,
            ..Retry::default()
        }
    }

    /// So many attempts, the delay doubling from `base` on.
    pub fn exponential(attempts: u32, base: Duration) -> Retry {
        Retry {
            attempts,
            base,
            ..Retry::default()
        }
    }

    /// No delay longer than `cap`.
    pub fn cap(mut self, cap: Duration) -> Retry {
        self.cap = cap;
        self
    }

    /// How much of the delay is random, 0.0 to 1.0.
    pub fn jitter(mut self, part: f64) -> Retry {
        self.jitter = part;
        self
    }

    /// This error kind is not tried again.
    pub fn never(mut self, kind: impl Into<String>) -> Retry {
        self.never.push(kind.into());
        self
    }

    /// Only error kinds named so are tried again.
    pub fn only(mut self, kind: impl Into<String>) -> Retry {
        self.only.push(kind.into());
        self
    }

    /// Whether an error of this kind may be tried again after `attempts` attempts.
    pub fn allows(&self, kind: &str, attempts: u32) -> bool {
        attempts < self.attempts
            && !self.never.iter().any(|k| k == kind)
            && (self.only.is_empty() || self.only.iter().any(|k| k == kind))
    }

    /// The delay after `attempts` attempts; `unit` is uniform in 0.0 … 1.0.
    pub fn delay(&self, attempts: u32, unit: f64) -> Duration {
        let made = attempts.max(1);
        let full = match self.growth {
            Growth::Fixed => self.base,
            Growth::Linear => self.base.saturating_mul(made),
            Growth::Exponential => self.base.saturating_mul(1u32 << (made - 1).min(31)),
        }
        .min(self.cap);
        full.mul_f64(1.0 - self.jitter.clamp(0.0, 1.0) * unit.clamp(0.0, 1.0))
    }

    /// Refuses what cannot work, and what would have no effect.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_ATTEMPTS).contains(&self.attempts) {
            return Err(Error::invalid(
                format!("{} attempts", self.attempts),
                format!("use 1 to {MAX_ATTEMPTS}"),
            ));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(Error::invalid(
                format!("jitter of {}", self.jitter),
                "use 0.0 to 1.0",
            ));
        }
        span("retry base", self.base, Duration::ZERO, MAX_SPAN)?;
        span("retry cap", self.cap, Duration::ZERO, MAX_SPAN)?;
        if self.base > self.cap {
            return Err(Error::invalid(
                format!("retry base of {}", shown(self.base)),
                format!(
                    "no delay is longer than the cap of {}: give a larger cap",
                    shown(self.cap)
                ),
            ));
        }
        for (list, kinds) in [("never", &self.never), ("only", &self.only)] {
            if kinds.iter().any(|kind| kind.trim().is_empty()) {
                return Err(Error::invalid(
                    format!("retry {list} without a kind of error"),
                    "name one, as in ValueError",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_as_named_and_stop_at_the_cap() {
        let s = Duration::from_secs;
        let fixed = Retry::fixed(9, s(3)).jitter(0.0);
        let linear = Retry::linear(9, s(2)).cap(s(5)).jitter(0.0);
        let exponential = Retry::exponential(9, s(1)).cap(s(6)).jitter(0.0);
        let delays = |r: &Retry| {
            (1..=4)
                .map(|n| r.delay(n, 0.7).as_secs())
                .collect::<Vec<_>>()
        };
        assert_eq!(delays(&fixed), [3, 3, 3, 3]);
        assert_eq!(delays(&linear), [2, 4, 5, 5]);
        assert_eq!(delays(&exponential), [1, 2, 4, 6]);
        assert_eq!(exponential.delay(u32::MAX, 1.0), s(6));
        assert_eq!(Retry::fixed(2, s(4)).jitter(0.5).delay(1, 1.0), s(2));
    }

    #[test]
    fn only_and_never_choose_errors() {
        let r = Retry::default().never("ValueError");
        assert!(r.allows("Timeout", 1) && !r.allows("ValueError", 1) && !r.allows("Timeout", 5));
        let r = Retry::default().only("Timeout");
        assert!(r.allows("Timeout", 1) && !r.allows("ValueError", 1));
    }

    #[test]
    fn impossible_options_are_refused() {
        let bad = |change: fn(&mut Options)| {
            let mut o = Options::default();
            change(&mut o);
            o.check().expect_err("must be refused").to_string()
        };
        bad(|o| o.timeout = Duration::ZERO);
        bad(|o| o.timeout = Duration::MAX);
        bad(|o| o.lease = Duration::from_secs(1));
        bad(|o| o.retention = Duration::from_secs(60));
        bad(|o| o.retry.attempts = 0);
        bad(|o| o.retry.jitter = f64::NAN);
        bad(|o| o.retry.cap = Duration::MAX);
        let base = bad(|o| o.retry = Retry::linear(3, Duration::from_secs(1200)));
        assert!(base.contains("the cap of 10m"), "{base}");
        bad(|o| o.retry.never.push(" ".into()));
        bad(|o| o.retry.only.push(String::new()));
        assert!(Options::default().check().is_ok());
    }
}
