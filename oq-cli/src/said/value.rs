//! Values that stand in one argument.

use std::time::Duration;

use oq_core::record::Priority;

/// `30s`, `10m`, `1h30m`, `2d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    oq_core::duration(text).map_err(|e| e.to_string())
}

/// 0 to 31, or a name.
pub fn priority(text: &str) -> Result<Priority, String> {
    text.parse().map_err(|e: oq_core::Error| e.to_string())
}

/// `NAME=VALUE`.
pub fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(2 * 86_400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "-1s", "1e309s", "1 month", "soon", "1y"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn priorities_have_names() {
        assert_eq!(priority("high"), Ok(Priority::HIGH));
        assert_eq!(priority("31").map(Priority::value), Ok(31));
        assert!(priority("32").is_err() && priority("-1").is_err() && priority("urgent").is_err());
    }
}
