//! Errors as the command line shows them: what happened, why, and what to try next.

use std::fmt;

use clap::error::ErrorKind;
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

    /// What is wrong in the environment or in a configuration file.
    pub fn config(why: impl Into<String>, next: impl Into<String>) -> Failed {
        Failed::new(Exit::Unusable, "OQ-CONFIG", why, next)
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

    /// Somebody pressed Ctrl-C.
    pub fn interrupted() -> Failed {
        Failed::new(
            Exit::Interrupted,
            "OQ-INTERRUPTED",
            "interrupted: what was done so far stays done",
            "give the command again to go on; oq get ID, oq queue stats show where things stand",
        )
    }

    /// The same for another reason.
    pub fn because(self, why: impl Into<String>) -> Failed {
        Failed {
            why: why.into(),
            ..self
        }
    }

    /// Whether there is nothing to say about it.
    pub fn is_silent(&self) -> bool {
        self.why.is_empty()
    }

    /// What happened and why.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The same with something better to try next.
    pub fn next(self, next: impl Into<String>) -> Failed {
        Failed {
            next: next.into(),
            ..self
        }
    }

    /// The same, said of one of several things.
    pub fn of(self, which: impl fmt::Display) -> Failed {
        if self.is_silent() {
            return self;
        }
        Failed {
            why: format!("{which}: {}", self.why),
            ..self
        }
    }
}

/// How a disk says that it is full, by way of the system and of SQLite.
const FULL: [&str; 2] = ["disk is full", "No space left"];

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        let next = match &e {
            Error::Invalid { .. } => "oq explain OQ-INVALID".to_owned(),
            Error::NotFound(_) => {
                "check --url and --queue (an id is known in its queue only): oq queue list".into()
            }
            error if error.is_of_the_clock() => "set this machine's clock (NTP)".into(),
            Error::Denied(_) => "check the credentials and what they may do in this bucket: \
                 aws sts get-caller-identity"
                .into(),
            Error::Conflict(_) => "look again: oq get ID".into(),
            Error::TimedOut(_) => "the task goes on; see where it stands: oq get ID".into(),
            Error::InDoubt { ids } if ids.is_empty() => {
                "look whether it was done: oq queue show".into()
            }
            Error::InDoubt { ids } => {
                let some: Vec<String> = ids.iter().take(5).map(|id| id.to_string()).collect();
                let more = if ids.len() > some.len() { " …" } else { "" };
                format!("ask in a moment: oq get {}{more}", some.join(" "))
            }
            Error::Unavailable(why) if why.contains("no credentials were found") => {
                "aws sts get-caller-identity shows which credentials the AWS tools find".into()
            }
            Error::Unavailable(why) if FULL.iter().any(|full| why.contains(full)) => {
                "make room on this disk, then try again".into()
            }
            Error::Unavailable(_) => "try again".into(),
            Error::Unreadable { .. } => "use a newer oq, or see who else writes this bucket".into(),
            _ => "check --url: oq config show --origin".into(),
        };
        Failed::new(Exit::of(e.code()), e.code(), e.to_string(), next)
    }
}

/// Whether clap does not complain but shows help.
pub fn is_help(e: &clap::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

impl Failed {
    /// What clap says of a command, in the form of all other errors.
    pub fn said_wrongly(e: &clap::Error, mut command: String) -> Failed {
        let text = e.render().to_string();
        let mut why: Vec<&str> = Vec::new();
        for line in text.lines() {
            if line.starts_with("Usage: oq [") {
                // Not even the command was understood.
                command = "oq".to_owned();
            } else if line.starts_with("Usage: ") {
                continue;
            } else if !line.starts_with("For more information") && !line.trim().is_empty() {
                why.push(line);
            }
        }
        let why = why.join("\n");
        let why = why.strip_prefix("error: ").unwrap_or(&why);
        Failed::usage(why, format!("{command} --help"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_for_a_wrong_clock_is_not_sent_to_the_credentials() {
        let next = |why: &str| Failed::from(Error::Denied(why.to_owned())).to_string();
        assert!(next("403 AccessDenied").ends_with("aws sts get-caller-identity"));
        let shown = next("403 RequestTimeTooSkewed; this machine's clock is wrong");
        assert!(
            shown.ends_with("\nnext: set this machine's clock (NTP)"),
            "{shown}"
        );
    }
}
