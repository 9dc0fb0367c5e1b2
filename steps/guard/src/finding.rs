//! What a check found, and where.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

/// One thing that was found. It does not repeat the text itself.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// `injection`, `pii`, `deny`, `limits`, `schema`, `restore`.
    pub(crate) check: &'static str,
    /// Where it was found.
    #[serde(rename = "where")]
    pub(crate) place: Place,
    /// What it is: a rule's name, a kind of personal data, a pattern's name, or words.
    pub(crate) what: String,
    /// How much it weighs, 0 to 1.
    pub(crate) score: f64,
}

/// A place in the input.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Place {
    /// JSON pointer to the text.
    pub(crate) pointer: String,
    /// The first character of it, counted from 0.
    pub(crate) start: usize,
    /// The character behind it.
    pub(crate) end: usize,
}

impl Finding {
    pub(crate) fn new(
        check: &'static str,
        pointer: &str,
        span: Range<usize>,
        what: impl Into<String>,
        score: f64,
    ) -> Self {
        let place = Place { pointer: pointer.into(), start: span.start, end: span.end };
        Self { check, place, what: what.into(), score }
    }
}
