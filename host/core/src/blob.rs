//! Blobs, values that are not JSON: how JSON names them.
//!
//! A blob is known by the digest of its bytes, and never changes. What keeps its bytes is not this module's business; here is the
//! reference that stands in their place, and how one is found in an input or an output.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::pointer;

/// The field that makes an object a reference.
pub const KEY: &str = "$blob";

/// [`KEY`], as JSON text writes it.
const QUOTED_KEY: &str = "\"$blob\"";

/// The longest media type and the longest name, in bytes.
const MAX_TEXT_BYTES: usize = 255;

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// Of its bytes.
    #[serde(rename = "$blob")]
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// What its bytes are.
    pub media_type: MediaType,
    /// What people call it: a file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<BlobName>,
}

impl BlobRef {
    /// The reference, as it is put into an input or an output.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json =
            serde_json::json!({KEY: self.digest, "size": self.size, "media_type": self.media_type});
        if let Some(name) = &self.name {
            json["name"] = name.as_str().into();
        }
        json
    }
}

/// What some bytes are: `image/png`, `text/plain; charset=utf-8` (RFC 9110, section 8.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "image/png")]
pub struct MediaType(String);

/// A text that is no media type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a media type: it is written like `image/png` or `text/plain; charset=utf-8`")]
pub struct InvalidMediaType(String);

impl MediaType {
    /// Any bytes.
    #[must_use]
    pub fn unknown() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = InvalidMediaType;

    fn from_str(text: &str) -> Result<Self, InvalidMediaType> {
        let text = text.trim();
        let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
        let is_kind = kind.trim_end().split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b));
        let fits =
            text.len() <= MAX_TEXT_BYTES && parameters.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if is_kind && fits { Ok(Self(text.to_owned())) } else { Err(InvalidMediaType(shortened(text))) }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_allowed)
}

/// What people call a blob: one line, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "photo.png")]
pub struct BlobName(String);

/// A text that is no name of a blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name for a blob: it is one line of 1 to {MAX_TEXT_BYTES} bytes, such as `photo.png`")]
pub struct InvalidBlobName(String);

impl BlobName {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobName {
    type Err = InvalidBlobName;

    fn from_str(text: &str) -> Result<Self, InvalidBlobName> {
        let fits = (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidBlobName(shortened(text))) }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

macro_rules! text {
    ($name:ident, $error:ident) => {
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text!(MediaType, InvalidMediaType);
text!(BlobName, InvalidBlobName);

/// An object in a JSON value that names a blob, or tries to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it stands: a JSON pointer.
    pub pointer: String,
    /// What it says, or what is wrong with it.
    pub reference: Result<BlobRef, String>,
    /// Of the blob that it names, however wrong the rest is.
    pub digest: Option<Digest>,
}

/// Every reference in a value, in the order in which they stand.
#[must_use]
pub fn named_in(value: &Value) -> Vec<Named> {
    let mut found = Vec::new();
    if names_any(value) {
        collect(value, String::new(), &mut found);
    }
    found
}

fn collect(value: &Value, place: String, found: &mut Vec<Named>) {
    match value {
        Value::Object(fields) if fields.contains_key(KEY) => {
            let reference = BlobRef::deserialize(value).map_err(|error| error.to_string());
            let digest = fields[KEY].as_str().and_then(|digest| digest.parse().ok());
            found.push(Named { pointer: place, reference, digest });
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect(value, pointer::field(&place, name), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| collect(item, pointer::item(&place, index), found));
        }
        _ => {}
    }
}

/// Adds the blobs that a value names to those found so far. It costs next to nothing where there are none.
pub fn digests_in(value: &Value, found: &mut BTreeSet<Digest>) {
    match value {
        Value::Object(fields) => {
            if let Some(digest) = fields.get(KEY).and_then(Value::as_str) {
                found.extend(digest.parse::<Digest>());
            }
            fields.values().for_each(|value| digests_in(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| digests_in(item, found)),
        _ => {}
    }
}

fn names_any(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(KEY) || fields.values().any(names_any),
        Value::Array(items) => items.iter().any(names_any),
        _ => false,
    }
}

/// The blobs that a JSON text names, as this program writes JSON. A text inside the JSON that holds JSON of its own names none.
#[must_use]
pub fn digests_in_text(json: &str) -> BTreeSet<Digest> {
    // Most texts have none, and this looks at 16 bytes at a time.
    if !json.contains(QUOTED_KEY) {
        return BTreeSet::new();
    }
    json.match_indices(QUOTED_KEY).filter_map(|(at, key)| digest_at(&json[at + key.len()..])).collect()
}

/// The digest after a key.
fn digest_at(rest: &str) -> Option<Digest> {
    let text = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    text.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const B: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    fn reference(digest: &str) -> Value {
        json!({KEY: digest, "size": 3, "media_type": "text/plain"})
    }

    fn digests(texts: &[&str]) -> BTreeSet<Digest> {
        texts.iter().map(|text| text.parse().expect("a digest")).collect()
    }

    #[test]
    fn a_reference_reads_what_it_writes() {
        let json =
            json!({KEY: A, "size": 3, "media_type": "text/plain; charset=utf-8", "name": "a note.txt"});
        let reference: BlobRef = serde_json::from_value(json.clone()).expect("a reference");
        assert_eq!(serde_json::to_value(&reference).expect("JSON"), json);
        assert_eq!(reference.to_json(), json);
    }

    #[test]
    fn a_media_type_and_a_name_can_stand_in_a_header() {
        for right in [
            "image/png",
            "text/plain;charset=utf-8",
            "application/vnd.ms-excel",
            " text/csv ; header=present",
        ] {
            assert!(right.parse::<MediaType>().is_ok(), "{right}");
        }
        for wrong in ["", "png", "/", "image/", "image/png\r\nX: y", "im age/png", "text/plain; a=\u{e9}"] {
            assert!(wrong.parse::<MediaType>().is_err(), "{wrong}");
        }
        assert!("r\u{e9}sum\u{e9}.pdf".parse::<BlobName>().is_ok());
        for wrong in ["", "a\nb", &"x".repeat(256)] {
            assert!(wrong.parse::<BlobName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_reference_is_found_with_its_place() {
        let value = json!({"a/b": [1, reference(A)], "c": {"d": {KEY: "x", "size": 1}}, "e": {"blob": A}});
        let named = named_in(&value);
        let places: Vec<&str> = named.iter().map(|named| named.pointer.as_str()).collect();
        assert_eq!(places, ["/a~1b/1", "/c/d"]);
        assert!(named[0].reference.is_ok() && named[1].reference.is_err(), "{named:?}");
        assert!(named_in(&json!({"e": [A, {"x": A}]})).is_empty());
    }

    #[test]
    fn a_value_and_its_text_name_the_same_blobs() {
        let value = json!({"a": [reference(A)], "b": reference(B), "again": reference(A), "c": {KEY: 3}, "d": {KEY: "x"}});
        let mut found = BTreeSet::new();
        digests_in(&value, &mut found);
        assert_eq!(found, digests(&[A, B]));
        assert_eq!(digests_in_text(&value.to_string()), found);
        assert_eq!(digests_in_text(&serde_json::to_string_pretty(&value).expect("JSON")), found);
    }

    #[test]
    fn json_inside_a_text_names_nothing() {
        let value = json!({"text": reference(A).to_string()});
        assert!(digests_in_text(&value.to_string()).is_empty());
        let mut found = BTreeSet::new();
        digests_in(&value, &mut found);
        assert!(found.is_empty());
    }
}
