//! Fingerprints: one for all failures that look like the same fault, so that a thousand dead
//! letters are a few lines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::name::{TaskType, quoted};
use crate::error::Error;

/// How many hexadecimal digits it has.
const DIGITS: usize = 8;

/// So much of a message's first line counts.
const LONGEST: usize = 256;

/// Which fault a failure looks like: a hash of the task's type, the failure's kind and the first
/// line of its message without what differs from case to case (numbers, ids, quoted texts).
///
/// ```
/// use oq_core::record::{Fingerprint, TaskType};
///
/// # fn main() -> oq_core::Result<()> {
/// let resize = TaskType::new("resize")?;
/// let one = Fingerprint::of(&resize, "error", "cannot open 'a.png' after 3 tries");
/// let other = Fingerprint::of(&resize, "error", "cannot open 'b.png' after 12 tries");
/// assert_eq!(one, other);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// The fingerprint of a failure.
    pub fn of(task_type: &TaskType, kind: &str, message: &str) -> Fingerprint {
        let text = format!("{task_type}\n{kind}\n{}", gist(message));
        let digest = Sha256::digest(text.as_bytes());
        Fingerprint(u32::from_be_bytes([
            digest[0], digest[1], digest[2], digest[3],
        ]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fingerprint, Error> {
        let hex = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        let parsed = u32::from_str_radix(text, 16).ok().filter(|_| hex);
        parsed.map(Fingerprint).ok_or_else(|| {
            Error::invalid(
                format!("fingerprint {}", quoted(text)),
                format!("it has {DIGITS} hexadecimal digits"),
            )
        })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Fingerprint, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The first line with what differs from case to case replaced by a mark: quoted texts, and words
/// that have a digit.
fn gist(message: &str) -> String {
    let line = message.lines().find(|l| !l.trim().is_empty());
    let line: String = line.unwrap_or_default().chars().take(LONGEST).collect();
    let mut gist = String::new();
    let mut word = String::new();
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let in_word = c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
        if in_word {
            word.push(c);
            continue;
        }
        end_word(&mut gist, &mut word);
        // An apostrophe within a word opens no quotation.
        let opens = matches!(c, '"' | '\'' | '`') && !gist.ends_with(char::is_alphanumeric);
        if opens && chars.clone().any(|other| other == c) {
            chars.by_ref().find(|other| *other == c);
            gist.push('#');
        } else {
            gist.push(c);
        }
    }
    end_word(&mut gist, &mut word);
    gist
}

fn end_word(gist: &mut String, word: &mut String) {
    if word.bytes().any(|b| b.is_ascii_digit()) {
        gist.push('#');
    } else {
        gist.push_str(word);
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Fingerprint {
        Fingerprint::of(&TaskType::new("t").unwrap(), "error", message)
    }

    #[test]
    fn what_differs_from_case_to_case_does_not_count() {
        for (one, other) in [
            ("no user 17", "no user 4711"),
            ("cannot open \"a b\"", "cannot open \"c\""),
            ("timeout after 1.5s", "timeout after 20s"),
            ("at 0x7ffe: bad", "at 0x11: bad"),
            (
                "01M7WDQ5C3BKZDPEP76B9G0007 is gone",
                "01M7WDQ5C3Z0YYCGBS40GG0004 is gone",
            ),
            (
                "connection to 10.0.0.1:80 refused",
                "connection to 10.0.0.2:81 refused",
            ),
            ("boom\n  at line 3", "boom\n  at line 4"),
            ("\n\nboom", "boom"),
        ] {
            assert_eq!(of(one), of(other), "{} / {}", gist(one), gist(other));
        }
    }

    #[test]
    fn other_faults_differ() {
        assert_ne!(of("no such user"), of("no such file"));
        assert_ne!(of("it can't be read"), of("it can't be written"));
        let t = TaskType::new("u").unwrap();
        assert_ne!(of("boom"), Fingerprint::of(&t, "error", "boom"));
        assert_ne!(
            of("boom"),
            Fingerprint::of(&TaskType::new("t").unwrap(), "timeout", "boom")
        );
    }

    #[test]
    fn it_is_written_and_read_as_eight_digits() {
        let fingerprint = of("boom");
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 8);
        assert_eq!(text.parse::<Fingerprint>().unwrap(), fingerprint);
        for bad in ["", "1234567", "123456789", "+1234567", "xyzxyzxy"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad:?}");
        }
    }
}
