//! A change of a value, as a function of what was there. Knows nothing of keys and of who else changes them.

use serde_json::{Map, Number, Value};
use stepwell_sdk::StepError;

use crate::Op;

/// What becomes of a value.
pub(crate) enum Change {
    None,
    Delete,
    Set(Value),
    Create(Value),
    Merge(Map<String, Value>),
    Append {
        items: Vec<Value>,
        /// The most that are kept.
        most: usize,
    },
    Add(Number),
}

impl Change {
    /// What the input asks for; an error says what does not fit the operation.
    pub(crate) fn read(
        op: Op,
        most: Option<usize>,
        value: Option<Value>,
        values: Option<Vec<Value>>,
    ) -> Result<Self, StepError> {
        if values.is_some() && (op != Op::Append || value.is_some()) {
            return Err(wrong("/values: several items are for `append`, in place of `value`"));
        }
        match (op, value) {
            (Op::Get | Op::Delete, Some(_)) => Err(wrong("/value: this operation takes none")),
            (Op::Get, None) => Ok(Self::None),
            (Op::Delete, None) => Ok(Self::Delete),
            (Op::Append, None) => {
                let items = values.ok_or_else(|| wrong("/value: it is missing: what is to be added?"))?;
                Ok(Self::append(items, most))
            }
            (_, None) => Err(wrong("/value: it is missing: what is to be kept?")),
            (Op::Append, Some(item)) => Ok(Self::append(vec![item], most)),
            (Op::Set, Some(value)) => Ok(Self::Set(value)),
            (Op::Create, Some(value)) => Ok(Self::Create(value)),
            (Op::Merge, Some(Value::Object(fields))) => Ok(Self::Merge(fields)),
            (Op::Merge, Some(_)) => Err(wrong("/value: what is merged is an object")),
            (Op::Add, Some(Value::Number(number))) => Ok(Self::Add(number)),
            (Op::Add, Some(_)) => Err(wrong("/value: what is added is a number")),
        }
    }

    fn append(items: Vec<Value>, most: Option<usize>) -> Self {
        Self::Append { items, most: most.unwrap_or(usize::MAX) }
    }

    /// The value afterwards. An error says what is kept instead of what would fit.
    pub(crate) fn of(&self, before: Option<Value>) -> Result<Value, String> {
        match (self, before) {
            (Self::None | Self::Delete, before) => Ok(before.unwrap_or_default()),
            (Self::Set(value) | Self::Create(value), _) => Ok(value.clone()),
            (Self::Merge(fields), before) => {
                let mut merged = match before {
                    Some(Value::Object(fields)) => fields,
                    None | Some(Value::Null) => Map::new(),
                    Some(other) => return Err(holds(&other, "an object")),
                };
                merge(&mut merged, fields);
                Ok(Value::Object(merged))
            }
            (Self::Append { items, most }, before) => {
                let mut list = match before {
                    Some(Value::Array(list)) => list,
                    None | Some(Value::Null) => Vec::new(),
                    Some(other) => return Err(holds(&other, "a list")),
                };
                list.extend_from_slice(items);
                list.drain(..list.len().saturating_sub(*most));
                Ok(Value::Array(list))
            }
            (Self::Add(number), before) => {
                let before = match before {
                    Some(Value::Number(number)) => number,
                    None | Some(Value::Null) => Number::from(0),
                    Some(other) => return Err(holds(&other, "a number")),
                };
                sum(&before, number)
                    .map(Value::Number)
                    .ok_or_else(|| "would grow beyond any number".to_owned())
            }
        }
    }
}

/// RFC 7396 section 2.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(patch) => {
                let inner = target.entry(name.clone()).or_insert(Value::Null);
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    merge(inner, patch);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

/// Whole as long as both are.
fn sum(a: &Number, b: &Number) -> Option<Number> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.checked_add(b).map(Number::from),
        _ => Number::from_f64(a.as_f64()? + b.as_f64()?),
    }
}

fn holds(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("holds {found}, not {wanted}")
}

fn wrong(message: &str) -> StepError {
    StepError::invalid_input(message)
}
