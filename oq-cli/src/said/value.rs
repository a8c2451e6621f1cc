//! Values that stand in one argument.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::queue::TaskState;
use oq_core::record::{Fingerprint, MAX_ATTEMPTS, Priority};
use oq_core::span;

use crate::config::nearest;
use crate::failed::Failed;

/// `30s`, `10m`, `1h30m`, `2d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    span::parse(text).map_err(why)
}

/// How many, as a number.
pub fn limit(text: &str) -> Result<u64, String> {
    const FORM: &str = "write a whole number, 0 or more; --all shows all";
    text.parse().map_err(|_| FORM.to_owned())
}

/// How many attempts a task has: the core says how many are allowed.
pub fn attempts(text: &str) -> Result<u32, String> {
    let attempts = text.parse().ok().filter(|n| (1..=MAX_ATTEMPTS).contains(n));
    attempts.ok_or_else(|| format!("use 1 to {MAX_ATTEMPTS}"))
}

/// 0 to 31, or a name.
pub fn priority(text: &str) -> Result<Priority, String> {
    text.parse().map_err(why)
}

/// The fingerprint of a fault.
pub fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse().map_err(why)
}

/// A state's name.
pub fn state(text: &str) -> Result<TaskState, String> {
    text.parse::<TaskState>().map_err(|e| {
        let states = TaskState::ALL.map(TaskState::as_str);
        // What queues and top count as runnable are tasks that wait for a worker.
        if text == "runnable" {
            return "a task that may be started is pending: use --state pending".to_owned();
        }
        match nearest(text, states) {
            Some(near) => format!("did you mean {near}?"),
            None => why(e),
        }
    })
}

/// `NAME=VALUE`.
pub fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Tags that were given one by one; two values for one name are refused.
pub fn tags(said: &[(String, String)]) -> Result<BTreeMap<String, String>, Failed> {
    let mut tags = BTreeMap::new();
    for (name, value) in said {
        if let Some(other) = tags.insert(name.clone(), value.clone()) {
            return Err(Failed::usage(
                format!("--tag {name} is given twice, as {other:?} and as {value:?}"),
                "give each tag once",
            ));
        }
    }
    Ok(tags)
}

/// A reason for a task's history, which its object carries from then on.
pub fn reason(text: &str) -> Result<String, String> {
    const LONGEST: usize = 500;
    match text.len() {
        0 => Err("it is empty: leave it out".to_owned()),
        n if n > LONGEST => Err(format!("it has {n} bytes and may have {LONGEST}")),
        _ if text.contains(char::is_control) => Err("it has control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// What is wrong, without repeating what clap says before it.
fn why(e: oq_core::Error) -> String {
    match e {
        oq_core::Error::Invalid { why, .. } => why,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_spans_say_what_is_right() {
        assert_eq!(state("runing"), Err("did you mean running?".into()));
        assert!(state("x").unwrap_err().contains("pending, waiting"));
        assert_eq!(duration("-5s"), Err("it cannot be negative".into()));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
    }

    #[test]
    fn a_tag_given_twice_is_refused() {
        let pair = |v: &str| ("a".to_owned(), v.to_owned());
        assert!(tags(&[pair("1")]).is_ok());
        assert!(tags(&[pair("1"), pair("2")]).is_err());
    }
}
