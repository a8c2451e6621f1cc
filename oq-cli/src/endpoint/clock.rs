//! `Date` and `LastModified`: both are the store's, never this process's idea of the time.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;
use oq_core::StoreTime;
use oq_core::env::{Env, Mono};
use s3s::dto::Timestamp;

/// The store's clock: the date of its newest answer, and the time elapsed since.
#[derive(Debug)]
pub struct StoreClock {
    env: Env,
    last: Mutex<Last>,
    began: OnceLock<StoreTime>,
}

#[derive(Debug)]
struct Last {
    date: StoreTime,
    at: Mono,
    /// The second that `header` shows; made once a second and not once an answer.
    shown: u64,
    header: HeaderValue,
}

impl StoreClock {
    pub fn new(env: Env) -> StoreClock {
        StoreClock {
            last: Mutex::new(Last {
                date: StoreTime::default(),
                at: env.now(),
                shown: u64::MAX,
                header: HeaderValue::from_static(""),
            }),
            env,
            began: OnceLock::new(),
        }
    }

    /// The first date that was seen.
    pub fn began(&self) -> StoreTime {
        self.began.get().copied().unwrap_or_default()
    }

    /// Notes the date of an answer. The clock never goes back.
    pub fn saw(&self, date: StoreTime) {
        self.began.get_or_init(|| date);
        let at = self.env.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let reckoned = last.date.plus(at.since(last.at));
        last.date = date.max(reckoned);
        last.at = at;
    }

    /// What the `Date` of an answer sent now says.
    pub fn header(&self) -> HeaderValue {
        let at = self.env.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let second = last.date.plus(at.since(last.at)).as_millis() / 1000;
        if second != last.shown {
            last.shown = second;
            last.header = http_date(second);
        }
        last.header.clone()
    }
}

fn http_date(second: u64) -> HeaderValue {
    let second = i64::try_from(second).unwrap_or_default();
    let date = jiff::Timestamp::from_second(second).unwrap_or_default();
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
    text.ok()
        .and_then(|text| HeaderValue::try_from(text).ok())
        .unwrap_or_else(|| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// A moment as S3 shows it: in whole seconds, like `Date`, so that nothing is newer than its answer.
pub fn shown(time: StoreTime) -> Timestamp {
    let second = Duration::from_secs(time.as_millis() / 1000);
    Timestamp::from(SystemTime::UNIX_EPOCH + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_store_and_never_goes_back() {
        let clock = StoreClock::new(Env::system());
        clock.saw(StoreTime::from_millis(784_111_777_900));
        let first = clock.header();
        assert!(
            first
                .to_str()
                .unwrap()
                .starts_with("Sun, 06 Nov 1994 08:49:3")
        );
        clock.saw(StoreTime::from_millis(5_000));
        assert!(
            clock
                .header()
                .to_str()
                .unwrap()
                .starts_with("Sun, 06 Nov 1994 08:49:")
        );
        clock.saw(StoreTime::from_millis(784_111_999_000));
        assert_eq!(clock.header(), "Sun, 06 Nov 1994 08:53:19 GMT");
    }
}
