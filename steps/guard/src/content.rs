//! The texts within what is screened.

use serde_json::{Number, Value};
use stepwell_sdk::StepError;

use crate::Input;

/// What is screened, and where it stands in the input.
pub(crate) enum Content {
    Text(String),
    Json(Value),
}

/// One text or number, and the JSON pointer to it in the input.
pub(crate) struct Text {
    pub(crate) pointer: String,
    /// Places are counted in characters.
    pub(crate) chars: Vec<char>,
    /// What it is, if it is none but as it is written.
    pub(crate) number: Option<Number>,
}

impl Content {
    pub(crate) fn of(input: &mut Input) -> Result<Self, StepError> {
        match (input.text.take(), input.value.take()) {
            (Some(text), None) => Ok(Self::Text(text)),
            (None, Some(value)) => Ok(Self::Json(value)),
            _ => Err(StepError::invalid_input("give either `text` or `value`")),
        }
    }

    /// Each text and number, in the order in which `change` comes by them.
    pub(crate) fn texts(&self) -> Vec<Text> {
        let mut texts = Vec::new();
        match self {
            Self::Text(text) => {
                texts.push(Text { pointer: "/text".into(), chars: text.chars().collect(), number: None });
            }
            Self::Json(value) => collect(value, "/value", &mut texts),
        }
        texts
    }

    /// As the output's `text` and `value`.
    pub(crate) fn into_parts(self) -> (Option<String>, Option<Value>) {
        match self {
            Self::Text(text) => (Some(text), None),
            Self::Json(value) => (None, Some(value)),
        }
    }

    /// Lets `f` change each text and number.
    pub(crate) fn change(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Self::Text(text) => {
                let mut value = Value::String(std::mem::take(text));
                f(&mut value);
                *text = written(&value);
            }
            Self::Json(value) => change(value, &mut f),
        }
    }
}

/// A text, or a number as text.
pub(crate) fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn collect(value: &Value, pointer: &str, texts: &mut Vec<Text>) {
    match value {
        Value::String(_) | Value::Number(_) => {
            let number = value.as_number().cloned();
            texts.push(Text { pointer: pointer.into(), chars: written(value).chars().collect(), number });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{pointer}/{index}"), texts);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), texts);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn change(value: &mut Value, f: &mut impl FnMut(&mut Value)) {
    match value {
        Value::String(_) | Value::Number(_) => f(value),
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, f)),
        Value::Object(fields) => fields.values_mut().for_each(|field| change(field, f)),
        Value::Null | Value::Bool(_) => {}
    }
}
