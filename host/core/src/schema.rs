//! JSON Schema, compiled once and checked often.

use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// So many violations are reported; more would not help anybody.
const MAX_VIOLATIONS: usize = 20;

/// The longest message that is passed on: a message quotes the value that does not fit.
const MAX_MESSAGE_LENGTH: usize = 300;

/// A compiled JSON Schema (2020-12 unless `$schema` names an older draft). A clone is one counter.
#[derive(Clone)]
pub struct Schema(Option<Arc<Validator>>);

/// A text that is no JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Schema: {message}")]
pub struct InvalidSchema {
    /// Where in the schema: a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// One place where a value does not match its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SchemaViolation {
    /// Where in the value: a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SchemaViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

impl Schema {
    /// Compiles a schema. References go to the schema itself alone: nothing is fetched.
    pub fn compile(schema: &Value) -> Result<Self, InvalidSchema> {
        // The regex engine without backtracking: a pattern must not cost exponential time.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        match options.build(schema) {
            Ok(validator) => Ok(Self(Some(Arc::new(validator)))),
            Err(error) => Err(InvalidSchema {
                pointer: error.instance_path().to_string(),
                message: shorten(error.to_string()),
            }),
        }
    }

    /// The schema that every value matches.
    #[must_use]
    pub fn any() -> Self {
        Self(None)
    }

    /// Everything in which a value does not match, in the value's order (but not more than can be read).
    pub fn check(&self, value: &Value) -> Result<(), Vec<SchemaViolation>> {
        match &self.0 {
            Some(validator) if !validator.is_valid(value) => Err(self.violations(value, |_| true)),
            _ => Ok(()),
        }
    }

    /// Those violations of a value that count.
    pub(crate) fn violations(
        &self,
        value: &Value,
        counts: impl Fn(&ValidationError<'_>) -> bool,
    ) -> Vec<SchemaViolation> {
        let errors = self.0.iter().flat_map(|validator| validator.iter_errors(value));
        errors.filter(counts).take(MAX_VIOLATIONS).map(|error| SchemaViolation::from(&error)).collect()
    }
}

impl From<&ValidationError<'_>> for SchemaViolation {
    fn from(error: &ValidationError<'_>) -> Self {
        Self { pointer: error.instance_path().to_string(), message: shorten(error.to_string()) }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Schema(..)" } else { "Schema(any)" })
    }
}

fn shorten(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE_LENGTH) {
        Some((end, _)) => format!("{} ...", &message[..end]),
        None => message,
    }
}
