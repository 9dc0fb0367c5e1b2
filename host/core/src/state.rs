//! State: small values that a workflow keeps from run to run. What may be asked of it, and what comes of that. Pure.
//!
//! Where values are kept, and who may ask for which, is not known here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;
/// The largest value, in bytes of its JSON text.
pub const MAX_VALUE_BYTES: usize = 64 << 10;
/// Versions are whole numbers that every reader of JSON keeps exact (RFC 8259 section 6).
const VERSION_BITS: u64 = (1 << 53) - 1;

/// Under which a value is kept: 1 to 256 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct StateKey(Arc<str>);

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStateKey {
    /// It is empty.
    #[error("a key of the state is not empty")]
    Empty,
    /// It is longer than it may be.
    #[error("a key of the state has {MAX_KEY_BYTES} bytes at most, and this one has {0}")]
    TooLong(usize),
    /// It cannot be shown.
    #[error("a key of the state holds no control characters")]
    Control,
}

impl StateKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StateKey {
    type Err = InvalidStateKey;

    fn from_str(text: &str) -> Result<Self, InvalidStateKey> {
        match text {
            "" => Err(InvalidStateKey::Empty),
            _ if text.len() > MAX_KEY_BYTES => Err(InvalidStateKey::TooLong(text.len())),
            _ if text.chars().any(char::is_control) => Err(InvalidStateKey::Control),
            _ => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for StateKey {
    type Error = InvalidStateKey;

    fn try_from(text: String) -> Result<Self, InvalidStateKey> {
        text.parse()
    }
}

impl From<StateKey> for String {
    fn from(key: StateKey) -> String {
        key.as_str().to_owned()
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateEntry {
    /// The value.
    pub value: Value,
    /// Differs after each change, and does not come back.
    pub version: u64,
}

/// The version of the change that something makes which has this name and makes no other.
#[must_use]
pub fn version_of(name: &str) -> u64 {
    let digest = Digest::of(name.as_bytes());
    let number = digest.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    number & VERSION_BITS
}

/// What is asked of the state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum StateCall {
    /// What is kept under a key.
    Get {
        /// The key.
        key: StateKey,
    },
    /// Keeps a value in place of an older one.
    Set {
        /// The key.
        key: StateKey,
        /// The value.
        value: Value,
        /// How long it is kept; none: for ever.
        ttl_ms: Option<u64>,
    },
    /// Keeps a value if the key still has this version.
    CompareAndSwap {
        /// The key.
        key: StateKey,
        /// None: if the key has no value.
        version: Option<u64>,
        /// The value.
        value: Value,
        /// How long it is kept; none: for ever.
        ttl_ms: Option<u64>,
    },
    /// Forgets a value.
    Delete {
        /// The key.
        key: StateKey,
    },
}

/// What comes of a call, in the shape in which the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateAnswer {
    /// Of a get: what is kept, if anything is.
    Entry(Option<StateEntry>),
    /// Of a set: the new version.
    Version(u64),
    /// Of a compare-and-swap that was made: the new version.
    Swapped(u64),
    /// Of one that was not: what is kept.
    Lost(Option<StateEntry>),
    /// Of a deletion: whether there was a value.
    Deleted(bool),
    /// It could not be done.
    Error(StateError),
}

/// Why a value cannot be read or changed. Each message is one line for the step's author or the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", content = "message", rename_all = "kebab-case")]
#[error("{0}")]
pub enum StateError {
    /// No grant covers the key.
    Denied(String),
    /// The key is none.
    InvalidKey(String),
    /// The value is larger than one may be, or the workflow keeps too many.
    TooLarge(String),
}

/// A change to what is kept under a call's key.
#[derive(Debug, Clone, PartialEq)]
pub enum StateChange {
    /// This is kept from now on.
    Keep {
        /// The value with its version.
        entry: StateEntry,
        /// How long; none: for ever.
        ttl_ms: Option<u64>,
    },
    /// Nothing is kept any more.
    Forget,
}

impl StateCall {
    /// Whose value it is about.
    #[must_use]
    pub fn key(&self) -> &StateKey {
        match self {
            Self::Get { key }
            | Self::Set { key, .. }
            | Self::CompareAndSwap { key, .. }
            | Self::Delete { key } => key,
        }
    }

    /// The call, as WIT names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Set { .. } => "set",
            Self::CompareAndSwap { .. } => "compare-and-swap",
            Self::Delete { .. } => "delete",
        }
    }

    /// What comes of the call where this is kept, and what changes by it. A value that it keeps has this version.
    #[must_use]
    pub fn decide(self, kept: Option<StateEntry>, next: u64) -> (StateAnswer, Option<StateChange>) {
        let keep =
            |value, ttl_ms| Some(StateChange::Keep { entry: StateEntry { value, version: next }, ttl_ms });
        match self {
            Self::Get { .. } => (StateAnswer::Entry(kept), None),
            Self::Set { value, ttl_ms, .. } => (StateAnswer::Version(next), keep(value, ttl_ms)),
            Self::CompareAndSwap { version, value, ttl_ms, .. } => {
                if kept.as_ref().map(|entry| entry.version) == version {
                    (StateAnswer::Swapped(next), keep(value, ttl_ms))
                } else {
                    (StateAnswer::Lost(kept), None)
                }
            }
            Self::Delete { .. } => {
                (StateAnswer::Deleted(kept.is_some()), kept.is_some().then_some(StateChange::Forget))
            }
        }
    }
}

/// Refuses a value, of so many bytes as JSON text, that is larger than one may be.
pub fn check_size(bytes: usize) -> Result<(), StateError> {
    if bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(StateError::TooLarge(format!(
        "the value has {bytes} bytes as JSON, and one of the state may have {MAX_VALUE_BYTES}: keep what is larger as a blob, and its \
         reference here"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> StateKey {
        "a/b".parse().expect("a key")
    }

    fn kept(version: u64) -> Option<StateEntry> {
        Some(StateEntry { value: json!("old"), version })
    }

    fn swap(version: Option<u64>) -> StateCall {
        StateCall::CompareAndSwap { key: key(), version, value: json!("new"), ttl_ms: Some(5) }
    }

    #[test]
    fn a_key_can_be_shown_and_is_neither_empty_nor_long() {
        assert!("conversations/\u{e9} 1".parse::<StateKey>().is_ok());
        assert!("x".repeat(256).parse::<StateKey>().is_ok());
        for (bad, why) in [
            (String::new(), InvalidStateKey::Empty),
            ("x".repeat(257), InvalidStateKey::TooLong(257)),
            ("a\nb".to_owned(), InvalidStateKey::Control),
            ("a\0".to_owned(), InvalidStateKey::Control),
        ] {
            assert_eq!(bad.parse::<StateKey>(), Err(why));
        }
    }

    #[test]
    fn a_swap_is_made_only_where_nobody_made_another_change() {
        let new =
            StateChange::Keep { entry: StateEntry { value: json!("new"), version: 9 }, ttl_ms: Some(5) };
        assert_eq!(swap(Some(3)).decide(kept(3), 9), (StateAnswer::Swapped(9), Some(new.clone())));
        assert_eq!(swap(None).decide(None, 9), (StateAnswer::Swapped(9), Some(new)));
        assert_eq!(swap(Some(3)).decide(kept(4), 9), (StateAnswer::Lost(kept(4)), None));
        assert_eq!(swap(Some(3)).decide(None, 9), (StateAnswer::Lost(None), None));
        assert_eq!(swap(None).decide(kept(4), 9), (StateAnswer::Lost(kept(4)), None));
    }

    #[test]
    fn only_what_changes_something_is_a_change() {
        let get = StateCall::Get { key: key() };
        assert_eq!(get.decide(kept(3), 9), (StateAnswer::Entry(kept(3)), None));
        let delete = StateCall::Delete { key: key() };
        assert_eq!(
            delete.clone().decide(kept(3), 9),
            (StateAnswer::Deleted(true), Some(StateChange::Forget))
        );
        assert_eq!(delete.decide(None, 9), (StateAnswer::Deleted(false), None));
    }

    #[test]
    fn the_journal_keeps_answers_in_words() {
        for (answer, expected) in [
            (StateAnswer::Entry(None), json!({"entry": null})),
            (StateAnswer::Entry(kept(3)), json!({"entry": {"value": "old", "version": 3}})),
            (StateAnswer::Lost(None), json!({"lost": null})),
            (StateAnswer::Swapped(7), json!({"swapped": 7})),
            (
                StateAnswer::Error(StateError::Denied("why".to_owned())),
                json!({"error": {"kind": "denied", "message": "why"}}),
            ),
        ] {
            assert_eq!(serde_json::to_value(&answer).expect("JSON"), expected);
            assert_eq!(serde_json::from_value::<StateAnswer>(expected).expect("an answer"), answer);
        }
    }

    #[test]
    fn a_version_is_exact_for_every_reader_of_json() {
        let versions: Vec<u64> = ["a.0", "a.1", "b.0"].map(version_of).to_vec();
        assert!(versions.iter().all(|version| *version < 1 << 53));
        assert!(versions[0] != versions[1] && versions[1] != versions[2]);
        assert_eq!(version_of("a.0"), versions[0]);
    }

    #[test]
    fn a_value_has_a_limit() {
        assert!(check_size(MAX_VALUE_BYTES).is_ok());
        assert!(matches!(check_size(MAX_VALUE_BYTES + 1), Err(StateError::TooLarge(_))));
    }
}
