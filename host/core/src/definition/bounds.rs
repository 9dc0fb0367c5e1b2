//! Bounds on a definition as a whole, checked before anything else walks it: what walks it is recursive.

use serde_json::Value;

use crate::mistake::{Mistake, code};
use crate::pointer;

/// About the most bytes of a definition.
const MAX_BYTES: usize = 4 << 20;

/// How deep a definition may nest.
const MAX_DEPTH: usize = 100;

/// What makes a definition impossible to read, if something does.
pub(super) fn check(definition: &Value) -> Result<(), Mistake> {
    if let Some(place) = too_deep(definition, MAX_DEPTH) {
        let message = format!("the definition nests deeper than {MAX_DEPTH} levels");
        return Err(Mistake::new(place, code::TOO_DEEP, message));
    }
    let bytes = weight(definition);
    if bytes > MAX_BYTES {
        let message = format!("the definition has about {bytes} bytes, more than {MAX_BYTES}");
        return Err(Mistake::new("", code::TOO_LARGE, message).with_help("split the workflow"));
    }
    Ok(())
}

/// The first place that is deeper than so many levels.
fn too_deep(value: &Value, levels: usize) -> Option<String> {
    let deeper = |inside: &Value| too_deep(inside, levels - 1);
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => Some(String::new()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| deeper(item).map(|rest| pointer::item("", index) + &rest)),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, field)| deeper(field).map(|rest| pointer::field("", name) + &rest))
        }
        _ => None,
    }
}

/// About the bytes of a value as JSON.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 3,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 3,
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| name.len() + 4 + weight(field)).sum::<usize>() + 3
        }
    }
}
