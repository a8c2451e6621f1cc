//! A program of a newer version: it puts fields into records that this version does not know, and
//! uses none of this version's code for it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::record::Key;
use oq_core::store::{Etag, Store, StoreError, StoreKey, Write};
use serde_json::{Map, Value};

/// The field.
pub const FIELD: &str = "from_a_newer_version";

/// The lengths of bodies are hints modulo this.
const HINT: usize = 64;

/// A store through which every record that is written gets a field more.
#[derive(Debug)]
pub struct Newer(pub Arc<dyn Store>);

/// A body with one more field in the record and in each of its tasks; its length hints at the same.
fn with_field(body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut record)) = serde_json::from_slice(body) else {
        return body.clone();
    };
    add(&mut record);
    if let Some(Value::Array(tasks)) = record.get_mut("tasks") {
        tasks
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(add);
    }
    let mut bytes = Value::Object(record).to_string().into_bytes();
    while bytes.len() % HINT != body.len() % HINT {
        bytes.push(b' ');
    }
    bytes.into()
}

/// What tasks are given and return is nobody's to change.
fn written(key: &StoreKey, body: Bytes) -> Bytes {
    match Key::parse(key.as_str()) {
        Some(Key::Payload(..)) => body,
        _ => with_field(&body),
    }
}

fn add(object: &mut Map<String, Value>) {
    object.entry(FIELD).or_insert_with(|| Value::from("kept"));
}

#[async_trait]
impl oq_core::store::Passing for Newer {
    fn to(&self) -> &dyn Store {
        &*self.0
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.0.create(key, written(key, body)).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.0.update(key, written(key, body), seen).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_gets_a_field_and_keeps_its_hint() {
        let body = Bytes::from_static(br#"{"v":1,"tasks":[{"input":7}]}   "#);
        let new = with_field(&body);
        let value: Value = serde_json::from_slice(&new).unwrap();
        assert_eq!(value[FIELD], "kept");
        assert_eq!(value["tasks"][0][FIELD], "kept");
        assert_eq!(new.len() % HINT, body.len() % HINT);
    }
}
