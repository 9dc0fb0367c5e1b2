//! The texts within what is screened.

use serde_json::Value;
use stepwell_sdk::StepError;

use crate::Input;

/// What is screened, and where it stands in the input.
pub(crate) enum Content {
    Text(String),
    Json(Value),
}

/// One text, and the JSON pointer to it in the input.
pub(crate) struct Text {
    pub(crate) pointer: String,
    /// Places are counted in characters.
    pub(crate) chars: Vec<char>,
}

impl Content {
    pub(crate) fn of(input: &mut Input) -> Result<Self, StepError> {
        match (input.text.take(), input.value.take()) {
            (Some(text), None) => Ok(Self::Text(text)),
            (None, Some(value)) => Ok(Self::Json(value)),
            _ => Err(StepError::invalid_input("give either `text` or `value`")),
        }
    }

    /// Each text, in the order in which `change` comes by them.
    pub(crate) fn texts(&self) -> Vec<Text> {
        let mut texts = Vec::new();
        match self {
            Self::Text(text) => texts.push(Text { pointer: "/text".into(), chars: text.chars().collect() }),
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

    /// Puts what `f` makes of each text in its place.
    pub(crate) fn change(&mut self, mut f: impl FnMut(&str) -> String) {
        match self {
            Self::Text(text) => *text = f(text),
            Self::Json(value) => change(value, &mut f),
        }
    }
}

fn collect(value: &Value, pointer: &str, texts: &mut Vec<Text>) {
    match value {
        Value::String(text) => texts.push(Text { pointer: pointer.into(), chars: text.chars().collect() }),
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
        _ => {}
    }
}

fn change(value: &mut Value, f: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) => *text = f(text),
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, f)),
        Value::Object(fields) => fields.values_mut().for_each(|field| change(field, f)),
        _ => {}
    }
}
