//! What the host says when it cannot do what a step asked for: one shape for all of its interfaces.

use std::fmt;

/// What went wrong: of which kind, for programs, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault<Kind> {
    /// What went wrong, for programs.
    pub kind: Kind,
    /// What went wrong and with what, for a person.
    pub message: String,
}

impl<Kind> Fault<Kind> {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl<Kind> fmt::Display for Fault<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<Kind: fmt::Debug> std::error::Error for Fault<Kind> {}
