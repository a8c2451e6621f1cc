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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
