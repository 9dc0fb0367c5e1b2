//! The shape of every record on disk: JSON that names its version, `{"v": 1, ...}`.
//!
//! Within a version, fields are only ever added, with a default; whatever changes the meaning of a field is a new version, and the
//! reading of the old one stays with the type.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The version of most records.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Deserialize)]
struct Read<T> {
    #[serde(flatten)]
    body: T,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// A record's bytes.
pub(crate) fn encode<T: Serialize>(body: &T) -> Vec<u8> {
    encode_as(VERSION, body)
}

/// The bytes of a record that has a later version than most.
pub(crate) fn encode_as<T: Serialize>(version: u32, body: &T) -> Vec<u8> {
    // Most batches fit: growing costs as much as writing.
    let mut bytes = Vec::with_capacity(2 << 10);
    #[expect(
        clippy::expect_used,
        reason = "records are structs of JSON data with text keys, which always have a JSON form"
    )]
    serde_json::to_writer(&mut bytes, &Written { v: version, body }).expect("a record has a JSON form");
    bytes
}

/// What a record's bytes say; `what` names the record, should it be damaged.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: impl Fn() -> String) -> Result<T, StoreError> {
    decode_as(VERSION, bytes, what)
}

/// The same of a record whose newest version is this one.
pub(crate) fn decode_as<T: DeserializeOwned>(
    newest: u32,
    bytes: &[u8],
    what: impl Fn() -> String,
) -> Result<T, StoreError> {
    serde_json::from_slice::<Read<T>>(bytes).map(|read| read.body).map_err(|why| match version(bytes) {
        Some(found) if found > newest => StoreError::corrupt(
            what(),
            format!("it has version {found}, and {newest} is the newest known here"),
        ),
        _ => StoreError::corrupt(what(), why),
    })
}

/// The version that a record names.
pub(crate) fn version(bytes: &[u8]) -> Option<u32> {
    serde_json::from_slice::<Version>(bytes).ok().map(|found| found.v)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Body {
        n: f64,
    }

    fn read(text: &str) -> Result<Body, StoreError> {
        decode(text.as_bytes(), || "the test's record".to_owned())
    }

    #[test]
    fn a_record_names_its_version_and_reads_back() {
        let bytes = encode(&Body { n: 1.5 });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), json!({"v": 1, "n": 1.5}));
        assert_eq!(decode::<Body>(&bytes, String::new).unwrap(), Body { n: 1.5 });
    }

    /// A replay compares what it asks with what was asked: the last bit of a number matters.
    #[test]
    fn a_number_comes_back_to_the_last_bit() {
        let n = 0.187_241_582_701_356_19;
        assert_eq!(decode::<Body>(&encode(&Body { n }), String::new).unwrap().n.to_bits(), n.to_bits());
    }

    #[test]
    fn a_damaged_record_is_named() {
        let error = read("{\"v\":1,").unwrap_err().to_string();
        assert!(error.contains("the test's record"), "{error}");
    }

    #[test]
    fn a_record_of_a_newer_version_is_refused() {
        let error = read(r#"{"v": 2, "m": 1}"#).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
