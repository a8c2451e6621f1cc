//! Names that people choose: queues, task types, tags. Validated once, here.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// Shows untrusted text in an error: escaped, shortened, never a raw control character.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        if n == 40 {
            out.push('…');
            break;
        }
        if c.is_alphanumeric() || (c.is_ascii_graphic() && c != '"') || c == ' ' {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out.push('"');
    out
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Validates the text.
            pub fn new(text: impl AsRef<str>) -> Result<$name, Error> {
                $check(text.as_ref())?;
                Ok($name(text.as_ref().into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<$name, Error> {
                $name::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                let text = String::deserialize(d)?;
                $name::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A queue's name: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or digit.
    QueueName,
    check_queue
);

name!(
    /// A task type: which handler runs the task. 1 to 128 of `A-Z a-z 0-9 . _ : / -`, beginning
    /// with a letter, digit or `_`. It is looked up in the worker's registry and nowhere else.
    TaskType,
    check_type
);

fn check_queue(text: &str) -> Result<(), Error> {
    let ok = (1..=64).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if ok {
        return Ok(());
    }
    Err(Error::invalid(
        format!("queue name {}", quoted(text)),
        "use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
    ))
}

fn check_type(text: &str) -> Result<(), Error> {
    let ok = (1..=128).contains(&text.len())
        && (text.as_bytes()[0].is_ascii_alphanumeric() || text.as_bytes()[0] == b'_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'-'));
    if ok {
        return Ok(());
    }
    Err(Error::invalid(
        format!("task type {}", quoted(text)),
        "use 1 to 128 of letters, digits, '.', '_', ':', '/' and '-', beginning with a letter, digit or '_'",
    ))
}

/// The most tags that one task carries.
pub const MAX_TAGS: usize = 16;

/// Checks one tag: a name like a task type's, a value of up to 256 bytes without control characters.
pub(crate) fn check_tag(name: &str, value: &str) -> Result<(), Error> {
    check_type(name)
        .map_err(|_| Error::invalid(format!("tag name {}", quoted(name)), TAG_NAMES))?;
    if value.len() > 256 || value.chars().any(char::is_control) {
        return Err(Error::invalid(
            format!("value of tag {}", quoted(name)),
            "use at most 256 bytes without control characters",
        ));
    }
    Ok(())
}

const TAG_NAMES: &str = "use 1 to 128 of letters, digits, '.', '_', ':', '/' and '-', beginning with a letter, digit or '_'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_queue_names_are_refused_with_the_rule() {
        let long = "a".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "/",
            "a/b",
            "a\0b",
            "a\nb",
            "\u{1b}[31m",
            "%2F",
            "\u{202e}abc",
            "Upper",
            "-a",
            "_a",
            "ä",
            long.as_str(),
        ] {
            let e = QueueName::new(bad).expect_err(bad).to_string();
            assert!(e.contains("1 to 64"), "{e}");
            assert!(!e.chars().any(char::is_control), "{e:?}");
            assert!(!e.contains('\u{202e}'), "{e:?}");
        }
        for good in ["a", "mail", "0", "a.b_c-d", &"a".repeat(64)] {
            assert_eq!(QueueName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn bad_task_types_are_refused() {
        for bad in [
            "",
            " ",
            "../x",
            "a b",
            "a\0",
            ".hidden",
            "%41",
            &"a".repeat(129),
        ] {
            assert!(TaskType::new(bad).is_err(), "{bad:?}");
        }
        for good in [
            "resize",
            "mail.welcome",
            "my_app:tasks/resize",
            "_x",
            "Resize-2",
        ] {
            assert!(TaskType::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn names_are_validated_when_read_back() {
        assert!(serde_json::from_str::<QueueName>("\"../x\"").is_err());
        assert!(serde_json::from_str::<QueueName>("\"mail\"").is_ok());
    }
}
