//! Keeps JSON values under keys of the workflow's state, and changes them so that runs at the same time lose nothing.

mod change;
#[cfg(test)]
mod tests;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_sdk::StepError;
use stepwell_sdk::state::{self, Entry};

use crate::change::Change;

/// How often a change is tried that others get in the way of.
const TRIES: u32 = 50;

/// What is done.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What is done with the key.
    op: Op,
    /// Whether the key must have a value already; without one the step fails for good. By default, `get` gives null, and a change begins with nothing.
    #[serde(default)]
    required: bool,
    /// Milliseconds after which the value is forgotten, from this change on; kept for good where it is left out.
    #[schemars(range(min = 1))]
    ttl_ms: Option<u64>,
    /// `append`: the most items that are kept; the oldest go.
    #[schemars(range(min = 1))]
    most: Option<usize>,
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Op {
    /// Reads the value.
    Get,
    /// Keeps the given value, in place of an older one.
    Set,
    /// Keeps the given value unless there is one.
    Create,
    /// Merges an object into the one that is kept (RFC 7396): fields are set, those that are null are removed.
    Merge,
    /// Adds the given value to the end of a list; several with `values`.
    Append,
    /// Adds the given number to the one that is kept.
    Add,
    /// Forgets the value.
    Delete,
}

/// The key, and what to keep.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Up to 200 characters, such as `tickets/7`. The node's grant must cover it.
    key: String,
    /// What `set`, `create`, `merge`, `append` and `add` keep, or add.
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "any")]
    value: Option<Value>,
    /// `append`: several items at once, in place of `value`.
    values: Option<Vec<Value>>,
}

/// What is there afterwards.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The key.
    key: String,
    /// What is kept now; after `delete`, what was kept. Null for nothing.
    value: Value,
    /// Whether the key had a value before.
    found: bool,
    /// Whether this changed what is kept.
    changed: bool,
}

/// A null that is given is a value.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn any(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    true.into()
}

#[stepwell_sdk::step(state = "keeps the values")]
fn store(input: Input, config: Config) -> Result<Output, StepError> {
    let change = Change::read(config.op, config.most, input.value, input.values)?;
    for _ in 0..TRIES {
        let seen = state::get::<Value>(&input.key)?;
        if config.required && seen.is_none() {
            return Err(StepError::permanent(format!("nothing is kept under `{}`", input.key)));
        }
        if let Some(output) = attempt(&input.key, &config, &change, seen)? {
            return Ok(output);
        }
    }
    Err(StepError::retryable(format!(
        "`{}` is changed by others all the time: {TRIES} tries were in vain",
        input.key
    )))
}

/// One try; none if somebody else changed the key meanwhile.
fn attempt(
    key: &str,
    config: &Config,
    change: &Change,
    seen: Option<Entry<Value>>,
) -> Result<Option<Output>, StepError> {
    let found = seen.is_some();
    let before = seen.as_ref().map(|seen| seen.value.clone());
    let done = |value: Value, changed: bool| Some(Output { key: key.to_owned(), value, found, changed });
    match change {
        Change::None => Ok(done(before.unwrap_or_default(), false)),
        Change::Delete => Ok(done(before.unwrap_or_default(), state::delete(key)?)),
        Change::Create(_) if found => Ok(done(before.unwrap_or_default(), false)),
        Change::Set(_) | Change::Create(_) | Change::Merge(_) | Change::Append { .. } | Change::Add(_) => {
            let value = change.of(before).map_err(|why| StepError::permanent(format!("`{key}` {why}")))?;
            let ttl = config.ttl_ms.map(Duration::from_millis);
            Ok(state::replace(key, seen.as_ref(), &value, ttl)?.and_then(|_| done(value, true)))
        }
    }
}
