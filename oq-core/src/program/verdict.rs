//! What becomes of a task when its program ended: exit code, stdout and stderr as an answer.
//!
//! | the program | the task |
//! |---|---|
//! | exits with 0 | is completed; stdout is its result |
//! | exits with 75 (`EX_TEMPFAIL`) | comes again later, which is no failure |
//! | exits with 65 (`EX_DATAERR`) | fails for good |
//! | exits with anything else, or is killed | fails, and is tried again as its retry policy says |

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use super::{MAX_OUTPUT, Tail, missing};
use crate::record::{Failure, Json, quoted};
use crate::{TaskError, span};

const LATER: i32 = 75;
const FATAL: i32 = 65;

/// The longest wait that a program may ask for.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The answer of a program that ended by itself.
pub fn of(
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: &Tail,
    later: Duration,
) -> Result<Json, TaskError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => output(stdout),
        (Some(LATER), _) => Err(TaskError::later(wanted(&stdout).unwrap_or_else(|| {
            if !stdout.trim_ascii().is_empty() {
                let text = quoted(String::from_utf8_lossy(&stdout).trim());
                tracing::warn!(stdout = %text, "it ended with 75 and what it wrote is no time such as 5m");
            }
            later
        }))),
        (Some(code), _) => {
            let error = TaskError::of_kind(
                &format!("exit-{code}"),
                said(stderr, &format!("it ended with exit code {code}")),
            );
            Err(match code {
                FATAL => error.into_fatal(),
                _ => error,
            })
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Err(TaskError::of_kind(
                &format!("signal-{signal}"),
                said(stderr, &format!("it was killed by signal {signal}")),
            ))
        }
    }
}

/// The answer for a program that was stopped because its time was over.
pub fn timed_out(stderr: &Tail) -> TaskError {
    let why = "it did not finish within its timeout, and was stopped";
    TaskError::of_kind(Failure::TIMEOUT, said(stderr, why))
}

/// The answer for a program that was stopped because it wrote too much.
pub fn too_much() -> TaskError {
    refused(format!(
        "its output is longer than {MAX_OUTPUT} bytes: write it into the bucket, and its key to stdout"
    ))
}

/// The answer for a program that could not be started: what is missing where the system only says "not
/// found".
pub fn not_started(program: &Path, e: &std::io::Error) -> TaskError {
    const NO_FORMAT: i32 = 8;
    let why = match e.raw_os_error() {
        Some(NO_FORMAT) => {
            "it is no program and has no first line such as #!/bin/sh: name its interpreter"
                .to_owned()
        }
        _ => missing::of(program, e).unwrap_or_else(|| e.to_string()),
    };
    TaskError::of_kind(
        "not-started",
        format!("{} could not be started: {why}", program.display()),
    )
}

/// JSON where stdout is JSON; any other text is a string.
fn output(stdout: Vec<u8>) -> Result<Json, TaskError> {
    let Ok(text) = String::from_utf8(stdout) else {
        let why = "its output is not UTF-8: write bytes into the bucket, or encode them";
        return Err(refused(why.to_owned()));
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Json::null());
    }
    if let Ok(json) = Json::parse(trimmed) {
        return Ok(json);
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Json::of(line).map_err(|e| refused(e.to_string()))
}

/// Output that cannot be kept will be no better at another attempt.
fn refused(why: String) -> TaskError {
    TaskError::of_kind("output", why).into_fatal()
}

/// `30s` alone on stdout says when to come again.
fn wanted(stdout: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(stdout).ok()?.trim();
    let wait = span::parse(text).ok()?;
    Some(wait.min(LONGEST))
}

fn said(stderr: &Tail, otherwise: &str) -> String {
    let text = stderr.text();
    match text.is_empty() {
        true => format!("{otherwise} and said nothing on stderr"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: i32, stdout: &str, stderr: &str) -> Result<Json, String> {
        let mut tail = Tail::new(100);
        tail.push(stderr.as_bytes());
        let minute = Duration::from_secs(60);
        let status = ExitStatus::from_raw(status);
        of(status, stdout.into(), &tail, minute).map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn stdout_is_json_if_it_reads_as_json_and_text_otherwise() {
        for (stdout, output) in [
            ("{\"a\": 1}\n", "{\"a\": 1}"),
            ("42\n", "42"),
            ("", "null"),
            ("\n", "null"),
            ("done in 3 s\n", "\"done in 3 s\""),
            ("two\nlines\n", "\"two\\nlines\""),
            ("{\"a\":", "\"{\\\"a\\\":\""),
        ] {
            assert_eq!(answer(0, stdout, "chatter").unwrap().as_str(), output);
        }
        let mut deep = "[".repeat(500);
        deep.push_str(&"]".repeat(500));
        assert!(answer(0, &deep, "").unwrap().as_str().starts_with("\"[["));
        let bytes = of(
            ExitStatus::from_raw(0),
            vec![0xff],
            &Tail::new(1),
            Duration::ZERO,
        );
        assert!(format!("{:?}", bytes.unwrap_err()).contains("UTF-8"));
    }

    #[test]
    fn exit_codes_say_what_becomes_of_the_task() {
        let exit = |code: i32| code << 8;
        for (status, stdout, stderr, says) in [
            (exit(1), "", "no disk\n", "exit-1: no disk"),
            (
                exit(3),
                "",
                "",
                "exit-3: it ended with exit code 3 and said nothing on stderr",
            ),
            (exit(65), "", "bad input", "exit-65: bad input"),
            (exit(75), "", "busy", "later, in 60s"),
            (exit(75), "5m\n", "", "later, in 300s"),
            (exit(75), "soon", "", "later, in 60s"),
            (
                9,
                "",
                "",
                "signal-9: it was killed by signal 9 and said nothing on stderr",
            ),
        ] {
            assert_eq!(answer(status, stdout, stderr).unwrap_err(), says);
        }
    }
}
