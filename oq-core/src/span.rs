//! Spans of time as people write and read them: `250ms`, `30s`, `1h30m`, `366d`.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::record::quoted;

/// Longer texts are no span that anybody means.
const LONGEST_TEXT: usize = 64;

const UNITS: [(&str, u128); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a span: numbers with units from milliseconds to days or weeks. A day has 24 hours.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(oq_core::span::parse("1h30m")?, Duration::from_secs(5400));
/// assert!(oq_core::span::parse("-5s").unwrap_err().to_string().contains("negative"));
/// # Ok::<(), oq_core::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Duration> {
    let wrong = |why: &str| Error::invalid(format!("duration {}", quoted(text)), why);
    const FORM: &str = "write it as 250ms, 30s, 10m, 1h30m or 2d";
    let text = text.trim();
    if text.len() > LONGEST_TEXT || !text.is_ascii() {
        return Err(wrong(FORM));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let why = format!("it has no unit: write {text}s for seconds, {text}m for minutes");
        return Err(wrong(&why));
    }
    // No unit has so many digits, and the reader would only say that it cannot read them.
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    if numbers.any(|digits| digits.len() > 16) {
        return Err(wrong("it is longer than any that can be waited for"));
    }
    let span: jiff::Span = text.parse().map_err(|_| wrong(FORM))?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let exact = span.to_duration(days).map_err(|_| wrong(FORM))?;
    Duration::try_from(exact).map_err(|_| wrong("it cannot be negative"))
}

/// A span with every unit that it has, as [`parse`] reads it; finer than a millisecond is dropped.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(oq_core::span::exact(Duration::from_secs(366 * 86_400)), "366d");
/// ```
pub fn exact(span: Duration) -> String {
    shown(span.as_millis(), usize::MAX)
}

/// A span by its two largest units, for people who look at how long something took.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(oq_core::span::rough(Duration::from_secs(93_784)), "1d2h");
/// assert_eq!(oq_core::span::rough(Duration::from_millis(2_345)), "2.3s");
/// ```
pub fn rough(span: Duration) -> String {
    let ms = span.as_millis();
    match ms {
        1000..60_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        _ => shown(ms, 2),
    }
}

fn shown(mut ms: u128, most: usize) -> String {
    let mut text = String::new();
    let mut units = 0;
    for (name, size) in UNITS {
        let n = ms / size;
        if n > 0 && units < most {
            text.push_str(&format!("{n}{name}"));
        }
        // What follows the largest unit counts although it may be zero.
        if n > 0 || units > 0 {
            units += 1;
        }
        ms %= size;
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_exactly_is_read_back() {
        for ms in [
            0,
            1,
            999,
            1000,
            61_001,
            3_600_000,
            90_061_001,
            31_622_400_000,
        ] {
            let span = Duration::from_millis(ms);
            assert_eq!(parse(&exact(span)).unwrap(), span, "{}", exact(span));
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_the_form() {
        let long = "1".repeat(10_000);
        for (text, says) in [
            ("", "write it as"),
            ("5", "write 5s"),
            ("-1s", "negative"),
            ("1e309s", "write it as"),
            ("1 month", "write it as"),
            ("1y", "write it as"),
            ("soon", "write it as"),
            ("١s", "write it as"),
            ("\u{1b}[31m", "write it as"),
            (&long, "write it as"),
        ] {
            let e = parse(text).expect_err(text).to_string();
            assert!(e.contains(says), "{text:?}: {e}");
            assert!(!e.contains('\u{1b}'), "{e:?}");
        }
    }

    #[test]
    fn rough_spans_have_two_units() {
        let rough = |ms| rough(Duration::from_millis(ms));
        assert_eq!(rough(0), "0s");
        assert_eq!(rough(12), "12ms");
        assert_eq!(rough(59_999), "59.9s");
        assert_eq!(rough(3_600_001), "1h");
        assert_eq!(rough(3_725_000), "1h2m");
    }
}
