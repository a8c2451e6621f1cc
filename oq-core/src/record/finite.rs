//! Finds numbers that JSON does not have. `serde_json` writes them as `null`, and nobody would
//! learn that a value was lost.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Where in a value a number is not finite.
#[derive(Debug)]
pub(super) struct Fault {
    number: String,
    /// From the inside out.
    path: Vec<String>,
}

/// The first number in a value that JSON does not have.
pub(super) fn not_finite<T: Serialize + ?Sized>(value: &T) -> Option<Fault> {
    value
        .serialize(Walk)
        .err()
        .filter(|fault| !fault.number.is_empty())
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.number)?;
        for (n, step) in self.path.iter().rev().enumerate() {
            f.write_str(if n == 0 { " at " } else { "" })?;
            f.write_str(step)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    /// What else may be wrong with a value is `serde_json`'s to tell.
    fn custom<T: Display>(_: T) -> Fault {
        Fault {
            number: String::new(),
            path: Vec::new(),
        }
    }
}

impl Fault {
    fn within(mut self, step: String) -> Fault {
        self.path.push(step);
        self
    }
}

fn check(number: f64) -> Result<(), Fault> {
    if number.is_finite() {
        return Ok(());
    }
    Err(Fault {
        number: number.to_string(),
        path: Vec::new(),
    })
}

/// Walks over a value and writes nothing.
struct Walk;

/// Walks over the parts of a value.
struct Parts {
    next: usize,
    key: String,
}

impl Parts {
    fn new() -> Parts {
        Parts {
            next: 0,
            key: String::new(),
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let place = self.next;
        self.next += 1;
        value
            .serialize(Walk)
            .map_err(|f| f.within(format!("[{place}]")))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Fault> {
        value
            .serialize(Walk)
            .map_err(|f| f.within(format!(".{name}")))
    }
}

macro_rules! nothing_to_find {
    ($($name:ident: $type:ty,)*) => {$(
        fn $name(self, _: $type) -> Result<(), Fault> {
            Ok(())
        }
    )*};
}

impl Serializer for Walk {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    nothing_to_find! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, number: f32) -> Result<(), Fault> {
        check(f64::from(number))
    }

    fn serialize_f64(self, number: f64) -> Result<(), Fault> {
        check(number)
    }

    fn serialize_none(self) -> Result<(), Fault> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &str, _: u32, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        Parts::new().field(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Fault> {
        Ok(Parts::new())
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), Fault> {
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident::$item:ident,)*) => {$(
        impl $trait for Parts {
            type Ok = ();
            type Error = Fault;

            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.item(value)
            }

            fn end(self) -> Result<(), Fault> {
                Ok(())
            }
        }
    )*};
}

items! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! fields {
    ($($trait:ident,)*) => {$(
        impl $trait for Parts {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Fault> {
                Ok(())
            }
        }
    )*};
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Parts {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        // A key that has no JSON form is `serde_json`'s to refuse.
        self.key = serde_json::to_string(key).unwrap_or_default();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let step = format!("[{}]", self.key);
        value.serialize(Walk).map_err(|f| f.within(step))
    }

    fn end(self) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Reading {
        at: u64,
        values: Vec<Option<f64>>,
        by: BTreeMap<String, Kind>,
    }

    #[derive(Serialize)]
    enum Kind {
        Plain(f32),
        Pair(u8, f64),
        Named { x: f64 },
    }

    fn reading(values: &[f64], kind: Kind) -> Reading {
        Reading {
            at: u64::MAX,
            values: values.iter().copied().map(Some).chain([None]).collect(),
            by: [("a b".to_owned(), kind)].into(),
        }
    }

    #[test]
    fn the_path_of_the_first_one_is_told() {
        for (value, expected) in [
            (
                reading(&[1.0, f64::NAN], Kind::Plain(0.5)),
                "NaN at .values[1]",
            ),
            (
                reading(&[], Kind::Plain(f32::INFINITY)),
                "inf at .by[\"a b\"].Plain",
            ),
            (
                reading(&[], Kind::Pair(1, f64::NEG_INFINITY)),
                "-inf at .by[\"a b\"][1]",
            ),
            (
                reading(&[], Kind::Named { x: f64::NAN }),
                "NaN at .by[\"a b\"].x",
            ),
        ] {
            assert_eq!(not_finite(&value).unwrap().to_string(), expected);
        }
        assert_eq!(not_finite(&f64::NAN).unwrap().to_string(), "NaN");
    }

    #[test]
    fn what_json_has_is_let_pass() {
        let value = reading(&[1e308, -0.0, f64::MIN_POSITIVE], Kind::Pair(1, 2.5));
        assert!(not_finite(&value).is_none());
        assert!(not_finite(&serde_json::json!([null, {"a": [1.5, "NaN"]}])).is_none());
    }
}
