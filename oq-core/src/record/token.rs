//! Random names that nobody else has: of one send, of one lease, of one run of a worker.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::id::CROCKFORD;
use crate::env::Entropy;

/// A short random text of the id alphabet; `N` characters of five bits each, at most twelve.
fn random_text<const N: usize>(entropy: &dyn Entropy) -> String {
    let mut bits = entropy.next_u64();
    (0..N)
        .map(|_| {
            let c = char::from(CROCKFORD[(bits & 31) as usize]);
            bits >>= 5;
            c
        })
        .collect()
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new random one: twelve characters, sixty bits.
            pub fn new(entropy: &dyn Entropy) -> $name {
                $name(random_text::<12>(entropy))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// From the text in a key: 1 to 64 of `A-Z a-z 0-9 . _ -`.
            pub fn parse(text: &str) -> Option<$name> {
                let ok = (1..=64).contains(&text.len())
                    && !text.starts_with('.')
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
                ok.then(|| $name(text.to_owned()))
            }
        }

        // It becomes a part of keys, so what others put into a record must not reach beyond its own.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                let text = String::deserialize(d)?;
                let wrong = || D::Error::custom(concat!("no ", stringify!($name), " of oq"));
                $name::parse(&text).ok_or_else(wrong)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

token!(
    /// Names one send of one write, so that a lost answer can be told from a lost race.
    WriteId
);
token!(
    /// Names one lease: who holds it is who knows it.
    Token
);
token!(
    /// Names one run of one worker process; never used again.
    WorkerId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_lead_to_another_key_is_no_token() {
        for good in ["A", "TTTTTTTTTTTT", "w-1_2.b"] {
            let json = format!("\"{good}\"");
            assert_eq!(serde_json::from_str::<Token>(&json).unwrap().as_str(), good);
        }
        let long = "A".repeat(65);
        for bad in ["", "..", "../x", "a/b", ".a", "a b", "ä", "a\u{0}", &long] {
            let json = serde_json::to_string(bad).unwrap();
            assert!(serde_json::from_str::<Token>(&json).is_err(), "{bad:?}");
            assert!(serde_json::from_str::<WriteId>(&json).is_err(), "{bad:?}");
        }
    }
}
