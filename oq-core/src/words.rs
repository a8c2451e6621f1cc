//! Words that settings take, the same in every program: which queue, what is on or off, and how much is
//! logged.

use tracing::Level;

use crate::error::{Error, Result};
use crate::record::QueueName;

/// The environment variable that says how much is logged.
pub const LOG: &str = "OQ_LOG";

/// The environment variable that names the queue.
pub const QUEUE: &str = "OQ_QUEUE";

/// An environment variable that is set to something.
pub fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The queue that [`QUEUE`] names, if it names one; of what is no queue's name the command line says
/// the same.
///
/// # Errors
///
/// [`Error::Invalid`] for what no queue can be called: there is one, not a list.
pub fn queue() -> Result<Option<QueueName>> {
    said(QUEUE).map(|text| named(&text)).transpose()
}

fn named(text: &str) -> Result<QueueName> {
    QueueName::new(text)
        .map_err(|e| Error::invalid(format!("{QUEUE}: queue {text:?}"), e.to_string()))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_one_name() {
        assert_eq!(named("mail").unwrap().as_str(), "mail");
        for wrong in ["a,b", "A/B", " "] {
            let error = named(wrong).unwrap_err().to_string();
            let says = format!("OQ_QUEUE: queue {wrong:?}: queue name {wrong:?}: ");
            assert!(error.starts_with(&says), "{error}");
        }
    }
}
