//! JSON Schema, compiled once and checked often.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;

/// So many violations are reported; more would not help anybody.
const MAX_VIOLATIONS: usize = 20;

/// The longest message that is passed on: a message quotes the value that does not fit.
const MAX_MESSAGE_LENGTH: usize = 300;

/// Every validator that somebody has, by its schema: the nodes of all workflows that use a step share those of the step, which are large
/// and slow to make.
static COMPILED: Mutex<BTreeMap<Digest, Weak<Validator>>> = Mutex::new(BTreeMap::new());

fn compiled() -> MutexGuard<'static, BTreeMap<Digest, Weak<Validator>>> {
    // A map under this lock is whole whatever panics.
    COMPILED.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        let text = Digest::of(schema.to_string().as_bytes());
        if let Some(shared) = compiled().get(&text).and_then(Weak::upgrade) {
            return Ok(Self(Some(shared)));
        }
        // The regex engine without backtracking: a pattern must not cost exponential time.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(schema).map_err(|error| InvalidSchema {
            pointer: error.instance_path().to_string(),
            message: shorten(error.to_string()),
        })?;
        let validator = Arc::new(validator);
        let mut compiled = compiled();
        compiled.retain(|_, validator| validator.strong_count() > 0);
        compiled.insert(text, Arc::downgrade(&validator));
        Ok(Self(Some(validator)))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_violation_is_told_with_its_place() {
        let schema = Schema::compile(&json!({
            "required": ["a"],
            "properties": {"b": {"items": {"type": "integer"}}},
        }))
        .unwrap();
        let violations = schema.check(&json!({"b": [1, "two", 3.5]})).unwrap_err();
        let mut places: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
        places.sort_unstable();
        assert_eq!(places, ["", "/b/1", "/b/2"]);
        assert!(schema.check(&json!({"a": 1, "b": [1]})).is_ok());
        assert!(Schema::any().check(&json!(null)).is_ok());
    }

    #[test]
    fn the_same_schema_is_compiled_once_as_long_as_somebody_has_it() {
        let schema = json!({"const": "shared by a test"});
        let (one, other) = (Schema::compile(&schema).unwrap(), Schema::compile(&schema).unwrap());
        let shared = |schema: &Schema| schema.0.clone().unwrap();
        assert!(Arc::ptr_eq(&shared(&one), &shared(&other)));
        let weak = Arc::downgrade(&shared(&one));
        drop((one, other));
        assert!(weak.upgrade().is_none());
        assert!(Schema::compile(&schema).unwrap().check(&json!("shared by a test")).is_ok());
    }

    #[test]
    fn violations_without_number_are_cut() {
        let schema = Schema::compile(&json!({"items": {"enum": ["x"]}})).unwrap();
        let violations = schema.check(&json!(vec!["y".repeat(10_000); 1_000])).unwrap_err();
        assert_eq!(violations.len(), MAX_VIOLATIONS);
        assert!(violations.iter().all(|violation| violation.message.len() < 2 * MAX_MESSAGE_LENGTH));
    }

    #[test]
    fn a_broken_schema_is_told_with_its_place() {
        let invalid = Schema::compile(&json!({"properties": {"a": {"type": "strnig"}}})).unwrap_err();
        assert_eq!(invalid.pointer, "/properties/a/type");
        assert!(Schema::compile(&json!({"pattern": "("})).is_err());
        assert!(Schema::compile(&json!(5)).is_err());
    }

    #[test]
    fn a_schema_fetches_nothing() {
        for elsewhere in ["http://127.0.0.1:9/schema", "file:///etc/passwd", "other.json"] {
            assert!(Schema::compile(&json!({"$ref": elsewhere})).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn a_schema_may_refer_to_itself() {
        let tree = json!({"$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}, "required": ["n"]}}, "$ref": "#/$defs/tree"});
        let schema = Schema::compile(&tree).unwrap();
        assert!(schema.check(&json!({"n": 1, "left": {"n": 2}})).is_ok());
        assert_eq!(schema.check(&json!({"n": 1, "left": {}})).unwrap_err()[0].pointer, "/left");
        for circle in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        ] {
            let schema = Schema::compile(&circle).unwrap();
            let _ = schema.check(&json!({"a": 1}));
        }
    }

    #[test]
    fn no_pattern_takes_exponential_time() {
        let schema = Schema::compile(&json!({"pattern": "^(a+)+$"})).unwrap();
        assert!(schema.check(&json!("a".repeat(50_000) + "b")).is_err());
    }
}
