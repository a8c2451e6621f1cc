//! Times of day as people say them.

use std::str::FromStr;
use std::time::Duration;

use oq_core::{StoreTime, span};

const DAY: Duration = Duration::from_secs(86_400);

/// A moment: RFC 3339, a date, `now`, `today`, `yesterday`, `tomorrow`, or a span. Which side of now
/// a span lies on, the option says that it stands for. Days are those of UTC, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    Exact(StoreTime),
    /// So far from now.
    Off(Duration),
    /// The beginning of the day so many days before or after today.
    Day(i8),
}

impl Time {
    /// The moment, where a span means the past.
    pub fn before(self, now: StoreTime) -> StoreTime {
        match self {
            Time::Off(span) => now.minus(span),
            other => other.after(now),
        }
    }

    /// The moment, where a span means the future.
    pub fn after(self, now: StoreTime) -> StoreTime {
        match self {
            Time::Exact(at) => at,
            Time::Off(span) => now.plus(span),
            Time::Day(days) => {
                let day = DAY.as_millis() as u64;
                let today = StoreTime(now.as_millis() / day * day);
                let span = DAY * u32::from(days.unsigned_abs());
                if days < 0 {
                    today.minus(span)
                } else {
                    today.plus(span)
                }
            }
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Time, String> {
        const FORM: &str = "write 2h, yesterday, 2026-01-31 or 2026-01-31T12:00:00Z";
        let text = text.trim();
        match text.strip_suffix(" ago").unwrap_or(text) {
            "now" => return Ok(Time::Off(Duration::ZERO)),
            "today" => return Ok(Time::Day(0)),
            "yesterday" => return Ok(Time::Day(-1)),
            "tomorrow" => return Ok(Time::Day(1)),
            other => {
                if let Ok(span) = span::parse(other) {
                    return Ok(Time::Off(span));
                }
            }
        }
        if text.starts_with('-') {
            return Err(format!("it cannot be negative: {FORM}"));
        }
        if text.len() > 64 {
            return Err(FORM.to_owned());
        }
        let midnight = match text.len() {
            10 => format!("{text}T00:00:00Z"),
            _ => text.to_owned(),
        };
        let at = midnight
            .parse::<StoreTime>()
            .map_err(|_| match text.len() {
                10 if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') => {
                    format!("there is no such day: {FORM}")
                }
                _ => FORM.to_owned(),
            })?;
        Ok(Time::Exact(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_said() {
        let now: StoreTime = "2026-11-21T10:30:00Z".parse().unwrap();
        let past = |text: &str| text.parse::<Time>().unwrap().before(now).to_string();
        assert_eq!(past("2h"), "2026-11-21T08:30:00.000Z");
        assert_eq!(past("2h ago"), "2026-11-21T08:30:00.000Z");
        assert_eq!(past("now"), "2026-11-21T10:30:00.000Z");
        assert_eq!(past("today"), "2026-11-21T00:00:00.000Z");
        assert_eq!(past("yesterday"), "2026-11-20T00:00:00.000Z");
        assert_eq!(past("2026-02-03"), "2026-02-03T00:00:00.000Z");
        assert_eq!(
            past("2026-02-03T04:05:06+02:00"),
            "2026-02-03T02:05:06.000Z"
        );
        let future = |text: &str| text.parse::<Time>().unwrap().after(now).to_string();
        assert_eq!(future("90m"), "2026-11-21T12:00:00.000Z");
        assert_eq!(future("tomorrow"), "2026-11-22T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let long = "9".repeat(10_000);
        for bad in [
            "",
            "soon",
            "-2h",
            "2026-02-31",
            "2026-13-01",
            "1960-01-01",
            "12:00",
            "5",
            "2026-02-03T04:05:06",
            "\u{1b}[31m",
            &long,
        ] {
            let e = bad.parse::<Time>().expect_err(bad);
            assert!(e.contains("yesterday"), "{bad}: {e}");
        }
    }
}
