//! `state` over the contract.

use std::time::Duration;

use super::bindings::stepwell::step::state as wit;
use super::to_ms;
use crate::state::{Error, ErrorKind};

pub(crate) fn get_state(key: &str) -> Result<Option<(String, u64)>, Error> {
    let entry = wit::get(key).map_err(error_from_wit)?;
    Ok(entry.map(|entry| (entry.value, entry.version)))
}

pub(crate) fn set_state(key: &str, value: &str, ttl: Option<Duration>) -> Result<u64, Error> {
    wit::set(key, value, ttl.map(to_ms)).map_err(error_from_wit)
}

pub(crate) fn swap_state(
    key: &str,
    version: Option<u64>,
    value: &str,
    ttl: Option<Duration>,
) -> Result<Option<u64>, Error> {
    match wit::compare_and_swap(key, version, value, ttl.map(to_ms)).map_err(error_from_wit)? {
        wit::Swap::Done(version) => Ok(Some(version)),
        wit::Swap::Lost(_) => Ok(None),
    }
}

pub(crate) fn delete_state(key: &str) -> Result<bool, Error> {
    wit::delete(key).map_err(error_from_wit)
}

fn error_from_wit(error: wit::StateError) -> Error {
    let (kind, message) = match error {
        wit::StateError::Denied(message) => (ErrorKind::Denied, message),
        wit::StateError::InvalidKey(message) => (ErrorKind::InvalidKey, message),
        wit::StateError::TooLarge(message) => (ErrorKind::TooLarge, message),
    };
    Error::new(kind, message)
}
