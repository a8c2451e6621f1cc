//! Errors as the command line shows them: what happened, why, and what to try next.

use std::fmt;

use oq_core::Error;

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug)]
pub struct Failed {
    exit: Exit,
    code: &'static str,
    why: String,
    next: String,
}

impl Failed {
    /// What is said wrongly on the command line.
    pub fn usage(why: impl Into<String>, next: impl Into<String>) -> Failed {
        Failed::new(Exit::Usage, "OQ-INVALID", why, next)
    }

    /// What is wrong with this machine, the configuration or the store.
    pub fn unusable(why: impl Into<String>, next: impl Into<String>) -> Failed {
        Failed::new(Exit::Unusable, "OQ-UNUSABLE", why, next)
    }

    /// Any failure; `code` is one that `oq explain` knows.
    pub fn new(
        exit: Exit,
        code: &'static str,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Failed {
        Failed {
            exit,
            code,
            why: why.into(),
            next: next.into(),
        }
    }

    /// Whoever read stdout went away (`| head`): the command ends, and nothing is wrong.
    pub fn closed() -> Failed {
        Failed::new(Exit::Ok, "", "", "")
    }

    /// The same with another next step.
    pub fn next(self, next: impl Into<String>) -> Failed {
        Failed {
            next: next.into(),
            ..self
        }
    }

    /// Whether there is nothing to say about it.
    pub fn is_silent(&self) -> bool {
        self.why.is_empty()
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        let (exit, next) = match &e {
            Error::Invalid { .. } => (Exit::Usage, "see `oq help`".to_owned()),
            Error::NotFound(_) => (
                Exit::NotFound,
                "check --url and --queue: an id is known in its queue only".into(),
            ),
            Error::Denied(_) => (
                Exit::Denied,
                "check the credentials and what they may do in this bucket".into(),
            ),
            Error::Conflict(_) => (Exit::Conflict, "look again with `oq get`".into()),
            Error::TimedOut(_) => (
                Exit::TimedOut,
                "the task goes on; wait again, or look with `oq get`".into(),
            ),
            Error::InDoubt { ids } => {
                let ids: Vec<String> = ids.iter().map(|id| format!("`oq get {id}`")).collect();
                (
                    Exit::Unusable,
                    format!(
                        "ask in a moment whether it was accepted: {}",
                        ids.join(", ")
                    ),
                )
            }
            Error::Unavailable(_) => (Exit::Unusable, "try again".into()),
            Error::Unreadable { .. } => (
                Exit::Unusable,
                "use a newer oq, or see who else writes this bucket".into(),
            ),
            _ => (Exit::Unusable, "check --url".into()),
        };
        Failed::new(exit, e.code(), e.to_string(), next)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.why)?;
        if !self.next.is_empty() {
            write!(f, "\nnext: {}", self.next)?;
        }
        Ok(())
    }
}
