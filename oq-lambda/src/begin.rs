//! How a function's program begins: its log, and what it says when it cannot.

use std::fmt;

use lambda_runtime::tracing::subscriber::EnvFilter;
use lambda_runtime::tracing::subscriber::fmt as lines;
use oq_core::words::{self, LOG, said};
use oq_core::{Error, Result, explain};
use tracing::Level;

/// What says how much is logged beside [`LOG`]: Lambda's own setting, and Rust's.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
const RUST: &str = "RUST_LOG";

/// Lambda's crate says once more what a function failed with, as a print for programmers.
const TOLD: &str = "lambda_runtime::layers::panic=off";

/// Logs to stdout from now on, unless this program logs already: as much as `OQ_LOG` says, or else
/// Lambda's own setting (`AWS_LAMBDA_LOG_LEVEL`), or `RUST_LOG`; `info` unless set. As lines of text,
/// or of JSON if Lambda's log format is that.
///
/// # Errors
///
/// [`Error::Invalid`] if `OQ_LOG` is no level.
pub fn log() -> Result<()> {
    let directives = directives(said(LOG).as_deref(), said(LEVEL).as_deref(), said(RUST))?;
    let lines = lines()
        .with_target(false)
        .without_time()
        .with_ansi(false)
        .with_env_filter(EnvFilter::builder().parse_lossy(format!("{directives},{TOLD}")));
    // Who logs already goes on as before.
    let _theirs = match said("AWS_LAMBDA_LOG_FORMAT") {
        Some(format) if format.eq_ignore_ascii_case("json") => lines.json().try_init(),
        _ => lines.try_init(),
    };
    Ok(())
}

fn directives(oq: Option<&str>, lambda: Option<&str>, rust: Option<String>) -> Result<String> {
    if let Some(text) = oq {
        let level = words::level(text)?;
        // Other crates would bury it.
        let others = level.min(Level::INFO);
        let directives = format!("{others},oq_core={level},oq_lambda={level}");
        return Ok(directives.to_ascii_lowercase());
    }
    match lambda {
        Some(level) if level.eq_ignore_ascii_case("fatal") => Ok("error".into()),
        Some(level) => Ok(level.to_ascii_lowercase()),
        None => Ok(rust.unwrap_or_else(|| "info".into())),
    }
}

/// Why a function's program cannot begin or go on: as the result of `main` it is shown with its code
/// and what to do next.
pub struct CannotRun(String);

impl fmt::Debug for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for CannotRun {
    fn from(error: Error) -> CannotRun {
        let next = match &error {
            Error::Invalid { .. } => "correct it, and deploy the function again",
            error if error.is_of_the_clock() => "set this machine's clock",
            Error::Denied(_) => {
                "see what the function's role may do in this bucket: oq iam --role worker, --role producer"
            }
            Error::Unavailable(_) => "Lambda tries again; see that the function reaches the store",
            other => explain::find(other.code()).map_or("", |code| code.next),
        };
        CannotRun(format!("{}: {error}\nnext: {next}", error.code()))
    }
}

impl From<lambda_runtime::Error> for CannotRun {
    fn from(error: lambda_runtime::Error) -> CannotRun {
        let next = "outside of Lambda try it with: oq lambda invoke --local EVENT.json";
        CannotRun(format!(
            "OQ-UNUSABLE: Lambda cannot be asked: {error}\nnext: {next}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oq_s_own_setting_wins_over_lambda_s_and_that_over_rust_s() {
        let of = |oq, lambda, rust: Option<&str>| directives(oq, lambda, rust.map(str::to_owned));
        let table = [
            (of(None, None, None), "info"),
            (of(None, None, Some("warn,hyper=debug")), "warn,hyper=debug"),
            (of(None, Some("DEBUG"), Some("warn")), "debug"),
            (of(None, Some("FATAL"), None), "error"),
            (
                of(Some("Warn"), Some("DEBUG"), None),
                "warn,oq_core=warn,oq_lambda=warn",
            ),
            (
                of(Some("debug"), None, None),
                "info,oq_core=debug,oq_lambda=debug",
            ),
        ];
        for (found, expected) in table {
            assert_eq!(found.unwrap(), expected);
        }
        let error = of(Some("loud"), None, None).unwrap_err().to_string();
        assert_eq!(error, "OQ_LOG=loud: use error, warn, info, debug or trace");
    }

    #[test]
    fn what_stops_a_program_is_shown_with_its_code_and_what_to_do() {
        let error = Error::Unavailable("no answer".into());
        let shown = format!("{:?}", CannotRun::from(error));
        assert!(
            shown.starts_with("OQ-UNAVAILABLE: the store is unavailable: no answer\nnext: "),
            "{shown}"
        );
        let table = [
            ("AccessDenied", "oq iam --role worker"),
            ("RequestTimeTooSkewed", "next: set this machine's clock"),
        ];
        for (code, says) in table {
            let shown = CannotRun::from(Error::Denied(format!("403 {code}"))).to_string();
            assert!(shown.contains(says), "{shown}");
        }
    }
}
