//! What a handler answers when it does not succeed.

use std::fmt;
use std::time::Duration;

use crate::record::Failure;

/// Why a handler did not return a result. Any [`std::error::Error`] turns into one by `?`: it is
/// tried again as the task's retry policy says, under the name of its type.
pub struct TaskError(pub(super) Answer);

pub(super) enum Answer {
    Failed(Failure),
    Later(Duration),
    Cancelled,
}

impl TaskError {
    /// A failure of kind `error`, tried again as the retry policy says.
    pub fn new(message: impl fmt::Display) -> TaskError {
        TaskError::of_kind("error", message)
    }

    /// A failure of a kind of its own, which retry policies can name.
    pub fn of_kind(kind: &str, message: impl fmt::Display) -> TaskError {
        TaskError(Answer::Failed(Failure::new(kind, message.to_string())))
    }

    /// A failure that is not tried again, whatever the retry policy says.
    pub fn fatal(message: impl fmt::Display) -> TaskError {
        TaskError(Answer::Failed(
            Failure::new("fatal", message.to_string()).fatal(),
        ))
    }

    /// Not now: the task becomes due after `delay`. Not a failure, and not charged as an attempt.
    pub fn later(delay: Duration) -> TaskError {
        TaskError(Answer::Later(delay))
    }

    /// The handler stopped because it was asked to cancel.
    pub fn cancelled() -> TaskError {
        TaskError(Answer::Cancelled)
    }

    /// The same failure, not tried again.
    pub fn into_fatal(self) -> TaskError {
        match self.0 {
            Answer::Failed(f) => TaskError(Answer::Failed(f.fatal())),
            other => TaskError(other),
        }
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    fn from(e: E) -> TaskError {
        let name = std::any::type_name::<E>();
        let plain = name.split('<').next().unwrap_or(name);
        let kind = plain.rsplit("::").next().unwrap_or(plain);
        let mut message = e.to_string();
        let mut source = e.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        TaskError::of_kind(kind, message)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Answer::Failed(failure) => write!(f, "{}: {}", failure.kind, failure.message),
            Answer::Later(delay) => write!(f, "later, in {delay:?}"),
            Answer::Cancelled => f.write_str("cancelled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_type_is_its_kind() {
        let TaskError(Answer::Failed(f)) = TaskError::from(std::io::Error::other("disk")) else {
            panic!("must fail");
        };
        assert_eq!(
            (f.kind.as_str(), f.message.as_str(), f.fatal),
            ("Error", "disk", false)
        );
        let TaskError(Answer::Failed(f)) = TaskError::fatal("no").into_fatal() else {
            panic!()
        };
        assert!(f.fatal);
    }
}
