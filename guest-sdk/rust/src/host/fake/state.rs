//! What a workflow keeps, in memory. It is kept for ever, and every key is granted.

use std::time::Duration;

use super::{State, with};
use crate::state::Error;

pub(crate) fn get_state(key: &str) -> Result<Option<(String, u64)>, Error> {
    Ok(with(|state| state.kept.get(key).cloned()))
}

pub(crate) fn set_state(key: &str, value: &str, _ttl: Option<Duration>) -> Result<u64, Error> {
    Ok(with(|state| change(state, key, value)))
}

pub(crate) fn swap_state(
    key: &str,
    version: Option<u64>,
    value: &str,
    _ttl: Option<Duration>,
) -> Result<Option<u64>, Error> {
    Ok(with(|state| {
        let is_unchanged = state.kept.get(key).map(|(_, version)| *version) == version;
        is_unchanged.then(|| change(state, key, value))
    }))
}

pub(crate) fn delete_state(key: &str) -> Result<bool, Error> {
    Ok(with(|state| state.kept.remove(key).is_some()))
}

fn change(state: &mut State, key: &str, value: &str) -> u64 {
    state.version += 1;
    state.kept.insert(key.into(), (value.into(), state.version));
    state.version
}
