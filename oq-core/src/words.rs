//! Words that settings take, the same in every program: what is on or off, and how much is logged.

use tracing::Level;

use crate::error::{Error, Result};

/// The environment variable that says how much is logged.
pub const LOG: &str = "OQ_LOG";

/// Whether this says on or off; `None` for any other word.
///
/// ```
/// use oq_core::words::switch;
///
/// assert_eq!([switch("on"), switch("No"), switch("maybe")], [Some(true), Some(false), None]);
/// ```
pub fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// How much is logged, as [`LOG`] says it.
///
/// # Errors
///
/// [`Error::Invalid`] for what is no level.
///
/// ```
/// let error = oq_core::words::level("loud").unwrap_err().to_string();
/// assert_eq!(error, "OQ_LOG=loud: use error, warn, info, debug or trace");
/// ```
pub fn level(text: &str) -> Result<Level> {
    let levels = [
        Level::ERROR,
        Level::WARN,
        Level::INFO,
        Level::DEBUG,
        Level::TRACE,
    ];
    let said = |level: &Level| level.as_str().eq_ignore_ascii_case(text);
    levels.into_iter().find(said).ok_or_else(|| {
        Error::invalid(
            format!("{LOG}={text}"),
            "use error, warn, info, debug or trace",
        )
    })
}
