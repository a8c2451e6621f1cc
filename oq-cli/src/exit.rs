//! Exit codes: the one list of them.

use std::process::ExitCode;

/// How a command ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked for.
    Ok = 0,
    /// The awaited task is over and did not complete.
    NotCompleted = 1,
    /// The command was used wrongly; clap uses the same.
    Usage = 2,
    /// There is no such task, queue or setting.
    NotFound = 3,
    /// Access was refused.
    Denied = 4,
    /// Something else changed first, or the state does not allow this.
    Conflict = 5,
    /// Waiting ended before the outcome was there.
    TimedOut = 6,
    /// The store cannot be reached, or the configuration is wrong.
    Unusable = 7,
    /// Some of many were done and some were not.
    PartlyFailed = 8,
    /// `oq doctor` found a fault.
    Faulty = 9,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// How a command ends that meets an error of the core with this code.
    pub fn of(code: &str) -> Exit {
        match code {
            "OQ-INVALID" => Exit::Usage,
            "OQ-NOT-FOUND" => Exit::NotFound,
            "OQ-DENIED" => Exit::Denied,
            "OQ-CONFLICT" => Exit::Conflict,
            "OQ-TIMED-OUT" => Exit::TimedOut,
            _ => Exit::Unusable,
        }
    }
}

#[cfg(test)]
impl Exit {
    /// All of them.
    pub const ALL: [Exit; 11] = [
        Exit::Ok,
        Exit::NotCompleted,
        Exit::Usage,
        Exit::NotFound,
        Exit::Denied,
        Exit::Conflict,
        Exit::TimedOut,
        Exit::Unusable,
        Exit::PartlyFailed,
        Exit::Faulty,
        Exit::Interrupted,
    ];

    /// What it means, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "it did what it was asked for",
            Exit::NotCompleted => "the awaited task is over and did not complete",
            Exit::Usage => "the command was used wrongly; nothing was written",
            Exit::NotFound => "there is no such task, queue or setting",
            Exit::Denied => "access was refused",
            Exit::Conflict => "something else changed first, or the state does not allow this",
            Exit::TimedOut => "waiting ended before the outcome was there",
            Exit::Unusable => "the store cannot be reached, or the configuration is wrong",
            Exit::PartlyFailed => "some of many were done and some were not",
            Exit::Faulty => "a check found a fault",
            Exit::Interrupted => "Ctrl-C",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
