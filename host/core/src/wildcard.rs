//! Texts that may end with a `*`: `com.example.order.created`, `com.example.*`, `*`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 1_000;

/// A text, or the beginning of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wildcard(String);

/// A text that is no such pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWildcard {
    /// It would match nothing.
    #[error("an empty text matches nothing: write `*` for everything")]
    Empty,
    /// It is longer than it may be.
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// A `*` stands where it means nothing.
    #[error("`*` may stand at the end alone, for any rest")]
    StarInside,
}

impl Wildcard {
    /// Whether a text is meant.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => text.starts_with(beginning),
            None => text == self.0,
        }
    }
}

impl FromStr for Wildcard {
    type Err = InvalidWildcard;

    fn from_str(text: &str) -> Result<Self, InvalidWildcard> {
        match text {
            "" => Err(InvalidWildcard::Empty),
            _ if text.len() > MAX_LENGTH => Err(InvalidWildcard::TooLong),
            _ if text.strip_suffix('*').unwrap_or(text).contains('*') => Err(InvalidWildcard::StarInside),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Wildcard {
    type Error = InvalidWildcard;

    fn try_from(text: String) -> Result<Self, InvalidWildcard> {
        text.parse()
    }
}

impl From<Wildcard> for String {
    fn from(wildcard: Wildcard) -> Self {
        wildcard.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_stands_for_any_rest() {
        let matches = |pattern: &str, text: &str| pattern.parse::<Wildcard>().unwrap().matches(text);
        assert!(matches("com.example.order", "com.example.order"));
        assert!(!matches("com.example.order", "com.example.order.created"));
        assert!(matches("com.example.*", "com.example.order"));
        assert!(!matches("com.example.*", "com.example"));
        assert!(matches("*", ""));
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        assert_eq!("".parse::<Wildcard>(), Err(InvalidWildcard::Empty));
        assert_eq!("a*b".parse::<Wildcard>(), Err(InvalidWildcard::StarInside));
        assert_eq!("**".parse::<Wildcard>(), Err(InvalidWildcard::StarInside));
        assert_eq!("x".repeat(1_001).parse::<Wildcard>(), Err(InvalidWildcard::TooLong));
        assert!(serde_json::from_str::<Wildcard>("\"a*b\"").is_err());
    }
}
