//! Where two JSON values are not the same.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Change;
use crate::pointer;

/// The smallest places at which two values differ. Lists of different lengths differ as a whole: which item is which cannot be told.
pub(super) fn changes(place: &str, from: Option<&Value>, to: Option<&Value>) -> Vec<Change> {
    match (from, to) {
        (Some(Value::Object(from)), Some(Value::Object(to))) => of_objects(place, from, to),
        (Some(Value::Array(from)), Some(Value::Array(to))) if from.len() == to.len() => from
            .iter()
            .zip(to)
            .enumerate()
            .flat_map(|(index, (from, to))| changes(&pointer::item(place, index), Some(from), Some(to)))
            .collect(),
        _ if from == to => Vec::new(),
        _ => vec![Change { pointer: place.to_owned(), from: from.cloned(), to: to.cloned() }],
    }
}

/// The same of two objects.
pub(super) fn of_objects(place: &str, from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<Change> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let field = |name: &String| changes(&pointer::field(place, name), from.get(name), to.get(name));
    names.into_iter().flat_map(field).collect()
}
