//! Errors as the command line shows them: what happened, why, and what to try next.

use std::fmt;

use oq_core::Error;

/// The awaited task is over and did not complete.
pub const NOT_COMPLETED: u8 = 1;
/// The command was used wrongly; clap uses the same.
const USAGE: u8 = 2;

/// Why a command failed.
#[derive(Debug)]
pub struct Failed {
    code: u8,
    name: &'static str,
    why: String,
    next: String,
}

impl Failed {
    /// What is said wrongly on the command line.
    pub fn usage(why: impl Into<String>, next: impl Into<String>) -> Failed {
        Failed {
            code: USAGE,
            name: "OQ-INVALID",
            why: why.into(),
            next: next.into(),
        }
    }

    /// What is wrong on this machine.
    pub fn other(why: impl Into<String>) -> Failed {
        Failed {
            code: 7,
            name: "OQ-UNUSABLE",
            why: why.into(),
            next: String::new(),
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        let (code, next) = match &e {
            Error::Invalid { .. } => (USAGE, "see `oq help submit`".to_owned()),
            Error::NotFound(_) => (
                3,
                "check --url and --queue: an id is known in its queue only".into(),
            ),
            Error::Denied(_) => (
                4,
                "check the credentials and what they may do in this bucket".into(),
            ),
            Error::Conflict(_) => (5, "look again with `oq get`".into()),
            Error::TimedOut(_) => (
                6,
                "the task goes on; wait again, or look with `oq get`".into(),
            ),
            Error::InDoubt { ids } => {
                let ids: Vec<String> = ids.iter().map(|id| format!("`oq get {id}`")).collect();
                (
                    7,
                    format!(
                        "ask in a moment whether it was accepted: {}",
                        ids.join(", ")
                    ),
                )
            }
            Error::Unavailable(_) => (7, "try again".into()),
            Error::Unreadable { .. } => (
                7,
                "use a newer oq, or see who else writes this bucket".into(),
            ),
            _ => (7, "check --url".into()),
        };
        Failed {
            code,
            name: e.code(),
            why: e.to_string(),
            next,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oq: {}: {}", self.name, self.why)?;
        if !self.next.is_empty() {
            write!(f, "\nnext: {}", self.next)?;
        }
        Ok(())
    }
}
