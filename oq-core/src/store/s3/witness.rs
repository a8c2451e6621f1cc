//! What one request's answer said beside its body.
//!
//! The SDK's outputs have no `Date`, and its errors do not say whether a request was sent at all.
//! An interceptor sees both.

use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::Headers;

use super::answer::Failure;
use super::lean::Lean;
use crate::store::StoreError;
use crate::time::StoreTime;

/// What was seen of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The request was handed to the connection pool. Before that, nothing can have landed.
    pub sent: bool,
    /// `Date`.
    pub date: Option<StoreTime>,
    /// `Retry-After`.
    pub after: Option<Duration>,
}

impl Seen {
    /// What an answer says beside its body.
    pub fn read(headers: &Headers) -> Seen {
        let date = headers.get("date").and_then(http_date);
        Seen {
            sent: true,
            date,
            after: headers
                .get("retry-after")
                .and_then(|v| retry_after(v, date)),
        }
    }

    /// The store's clock, without which an answer is of no use.
    pub fn date(&self) -> Result<StoreTime, StoreError> {
        self.date
            .ok_or_else(|| StoreError::Unavailable("the answer has no Date".into()))
    }
}

/// Watches one request; its clones share what they saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness {
    seen: Arc<Mutex<Seen>>,
    pupil: Option<Pupil>,
}

/// Who wants to know how requests are made, and the key that this one is about.
#[derive(Debug, Clone)]
struct Pupil {
    /// Weak, because what was learned holds the interceptors of the request that taught it, and so
    /// this.
    learned: Weak<OnceLock<Option<Lean>>>,
    key: String,
}

impl Witness {
    /// One that has the first request show how others are made.
    pub fn learning(learned: &Arc<OnceLock<Option<Lean>>>, key: &str) -> Witness {
        Witness {
            seen: Arc::default(),
            pupil: Some(Pupil {
                learned: Arc::downgrade(learned),
                key: key.to_owned(),
            }),
        }
    }

    fn seen(&self) -> Seen {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The answer to the request watched, its failure told in facts, and what was seen.
    pub fn judge<T, E>(
        &self,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> (Result<T, Failure>, Seen)
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let seen = self.seen();
        (answer.map_err(|error| Failure::of(&error, &seen)), seen)
    }

    fn pupil(&self) -> Option<(Arc<OnceLock<Option<Lean>>>, &str)> {
        let pupil = self.pupil.as_ref()?;
        Some((pupil.learned.upgrade()?, &pupil.key))
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "oq::Witness"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.note(|seen| seen.sent = true);
        if let Some((learned, key)) = self.pupil() {
            learned.get_or_init(|| Lean::learn(context.request(), key, components, config));
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let answer = Seen::read(headers);
        self.note(|seen| *seen = answer);
        if let Some((learned, _)) = self.pupil()
            && let Some(Some(lean)) = learned.get()
        {
            lean.note(headers);
        }
        Ok(())
    }
}

/// `Thu, 20 Nov 2025 11:07:00 GMT`.
pub(super) fn http_date(text: &str) -> Option<StoreTime> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()?;
    u64::try_from(at.as_millisecond()).ok().map(StoreTime)
}

/// Seconds, or a moment on the clock of the same answer.
fn retry_after(text: &str, now: Option<StoreTime>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    Some(http_date(text)?.since(now?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:01 GMT", Some(1_000)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000)),
            (" Sun, 06 Nov 1994 08:49:37 +0000 ", Some(784_111_777_000)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("1994-11-06T08:49:37Z", None),
            ("soon", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(http_date(text), want.map(StoreTime), "{text:?}");
        }
    }

    #[test]
    fn when_to_come_again() {
        let now = Some(StoreTime(784_111_777_000));
        let table = [
            ("0", now, Some(0)),
            ("120", None, Some(120)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", now, Some(10)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", now, Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", None, None),
            ("-1", now, None),
            ("99999999999", now, None),
        ];
        for (text, now, want) in table {
            let want = want.map(Duration::from_secs);
            assert_eq!(retry_after(text, now), want, "{text:?}");
        }
    }
}
