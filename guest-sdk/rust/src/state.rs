//! Small values that a workflow keeps from run to run.
//!
//! An effect: what changed is journalled with the answer, so that a change is made once, whatever crashes. The operator grants each node
//! the keys that it may use: `{"state": ["conversations/*"]}`.
//!
//! ```
//! use stepwell_sdk::{state, StepError, testing::FakeHost};
//!
//! fn count(key: &str) -> Result<u64, StepError> {
//!     loop {
//!         let seen = state::get::<u64>(key)?;
//!         let next = seen.as_ref().map_or(1, |seen| seen.value + 1);
//!         if state::replace(key, seen.as_ref(), &next, None)?.is_some() {
//!             return Ok(next);
//!         }
//!     }
//! }
//!
//! let host = FakeHost::new();
//! assert_eq!((count("visits").unwrap(), count("visits").unwrap()), (1, 2));
//! ```

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Fault, StepError, host};

/// A value that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// Differs after each change, and does not come back.
    pub version: u64,
}

/// What is kept under a key, if anything is.
///
/// # Errors
///
/// When the key is not granted, or what is kept is not of that type.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<Entry<T>>, Error> {
    host::get_state(key)?.map(|(value, version)| entry(key, &value, version)).transpose()
}

/// Keeps a value in place of an older one, for that time or for ever; gives its version.
///
/// # Errors
///
/// When the key is not granted, or the value is too large.
pub fn set(key: &str, value: &(impl Serialize + ?Sized), ttl: Option<Duration>) -> Result<u64, Error> {
    host::set_state(key, &text(key, value)?, ttl)
}

/// Keeps a value if nobody else has changed the key since `seen` was got ([`None`]: since it had no value). Gives its version, or none
/// if somebody has: get it again.
///
/// # Errors
///
/// When the key is not granted, or the value is too large.
pub fn replace<T>(
    key: &str,
    seen: Option<&Entry<T>>,
    value: &(impl Serialize + ?Sized),
    ttl: Option<Duration>,
) -> Result<Option<u64>, Error> {
    host::swap_state(key, seen.map(|seen| seen.version), &text(key, value)?, ttl)
}

/// Forgets a value; whether there was one.
///
/// # Errors
///
/// When the key is not granted.
pub fn delete(key: &str) -> Result<bool, Error> {
    host::delete_state(key)
}

fn entry<T: DeserializeOwned>(key: &str, value: &str, version: u64) -> Result<Entry<T>, Error> {
    match serde_json::from_str(value) {
        Ok(value) => Ok(Entry { value, version }),
        Err(error) => Err(Error::new(
            ErrorKind::Value,
            format!("what is kept under `{key}` is something else: {error}"),
        )),
    }
}

fn text(key: &str, value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::Value, format!("the value of `{key}` cannot be JSON: {error}"))
    })
}

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No grant covers the key.
    Denied,
    /// The key is empty, too long or holds control characters.
    InvalidKey,
    /// The value is too large, or the workflow keeps too many.
    TooLarge,
    /// The value is not of the type that is asked for.
    Value,
}

/// Why a value could not be read or changed.
pub type Error = Fault<ErrorKind>;

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        Self::permanent(error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;

    #[test]
    fn a_value_is_kept_replaced_and_forgotten() {
        let _host = FakeHost::new();
        assert_eq!(get::<u8>("a").unwrap(), None);
        let first = set("a", &1, None).unwrap();
        assert_eq!(get::<u8>("a").unwrap(), Some(Entry { value: 1, version: first }));
        assert_ne!(set("a", &2, None).unwrap(), first);
        assert!(delete("a").unwrap());
        assert!(!delete("a").unwrap());
    }

    #[test]
    fn who_comes_second_does_not_overwrite() {
        let _host = FakeHost::new();
        let nothing = None::<&Entry<u8>>;
        assert!(replace("a", nothing, &1, None).unwrap().is_some());
        assert_eq!(replace("a", nothing, &2, None).unwrap(), None);
        let seen = get::<u8>("a").unwrap();
        set("a", &3, None).unwrap();
        assert_eq!(replace("a", seen.as_ref(), &4, None).unwrap(), None);
        assert_eq!(get::<u8>("a").unwrap().unwrap().value, 3);
    }

    #[test]
    fn another_type_is_an_error_that_names_the_key() {
        let _host = FakeHost::new();
        set("a", "text", None).unwrap();
        let error = get::<u8>("a").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Value);
        assert!(error.message.contains("under `a`"), "{error}");
    }
}
