//! How a task ended, and what went wrong in an attempt.

use serde::{Deserialize, Serialize};

use super::data::Data;
use crate::time::StoreTime;

/// The four ways in which a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Its handler succeeded.
    Completed,
    /// It ran out of attempts, failed for good, or its workers died.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was not started before its time was over.
    Expired,
}

impl Ending {
    /// All of them, in order.
    pub const ALL: [Ending; 4] = [
        Ending::Completed,
        Ending::Failed,
        Ending::Cancelled,
        Ending::Expired,
    ];

    /// The word for it, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Completed => "completed",
            Ending::Failed => "failed",
            Ending::Cancelled => "cancelled",
            Ending::Expired => "expired",
        }
    }
}

/// The recorded end of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which way.
    pub ending: Ending,
    /// When, in store time.
    pub at: StoreTime,
    /// How many attempts were charged.
    #[serde(default)]
    pub attempts: u32,
    /// What the handler returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Data>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The longest error message that is kept; longer ones are cut in the middle.
pub const MAX_MESSAGE: usize = 16 << 10;

/// How much of a message a history keeps.
const BRIEF: usize = 200;

/// What went wrong in an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A short name, which retry policies match: `error`, `timeout`, `panic`, `crashed`, or the
    /// handler's own.
    pub kind: String,
    /// The message, at most [`MAX_MESSAGE`] bytes.
    pub message: String,
    /// Not to be tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
}

impl Failure {
    /// A failure of this kind; name and message are cut to what is kept.
    pub fn new(kind: &str, message: impl AsRef<str>) -> Failure {
        Failure {
            kind: cut(kind, 128),
            message: cut(message.as_ref(), MAX_MESSAGE),
            fatal: false,
        }
    }

    /// The attempt ran into its timeout.
    pub const TIMEOUT: &str = "timeout";
    /// The handler panicked.
    pub const PANIC: &str = "panic";
    /// The worker that ran it died or lost its lease.
    pub const CRASHED: &str = "crashed";
    /// The handler answered "later" more often than allowed.
    pub const RESCHEDULED: &str = "rescheduled_too_often";

    /// Kind and message in one line of at most some two hundred characters.
    pub(crate) fn brief(&self) -> String {
        let line = self
            .message
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        format!("{}: {}", self.kind, cut(&line, BRIEF))
    }

    /// The first line of a message that says something, without spaces at its ends.
    ///
    /// ```
    /// use oq_core::record::Failure;
    ///
    /// assert_eq!(Failure::first_line("\n  no such customer\n  at line 3"), "no such customer");
    /// ```
    pub fn first_line(message: &str) -> &str {
        let mut lines = message.lines().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// Cuts the message to so many bytes, if it is longer.
    pub fn shorten(&mut self, max: usize) {
        if self.message.len() > max {
            self.message = cut(&self.message, max);
        }
    }

    /// The same failure, not to be tried again.
    pub fn fatal(mut self) -> Failure {
        self.fatal = true;
        self
    }
}

/// Keeps beginning and end, where errors say the most.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mark = "\n… cut …\n";
    let half = max.saturating_sub(mark.len()) / 2;
    let head = (0..=half)
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    let tail = (text.len() - half..text.len()).find(|i| text.is_char_boundary(*i));
    format!(
        "{}{mark}{}",
        &text[..head],
        &text[tail.unwrap_or(text.len())..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_keep_beginning_and_end() {
        let f = Failure::new("error", format!("begin{}end", "ä".repeat(50_000_000)));
        assert!(f.message.len() <= MAX_MESSAGE);
        assert!(f.message.starts_with("begin") && f.message.ends_with("end"));
    }
}
