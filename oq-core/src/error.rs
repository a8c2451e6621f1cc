//! The public error: few kinds, each saying what the caller should do.

use std::time::Duration;

use crate::record::TaskId;
use crate::span;
use crate::store::{CLOCK_WRONG, StoreError};

/// What went wrong, and what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name, id, duration, payload or setting is not acceptable. Correct it; nothing was written.
    #[error("{what}: {why}")]
    Invalid {
        /// Which input.
        what: String,
        /// What is wrong with it and what is allowed.
        why: String,
    },
    /// There is no such task, or its outcome is past its retention.
    #[error("{0} is not known: it was never accepted, or its outcome is past its retention")]
    NotFound(String),
    /// Something else changed first, or the state does not allow this. Look again, then decide.
    #[error("{0}")]
    Conflict(String),
    /// Access was refused. Check the credentials and their policy.
    #[error("access refused: {0}")]
    Denied(String),
    /// The store did not answer within the attempts made. Nothing was accepted; try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store's answer was lost. What was asked for may or may not have been done: `get` the tasks
    /// named, or look at the settings if none is.
    #[error("{}", doubt(ids.len()))]
    InDoubt {
        /// Of tasks that were submitted the ids under which they exist, if they were accepted.
        ids: Vec<TaskId>,
    },
    /// The store or its configuration cannot be used: wrong URL, bucket, region, or missing ability.
    #[error("{0}")]
    Unusable(String),
    /// An object in the bucket cannot be understood. It is left as it is.
    #[error("the object {key} cannot be read: {why}; it was left as it is")]
    Unreadable {
        /// The object's key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Waiting ended before the outcome was there. The task goes on.
    #[error("still not finished after {}", span::exact(*.0))]
    TimedOut(Duration),
}

impl Error {
    /// A stable code, the same in Rust, Python and on the command line.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Invalid { .. } => "OQ-INVALID",
            Error::NotFound(_) => "OQ-NOT-FOUND",
            Error::Conflict(_) => "OQ-CONFLICT",
            Error::Denied(_) => "OQ-DENIED",
            Error::Unavailable(_) => "OQ-UNAVAILABLE",
            Error::InDoubt { .. } => "OQ-IN-DOUBT",
            Error::Unusable(_) => "OQ-UNUSABLE",
            Error::Unreadable { .. } => "OQ-UNREADABLE",
            Error::TimedOut(_) => "OQ-TIMED-OUT",
        }
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::TimedOut(_))
    }

    /// Whether access was refused since this machine's clock is wrong: credentials have no part in that.
    ///
    /// ```
    /// let refused = |why: &str| oq_core::Error::Denied(why.to_owned()).is_of_the_clock();
    /// assert_eq!(["403 RequestTimeTooSkewed", "403 AccessDenied"].map(refused), [true, false]);
    /// ```
    pub fn is_of_the_clock(&self) -> bool {
        matches!(self, Error::Denied(why) if why.contains(CLOCK_WRONG))
    }

    pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Invalid {
            what: what.into(),
            why: why.into(),
        }
    }
}

fn doubt(tasks: usize) -> String {
    match tasks {
        0 => {
            "no answer: what was asked for may have been done or not: look, then decide".to_owned()
        }
        n => format!(
            "no answer for {n} of the tasks: what was asked for may have been done or not: look \
             them up"
        ),
    }
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Error {
        match e {
            StoreError::Unavailable(why) => Error::Unavailable(why),
            StoreError::Denied(why) => Error::Denied(why),
            StoreError::Misconfigured(_) | StoreError::Unsupported(_) => {
                Error::Unusable(e.to_string())
            }
            StoreError::TooLarge(_) => Error::invalid("object", e.to_string()),
        }
    }
}

/// The result of most calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;
