//! Store time: milliseconds since 1970 on the *store's* clock, the only time of day that oq uses.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A moment on the store's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreTime(pub u64);

impl StoreTime {
    /// The largest moment that a task id can carry (48 bits: the year 10889).
    pub const MAX: StoreTime = StoreTime((1 << 48) - 1);

    /// From milliseconds since 1970.
    pub fn from_millis(millis: u64) -> StoreTime {
        StoreTime(millis)
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// This moment plus `duration`, at most [`StoreTime::MAX`].
    pub fn plus(self, duration: Duration) -> StoreTime {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        StoreTime(self.0.saturating_add(ms).min(StoreTime::MAX.0))
    }

    /// This moment minus `duration`, at least 1970.
    pub fn minus(self, duration: Duration) -> StoreTime {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        StoreTime(self.0.saturating_sub(ms))
    }

    /// Time passed since `earlier`; zero if that lies in the future.
    pub fn since(self, earlier: StoreTime) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for StoreTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{ms} ms after 1970"),
        }
    }
}

impl std::str::FromStr for StoreTime {
    type Err = Error;

    /// Reads RFC 3339, such as `2030-01-31T12:00:00Z`.
    fn from_str(text: &str) -> Result<StoreTime, Error> {
        let parsed = text.parse::<jiff::Timestamp>().ok();
        let millis = parsed.and_then(|t| u64::try_from(t.as_millisecond()).ok());
        let time = millis.map(StoreTime).filter(|t| *t <= StoreTime::MAX);
        time.ok_or_else(|| {
            Error::invalid(
                format!("time {}", crate::record::quoted(text)),
                "write it in RFC 3339 and after 1970, as in 2026-12-24T12:00:00Z",
            )
        })
    }
}

impl fmt::Debug for StoreTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Durations in records are whole milliseconds.
pub(crate) mod millis {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(StoreTime(5).minus(Duration::from_secs(1)), StoreTime(0));
        assert_eq!(StoreTime(5).plus(Duration::MAX), StoreTime::MAX);
        assert_eq!(StoreTime(5).since(StoreTime(9)), Duration::ZERO);
    }

    #[test]
    fn shows_as_rfc_3339() {
        assert_eq!(StoreTime(0).to_string(), "1970-01-01T00:00:00.000Z");
    }
}
