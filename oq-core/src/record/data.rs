//! Inputs and outputs: JSON carried verbatim inside a record, or in an object of its own.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::finite::not_finite;
use super::key::Part;
use super::token::Token;
use crate::error::Error;

/// A JSON text, kept byte for byte. Cheap to clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// The JSON of a value. A number that JSON does not have is refused: NaN and the infinities.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, Error> {
        let refused = |why: String| Error::invalid("value", format!("it has no JSON form: {why}"));
        let raw = serde_json::value::to_raw_value(value).map_err(|e| refused(e.to_string()))?;
        // Only what was written as null can be such a number.
        if raw.get().contains("null")
            && let Some(fault) = not_finite(value)
        {
            let why = format!("{fault} is no number of JSON; use null or a text for it");
            return Err(refused(why));
        }
        Ok(Json(raw.into()))
    }

    /// A JSON text, checked: syntax, Unicode, numbers, and nesting of at most 128.
    pub fn parse(text: impl Into<String>) -> Result<Json, Error> {
        let text = text.into();
        let bad = |e: serde_json::Error| {
            Error::invalid("payload", format!("not valid JSON: {}", reader_says(&e)))
        };
        // Everything that can be wrong shows when it is read as a value; what is kept is the text.
        serde_json::from_str::<serde_json::Value>(&text).map_err(bad)?;
        Ok(Json(RawValue::from_string(text).map_err(bad)?.into()))
    }

    /// `null`.
    pub fn null() -> Json {
        Json(RawValue::NULL.to_owned().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Read as a type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

/// What the reader of JSON says, in words that mean something to who wrote the text.
pub(crate) fn reader_says(e: &serde_json::Error) -> String {
    e.to_string().replace(
        "expected ident",
        "this is none of true, false and null, and a text has quotes",
    )
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Here, as JSON.
    Json(Json),
    /// In an object under `payload/`.
    At(PayloadRef),
}

impl Data {
    /// How many bytes it adds to its record.
    pub fn inline_len(&self) -> usize {
        match self {
            Data::Json(json) => json.as_str().len(),
            Data::At(_) => 160,
        }
    }
}

/// Where a large input or output is, and how to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRef {
    /// The writer's token, part of the key.
    pub token: Token,
    /// Which part of the object's payloads.
    #[serde(with = "part")]
    pub part: Part,
    /// Length of the JSON text.
    pub size: u64,
    /// SHA-256 of the JSON text, in hexadecimal.
    pub sha256: String,
    /// Whether it is compressed with zstd.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zstd: bool,
}

mod part {
    use super::Part;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(p: &Part, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(p)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Part, D::Error> {
        let text = String::deserialize(d)?;
        Part::parse(&text).ok_or_else(|| serde::de::Error::custom("not a part of a payload"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_kept_byte_for_byte() {
        for text in [
            "null",
            "{\"a\": 1,\n \"a\":2}",
            "123456789012345678901234567890",
            "1.0",
            "[ ]",
        ] {
            let json = Json::parse(text).unwrap();
            assert_eq!(json.as_str(), text);
            let back: Data =
                serde_json::from_str(&serde_json::to_string(&Data::Json(json.clone())).unwrap())
                    .unwrap();
            assert_eq!(back, Data::Json(json));
        }
    }

    #[test]
    fn what_is_not_json_is_refused_with_a_reason() {
        let e = Json::parse("not quoted").unwrap_err().to_string();
        assert!(e.contains("a text has quotes at line 1 column 2"), "{e}");
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for bad in [
            "",
            " ",
            "{",
            "NaN",
            "Infinity",
            "'a'",
            "\"\\ud800\"",
            "{\"a\":1}x",
            "\u{feff}1",
            &deep,
        ] {
            let e = Json::parse(bad).expect_err(&bad[..bad.len().min(20)]);
            assert!(e.to_string().contains("not valid JSON"), "{e}");
        }
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        let large = (i64::MIN, u64::MAX, (1u64 << 53) + 1, u128::MAX);
        let json = Json::of(&large).unwrap();
        assert_eq!(json.to::<(i64, u64, u64, u128)>().unwrap(), large);
        let why = Json::of(&[Some(1.0), None, Some(f64::NAN)]).unwrap_err();
        let why = why.to_string();
        assert!(why.contains("NaN at [2]"), "{why}");
    }
}
