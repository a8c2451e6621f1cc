//! [`Task`]: what a program asks for, checked before anything is written.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::protocol::payload::check_size;
use crate::record::{
    Done, DoneTask, Json, KeyHash, Keyed, MAX_SPAN, MAX_TAGS, MIN_RETENTION, Options, Priority,
    Retry, Settings, Slot, TaskType, check_tag,
};
use crate::state::submit::Draft;
use crate::time::StoreTime;

/// How long an idempotency key stands for a completed task, unless set otherwise.
pub const DEFAULT_KEY_WINDOW: Duration = Duration::from_secs(86_400);

/// The longest idempotency key in bytes.
pub const MAX_KEY: usize = 1024;

/// Deeper than this, common JSON readers refuse a text.
pub const MAX_NESTING: usize = 127;

/// A task to be submitted: a type, an input, and how it is to be run.
///
/// ```
/// use std::time::Duration;
/// use oq_core::queue::Task;
/// use oq_core::record::{Priority, Retry};
///
/// # fn main() -> oq_core::Result<()> {
/// let task = Task::new("mail.welcome", &("a@x.io", 42))?
///     .delay(Duration::from_secs(600))
///     .priority(Priority::HIGH)
///     .retry(Retry::exponential(5, Duration::from_secs(1)).never("ValueError"))
///     .tag("customer", "c1");
/// assert_eq!(task.input().as_str(), r#"["a@x.io",42]"#);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Task {
    pub(super) shape: Shape,
    input: Json,
    tags: BTreeMap<String, String>,
    trace: Option<String>,
    key: Option<String>,
    key_window: Option<Duration>,
}

/// All of a task that tasks in one object must have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) task_type: TaskType,
    pub(super) priority: Priority,
    when: When,
    expiry: Option<When>,
    timeout: Option<Duration>,
    lease: Option<Duration>,
    retry: Option<Retry>,
    retention: Option<Duration>,
    max_reschedules: Option<u32>,
}

/// A moment, named directly or by its distance from the submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    After(Duration),
    At(StoreTime),
}

impl When {
    fn moment(self, now: StoreTime) -> StoreTime {
        match self {
            When::After(delay) => now.plus(delay),
            When::At(at) => at,
        }
    }
}

impl Task {
    /// A task of this type whose input is the JSON of a value.
    pub fn new<T: Serialize + ?Sized>(task_type: impl AsRef<str>, input: &T) -> Result<Task> {
        Task::of(TaskType::new(task_type)?, Json::of(input)?)
    }

    /// A task of this type whose input is a JSON text, kept byte for byte.
    pub fn json(task_type: impl AsRef<str>, input: impl Into<String>) -> Result<Task> {
        Task::of(TaskType::new(task_type)?, Json::parse(input)?)
    }

    /// A task from parts that are checked already.
    pub fn of(task_type: TaskType, input: Json) -> Result<Task> {
        Ok(Task {
            shape: Shape {
                task_type,
                priority: Priority::NORMAL,
                when: When::After(Duration::ZERO),
                expiry: None,
                timeout: None,
                lease: None,
                retry: None,
                retention: None,
                max_reschedules: None,
            },
            input,
            tags: BTreeMap::new(),
            trace: None,
            key: None,
            key_window: None,
        })
    }

    /// The same task with another input.
    pub fn with_input(mut self, input: Json) -> Task {
        self.input = input;
        self
    }

    /// A task that ended without a result, to be submitted anew.
    pub(super) fn again(done: &Done, old: &DoneTask, input: Json, priority: Priority) -> Task {
        let options = &done.options;
        Task {
            shape: Shape {
                task_type: done.task_type.clone(),
                priority,
                when: When::After(Duration::ZERO),
                // Its time may be over: who tries it again wants it to run.
                expiry: None,
                timeout: Some(options.timeout),
                lease: Some(options.lease),
                retry: Some(options.retry.clone()),
                retention: Some(options.retention),
                max_reschedules: options.max_reschedules,
            },
            input,
            tags: old.tags.clone(),
            trace: old.trace.clone(),
            key: None,
            key_window: None,
        }
    }

    /// Not before this much time has passed.
    pub fn delay(mut self, delay: Duration) -> Task {
        self.shape.when = When::After(delay);
        self
    }

    /// Not before this moment, in store time; a moment that has passed means at once.
    pub fn available_at(mut self, at: StoreTime) -> Task {
        self.shape.when = When::At(at);
        self
    }

    /// How urgent it is.
    pub fn priority(mut self, priority: Priority) -> Task {
        self.shape.priority = priority;
        self
    }

    /// How long one attempt may run.
    pub fn timeout(mut self, timeout: Duration) -> Task {
        self.shape.timeout = Some(timeout);
        self
    }

    /// How long its worker may be silent before another takes it over: 15 s to 10 min.
    pub fn lease(mut self, lease: Duration) -> Task {
        self.shape.lease = Some(lease);
        self
    }

    /// When a failed attempt is tried again.
    pub fn retry(mut self, retry: Retry) -> Task {
        self.shape.retry = Some(retry);
        self
    }

    /// Not started any more when this much time has passed since its submission.
    pub fn expires_in(mut self, after: Duration) -> Task {
        self.shape.expiry = Some(When::After(after));
        self
    }

    /// Not started any more from this moment on, in store time.
    pub fn expires_at(mut self, at: StoreTime) -> Task {
        self.shape.expiry = Some(When::At(at));
        self
    }

    /// Its idempotency key: while a task under this key is alive, and for a window after it
    /// completed, submitting another under the same key gives that task's id instead. A key whose
    /// task failed, was cancelled or expired may be used again at once.
    pub fn key(mut self, key: impl Into<String>) -> Task {
        self.key = Some(key.into());
        self
    }

    /// How long the key stands for the task after it completed; a day unless set.
    pub fn key_window(mut self, window: Duration) -> Task {
        self.key_window = Some(window);
        self
    }

    /// A name and a value to find it by; at most 16.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Task {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// The submitter's trace context, as W3C writes it: `00-<trace id>-<parent id>-<flags>`.
    pub fn trace_parent(mut self, trace: impl Into<String>) -> Task {
        self.trace = Some(trace.into());
        self
    }

    /// How long its outcome is kept at least; one hour at the least.
    pub fn retention(mut self, retention: Duration) -> Task {
        self.shape.retention = Some(retention);
        self
    }

    /// How often its handler may answer "later"; as often as it likes unless set. Once more ends the
    /// task as failed at once (`rescheduled_too_often`), however many attempts are left.
    pub fn max_reschedules(mut self, times: u32) -> Task {
        self.shape.max_reschedules = Some(times);
        self
    }

    /// Which handler runs it.
    pub fn task_type(&self) -> &TaskType {
        &self.shape.task_type
    }

    /// Its input.
    pub fn input(&self) -> &Json {
        &self.input
    }

    /// Whether it has an idempotency key.
    pub(super) fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Refuses what cannot work, whatever the queue's settings are.
    pub fn check(&self) -> Result<()> {
        check_size("input", &self.input)?;
        check_nesting(&self.input)?;
        if self.tags.len() > MAX_TAGS {
            return Err(Error::invalid(
                format!("{} tags", self.tags.len()),
                format!("use at most {MAX_TAGS}"),
            ));
        }
        for (name, value) in &self.tags {
            check_tag(name, value)?;
        }
        if let Some(trace) = &self.trace {
            check_trace(trace)?;
        }
        if let Some(key) = &self.key
            && !(1..=MAX_KEY).contains(&key.len())
        {
            return Err(Error::invalid(
                format!("idempotency key of {} bytes", key.len()),
                format!("use 1 to {MAX_KEY}"),
            ));
        }
        if let Some(window) = self.key_window {
            if self.key.is_none() {
                return Err(Error::invalid("key window", "it needs a key"));
            }
            crate::record::span(
                "key window",
                window,
                Duration::ZERO,
                MAX_SPAN.saturating_sub(MIN_RETENTION),
            )?;
        }
        self.shape.check()
    }

    /// Its key as it is stored.
    pub(super) fn keyed(&self) -> Option<Keyed> {
        self.key.as_ref().map(|key| Keyed {
            hash: KeyHash::of(key),
            window: self.key_window.unwrap_or(DEFAULT_KEY_WINDOW),
        })
    }

    /// The task as it stands in an object; its input is put there by the caller.
    pub(super) fn slot(&self, input: crate::record::Data) -> Slot {
        Slot {
            tags: self.tags.clone(),
            trace: self.trace.clone(),
            ..Slot::new(input)
        }
    }
}

impl Shape {
    fn check(&self) -> Result<()> {
        if let When::After(delay) = self.when {
            crate::record::span("delay", delay, Duration::ZERO, MAX_SPAN)?;
        }
        if let Some(When::After(after)) = self.expiry {
            crate::record::span("expiry", after, Duration::from_millis(1), MAX_SPAN)?;
        }
        self.options(&Options::default()).check()
    }

    fn options(&self, defaults: &Options) -> Options {
        Options {
            timeout: self.timeout.unwrap_or(defaults.timeout),
            lease: self.lease.unwrap_or(defaults.lease),
            retry: self.retry.clone().unwrap_or_else(|| defaults.retry.clone()),
            // A moment cannot be a queue's default.
            expires_at: None,
            retention: self.retention.unwrap_or(defaults.retention),
            max_reschedules: self.max_reschedules.or(defaults.max_reschedules),
        }
    }

    /// What is written for such tasks that are submitted now, and when they are first due.
    pub(super) fn resolve(
        &self,
        settings: &Settings,
        now: StoreTime,
    ) -> Result<(Draft, StoreTime)> {
        let due = self.when.moment(now).max(now);
        if due.since(now) > MAX_SPAN {
            return Err(Error::invalid(
                format!("available at {due}"),
                format!("use at most {} from now", crate::span::exact(MAX_SPAN)),
            ));
        }
        let mut options = self.options(&settings.defaults);
        if let Some(expiry) = self.expiry {
            let at = expiry.moment(now);
            if at <= due {
                return Err(Error::invalid(
                    format!("expiry at {at}"),
                    format!("the task is first due at {due}, so it would never start"),
                ));
            }
            options.expires_at = Some(at);
        }
        options.check()?;
        let draft = Draft {
            task_type: self.task_type.clone(),
            options,
            available_at: (due > now).then_some(due),
            key: None,
            retry_of: None,
            reason: None,
        };
        Ok((draft, due))
    }
}

/// What cannot be read back by common JSON readers is refused, not discovered by the worker.
fn check_nesting(json: &Json) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.as_str().bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(Error::invalid(
                        "input",
                        format!("it is nested more than {MAX_NESTING} deep"),
                    ));
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}

/// Version 00 of W3C trace context, which is what everything sends.
fn check_trace(text: &str) -> Result<()> {
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let used = |part: &str| part.bytes().any(|b| b != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let ok = matches!(parts.as_slice(), [version, trace, parent, flags]
        if *version == "00" && hex(trace, 32) && used(trace) && hex(parent, 16) && used(parent) && hex(flags, 2));
    if ok {
        return Ok(());
    }
    Err(Error::invalid(
        format!("trace parent {}", crate::record::quoted(text)),
        "use 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, in lower case and not all zero",
    ))
}
