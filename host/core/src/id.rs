//! The names of things, each a type of its own, parsed once at the edge.
//!
//! A name that people choose is 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, and starts with a letter.
//! Such a name is safe in a URL, a file name and a store key. Names are passed around more than anything else: a clone of one shares
//! its text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 64;

/// A name that breaks the rule for names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a name for a {what}: use 1 to {MAX_NAME_LENGTH} characters of a-z, 0-9, - and _, starting with a letter"
)]
pub struct InvalidName {
    /// What was to be named.
    pub what: &'static str,
    /// What was given, cut to a length that can be shown.
    pub name: String,
}

fn check_name(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on_well = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    if starts_well && goes_on_well && name.len() <= MAX_NAME_LENGTH {
        return Ok(());
    }
    Err(InvalidName { what, name: name.chars().take(MAX_NAME_LENGTH + 1).collect() })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String")]
        #[schema(value_type = String)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and wraps a name.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                check_name($what, &name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Whose records these are.
    TenantId,
    "tenant"
);
name!(
    /// A workflow's name.
    WorkflowName,
    "workflow"
);
name!(
    /// A node's id within its workflow.
    NodeId,
    "node"
);
name!(
    /// A step's name, without its version.
    StepName,
    "step"
);
name!(
    /// Where an operator has events sent.
    SinkName,
    "event sink"
);

impl Default for TenantId {
    /// The one tenant there is until there are more.
    fn default() -> Self {
        Self("default".into())
    }
}

/// A secret's name: 1 to 64 characters of `A-Z`, `a-z`, `0-9` and `_`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct SecretName(String);

/// A secret's name that breaks the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name for a secret: use 1 to {MAX_NAME_LENGTH} characters of A-Z, a-z, 0-9 and _, starting with a letter"
)]
pub struct InvalidSecretName(pub String);

impl SecretName {
    /// Checks and wraps a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidSecretName> {
        let name = name.into();
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let goes_on_well = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if starts_well && goes_on_well && name.len() <= MAX_NAME_LENGTH {
            return Ok(Self(name));
        }
        Err(InvalidSecretName(name.chars().take(MAX_NAME_LENGTH + 1).collect()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidSecretName;
    fn try_from(name: String) -> Result<Self, InvalidSecretName> {
        Self::new(name)
    }
}

impl FromStr for SecretName {
    type Err = InvalidSecretName;
    fn from_str(name: &str) -> Result<Self, InvalidSecretName> {
        Self::new(name)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> String {
        name.0
    }
}

impl std::borrow::Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run: a UUID version 7 (RFC 9562), so that runs sort by the time they were accepted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl FromStr for RunId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Counts a node's attempts from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct AttemptNumber(pub u32);

impl AttemptNumber {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which part of a node's work an attempt is of.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// One item of a map, counted from 0.
    Item(u32),
    /// What undoes it.
    Compensation,
}

impl Part {
    /// Whether it is all of the node's work.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }
}

impl fmt::Display for Part {
    /// What stands behind a node's id to name the part: nothing, `[3]`, `~compensation`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Item(index) => write!(f, "[{index}]"),
            Self::Compensation => f.write_str("~compensation"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_words() {
        for good in ["a", "llm-chat", "step_2", &"x".repeat(64)] {
            assert!(StepName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "1st", "-a", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(StepName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_read_from_json_is_checked() {
        assert!(serde_json::from_str::<NodeId>(r#""../etc""#).is_err());
    }
}
