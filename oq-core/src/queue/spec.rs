//! A task written as a JSON object: a line of a bulk submission, the event of a function.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::task::Task;
use crate::error::{Error, Result};
use crate::record::{Growth, Json, Priority, Retry, TaskType, reader_says};
use crate::span;
use crate::time::StoreTime;

/// A task as a JSON object. Times are spans as text (`"10m"`) or seconds as numbers; moments are
/// RFC 3339. `delay_s` and `timeout_s` are other names of `delay` and `timeout`. Unknown and repeated
/// fields are refused; the input is kept byte for byte.
///
/// ```
/// use oq_core::queue::TaskSpec;
///
/// # fn main() -> oq_core::Result<()> {
/// let line = r#"{"type": "resize", "input": {"n": 1}, "delay": "10m", "priority": "high"}"#;
/// let task = TaskSpec::parse(line)?.task()?;
/// assert_eq!(task.input().as_str(), r#"{"n": 1}"#);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Which handler runs it.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// Its input; `null` unless given.
    #[serde(default = "Json::null")]
    pub input: Json,
    /// Not before so much time has passed.
    #[serde(default, alias = "delay_s")]
    pub delay: Option<Span>,
    /// Not before this moment.
    #[serde(default)]
    pub at: Option<Moment>,
    /// How urgent it is: 0 to 31, or `high`, `normal`, `low`.
    #[serde(default, deserialize_with = "priority")]
    pub priority: Option<Priority>,
    /// How long one attempt may run.
    #[serde(default, alias = "timeout_s")]
    pub timeout: Option<Span>,
    /// How long its worker may be silent.
    #[serde(default)]
    pub lease: Option<Span>,
    /// Not started any more after this much time.
    #[serde(default)]
    pub expires_in: Option<Span>,
    /// How long its outcome is kept.
    #[serde(default)]
    pub retention: Option<Span>,
    /// Its idempotency key.
    #[serde(default)]
    pub key: Option<String>,
    /// How long the key stands for it after it completed.
    #[serde(default)]
    pub key_window: Option<Span>,
    /// Names and values to find it by.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When a failed attempt is tried again.
    #[serde(default, deserialize_with = "retry")]
    pub retry: Option<RetrySpec>,
    /// How often its handler may answer "later"; once more ends it as failed.
    #[serde(default)]
    pub max_reschedules: Option<u32>,
    /// The submitter's W3C trace context.
    #[serde(default)]
    pub trace: Option<String>,
}

/// A retry policy; what is not given is as in [`Retry::default`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySpec {
    /// How many attempts in all.
    pub attempts: Option<u32>,
    /// How the delay grows.
    pub growth: Option<Growth>,
    /// The delay after the first attempt.
    pub base: Option<Span>,
    /// No delay is longer.
    pub cap: Option<Span>,
    /// How much of the delay is random, 0.0 to 1.0.
    pub jitter: Option<f64>,
    /// Error kinds that are not tried again.
    #[serde(default)]
    pub never: Vec<String>,
    /// If not empty: the only error kinds that are tried again.
    #[serde(default)]
    pub only: Vec<String>,
}

impl RetrySpec {
    /// The policy.
    pub fn policy(self) -> Retry {
        let unset = Retry::default();
        Retry {
            attempts: self.attempts.unwrap_or(unset.attempts),
            growth: self.growth.unwrap_or(unset.growth),
            base: self.base.map_or(unset.base, |span| span.0),
            cap: self.cap.map_or(unset.cap, |span| span.0),
            jitter: self.jitter.unwrap_or(unset.jitter),
            never: self.never,
            only: self.only,
        }
    }
}

impl TaskSpec {
    /// Reads the JSON of one task.
    pub fn parse(json: &str) -> Result<TaskSpec> {
        let wrong = |e: serde_json::Error| Error::invalid("task", told(&e));
        // An array would be taken for the fields in their order.
        if !json.trim_start().starts_with('{') {
            serde_json::from_str::<IgnoredAny>(json).map_err(wrong)?;
            return Err(Error::invalid(
                "task",
                r#"it is not a JSON object: write it as {"type": "resize", "input": …}"#,
            ));
        }
        serde_json::from_str(json).map_err(wrong)
    }

    /// The task, checked.
    pub fn task(self) -> Result<Task> {
        // Read as a value once: whatever JSON readers refuse is refused now.
        let input = Json::parse(self.input.as_str())?;
        let mut task = Task::of(self.task_type, input)?;
        if self.delay.is_some() && self.at.is_some() {
            return Err(Error::invalid("task", "it has both delay and at: give one"));
        }
        macro_rules! with {
            ($($field:ident => $set:ident,)*) => {$(
                if let Some(value) = self.$field {
                    task = task.$set(value.into());
                }
            )*};
        }
        with! {
            delay => delay,
            at => available_at,
            priority => priority,
            timeout => timeout,
            lease => lease,
            expires_in => expires_in,
            retention => retention,
            key_window => key_window,
            max_reschedules => max_reschedules,
        }
        if let Some(key) = self.key {
            task = task.key(key);
        }
        if let Some(trace) = self.trace {
            task = task.trace_parent(trace);
        }
        if let Some(retry) = self.retry {
            task = task.retry(retry.policy());
        }
        for (name, value) in self.tags {
            task = task.tag(name, value);
        }
        task.check()?;
        Ok(task)
    }
}

/// What the reader says, without its place in a line that is not the user's.
fn told(e: &serde_json::Error) -> String {
    // Names of the reader's own mean nothing to who wrote the line.
    let text = reader_says(e)
        .replace("struct TaskSpec", "an object")
        .replace("struct RetrySpec", "an object");
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) if e.is_syntax() || e.is_eof() => {
            format!("not valid JSON: {what} at column {column}")
        }
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

/// A span in JSON: `"10m"`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        span.0
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Span, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a time span such as \"10m\", or seconds")]
        enum Form {
            Seconds(f64),
            Text(String),
        }
        let span = match Form::deserialize(d)? {
            Form::Seconds(s) => Duration::try_from_secs_f64(s).map_err(|_| {
                Error::invalid(
                    format!("time span of {s} seconds"),
                    "it cannot be negative or so large",
                )
            }),
            Form::Text(text) => span::parse(&text),
        };
        span.map(Span).map_err(serde::de::Error::custom)
    }
}

/// A moment in JSON: RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub StoreTime);

impl From<Moment> for StoreTime {
    fn from(moment: Moment) -> StoreTime {
        moment.0
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(d)?;
        text.parse::<StoreTime>()
            .map(Moment)
            .map_err(serde::de::Error::custom)
    }
}

fn priority<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Priority>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a priority: 0 to 31, or high, normal, low")]
    enum Form {
        Number(u8),
        Word(String),
    }
    let priority = match Form::deserialize(d)? {
        Form::Number(n) => Priority::new(n),
        Form::Word(word) => word.parse(),
    };
    priority.map(Some).map_err(serde::de::Error::custom)
}

/// An object or nothing: what is derived takes an array for the fields in their order.
fn retry<'de, D: Deserializer<'de>>(d: D) -> Result<Option<RetrySpec>, D::Error> {
    struct Read;
    impl<'de> Visitor<'de> for Read {
        type Value = Option<RetrySpec>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
            RetrySpec::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    d.deserialize_any(Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let task = TaskSpec::parse(json).and_then(TaskSpec::task);
        task.expect_err(json).to_string()
    }

    #[test]
    fn everything_that_can_be_asked_for_can_be_written() {
        let json = r#"{"type":"t","input":[1,  9007199254740993],"at":"2030-01-01T00:00:00Z",
            "priority":3,"timeout":90,"lease":"1m","expires_in":"3000d","retention":"2h",
            "key":"k","key_window":"1h","tags":{"a":"b"},"max_reschedules":2,
            "retry":{"attempts":9,"growth":"linear","base":0.5,"cap":"1h","jitter":0,
            "never":["ValueError"]},"trace":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#;
        let e = refusal(json);
        assert!(e.contains("expiry of 3000d"), "{e}");
        let task = TaskSpec::parse(&json.replace("3000d", "300d"))
            .unwrap()
            .task()
            .unwrap();
        assert_eq!(task.input().as_str(), "[1,  9007199254740993]");
    }

    #[test]
    fn some_names_say_seconds_and_null_says_nothing() {
        let spec = TaskSpec::parse(r#"{"type":"t","delay_s":60,"timeout_s":9,"retry":null}"#);
        let spec = spec.unwrap();
        let seconds = |s| Some(Span(Duration::from_secs(s)));
        assert_eq!((spec.delay, spec.timeout), (seconds(60), seconds(9)));
        assert!(spec.retry.is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, says) in [
            ("", "not valid JSON"),
            ("{", "not valid JSON"),
            ("[]", "not a JSON object"),
            ("7", "not a JSON object"),
            ("null", "not a JSON object"),
            ("nope", "a text has quotes at column 2"),
            (r#"{"type":"t","retry":7}"#, "expected an object"),
            (r#"{"type":"t","retry":[9]}"#, "expected an object"),
            (r#"{"type":"t","retry":{"typo":9}}"#, "unknown field `typo`"),
            (r#"{"type":"t","delay":1,"delay_s":1}"#, "duplicate field"),
            (
                r#"{"type":"t","retry":{"base":"2h","cap":"1h"}}"#,
                "give a larger cap",
            ),
            (r#"{"input":1}"#, "missing field `type`"),
            (r#"{"type":"a b"}"#, "task type"),
            (r#"{"type":"t","typo":1}"#, "unknown field `typo`"),
            (r#"{"type":"t","type":"u"}"#, "duplicate field `type`"),
            (r#"{"type":"t","delay":"-1s"}"#, "negative"),
            (r#"{"type":"t","delay":-1}"#, "negative"),
            (r#"{"type":"t","delay":1e309}"#, "number out of range"),
            (r#"{"type":"t","delay":"soon"}"#, "write it as"),
            (r#"{"type":"t","at":"Feb 31"}"#, "RFC 3339"),
            (r#"{"type":"t","at":"2030-02-31T00:00:00Z"}"#, "RFC 3339"),
            (
                r#"{"type":"t","at":"2030-01-01T00:00:00Z","delay":1}"#,
                "both",
            ),
            (r#"{"type":"t","priority":32}"#, "priority 32"),
            (r#"{"type":"t","priority":"urgent"}"#, "high"),
            (r#"{"type":"t","input":"\ud800"}"#, "not valid JSON"),
            (r#"{"type":"t","input":NaN}"#, "not valid JSON"),
            (r#"{"type":"t","tags":{"a b":"c"}}"#, "tag name"),
            (r#"{"type":"t","retry":{"attempts":0}}"#, "attempts"),
            (r#"{"type":"t","key_window":"1h"}"#, "needs a key"),
        ] {
            let e = refusal(json);
            assert!(e.contains(says), "{json}: {e}");
        }
    }
}
