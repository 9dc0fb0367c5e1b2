//! Why a step could not answer, and what the workflow should make of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// What another attempt would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepErrorKind {
    /// The input is at fault: the same input will fail again. Never retried.
    InvalidInput,
    /// The world is at fault, and another attempt may succeed.
    Retryable,
    /// Another attempt would fail in the same way. Never retried.
    Permanent,
}

/// Why a step could not answer.
///
/// `?` makes one of an [`http::Error`](crate::http::Error) (retryable where the network is at fault) and of a
/// [`serde_json::Error`] (permanent).
///
/// ```
/// use stepwell_sdk::StepError;
///
/// let error = StepError::invalid_input("a ticket needs a subject").detail(["/subject"]);
/// assert_eq!(error.to_string(), "a ticket needs a subject");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepError {
    /// What another attempt would change.
    pub kind: StepErrorKind,
    /// One line for a person: what went wrong, and with what.
    pub message: String,
    /// More, for programs.
    pub detail: Option<Value>,
    /// How long to wait before the next attempt, where the world said so.
    pub retry_after: Option<Duration>,
}

impl StepError {
    /// The input is at fault: the same input will fail again.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(StepErrorKind::InvalidInput, message)
    }

    /// The world is at fault, and another attempt may succeed.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::new(StepErrorKind::Retryable, message)
    }

    /// The world is at fault, and said when to try again.
    pub fn retryable_after(message: impl Into<String>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::retryable(message) }
    }

    /// Another attempt would fail in the same way.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(StepErrorKind::Permanent, message)
    }

    /// Adds what a program may want to know. What cannot be JSON is told as text.
    #[must_use]
    pub fn detail(mut self, detail: impl Serialize) -> Self {
        self.detail =
            Some(serde_json::to_value(detail).unwrap_or_else(|error| Value::String(error.to_string())));
        self
    }

    fn new(kind: StepErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, retry_after: None }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StepError {}

impl From<serde_json::Error> for StepError {
    fn from(error: serde_json::Error) -> Self {
        Self::permanent(format!("JSON: {error}"))
    }
}
