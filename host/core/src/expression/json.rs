//! From the interpreter's values to JSON, within bounds.

use minijinja::value::{Value as Jinja, ValueKind};
use serde_json::{Map, Number, Value};

use super::interpreter::Fault;

/// The most bytes of JSON that the expressions of one place may give.
const MAX_BYTES: usize = 1 << 20;

/// How deep a value may nest: what `serde_json` reads back.
const MAX_DEPTH: usize = 100;

/// What is left for the values of one place.
#[derive(Clone)]
pub(super) struct Room {
    bytes: usize,
    depth: usize,
}

impl Room {
    pub(super) fn full() -> Self {
        Self { bytes: MAX_BYTES, depth: MAX_DEPTH }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            Fault(format!("the result is larger than {MAX_BYTES} bytes; do this in a step"))
        })?;
        Ok(())
    }

    /// Takes what a value takes, as it would on its way out of the interpreter.
    pub(super) fn take_value(&mut self, value: &Value) -> Result<(), Fault> {
        self.take(2)?;
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
            Value::String(text) => self.take(text.len()),
            Value::Array(items) => {
                self.deeper(|room| items.iter().try_for_each(|item| room.take_value(item)))
            }
            Value::Object(fields) => self.deeper(|room| {
                fields.iter().try_for_each(|(name, field)| {
                    room.take(name.len())?;
                    room.take_value(field)
                })
            }),
        }
    }

    fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| Fault(format!("the result nests deeper than {MAX_DEPTH} levels")))?;
        let result = inside(self);
        self.depth += 1;
        result
    }
}

/// The same value as JSON. What JSON cannot say is a fault.
pub(super) fn from_jinja(value: &Jinja, room: &mut Room) -> Result<Value, Fault> {
    // Whatever a value is, it takes two bytes: itself and a comma.
    room.take(2)?;
    match value.kind() {
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => number(value).map(Value::Number),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            room.take(text.len())?;
            Ok(Value::String(text.to_owned()))
        }
        ValueKind::Seq | ValueKind::Iterable => room.deeper(|room| list(value, room)),
        ValueKind::Map => room.deeper(|room| object(value, room)),
        ValueKind::Undefined => {
            Err(Fault("a value is undefined (`| default(...)` would give one)".to_owned()))
        }
        other => Err(Fault(format!("a value is a {other}, which JSON cannot hold"))),
    }
}

fn number(value: &Jinja) -> Result<Number, Fault> {
    let number = if !value.is_integer() {
        f64::try_from(value.clone()).ok().and_then(Number::from_f64)
    } else if let Ok(number) = i64::try_from(value.clone()) {
        Some(number.into())
    } else {
        u64::try_from(value.clone()).ok().map(Number::from)
    };
    number.ok_or_else(|| Fault(format!("the number {value} is one that JSON cannot hold")))
}

fn list(value: &Jinja, room: &mut Room) -> Result<Value, Fault> {
    value.try_iter()?.checked().map(|item| from_jinja(&item?, room)).collect()
}

fn object(value: &Jinja, room: &mut Room) -> Result<Value, Fault> {
    let mut object = Map::new();
    for key in value.try_iter()?.checked() {
        let key = key?;
        let name = key
            .as_str()
            .ok_or_else(|| Fault(format!("the key {key} is no text; JSON wants text as keys")))?;
        room.take(name.len())?;
        object.insert(name.to_owned(), from_jinja(&value.get_item(&key)?, room)?);
    }
    Ok(Value::Object(object))
}

/// A value in a few words, for messages.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("the text {value}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}
