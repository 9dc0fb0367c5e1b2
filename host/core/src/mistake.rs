//! A mistake in what somebody wrote: where it is, what is wrong, how to mend it.

use serde::{Deserialize, Serialize};

/// One mistake in a definition. A definition's mistakes are all reported at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Mistake {
    /// Where: a JSON pointer (RFC 6901) into the definition.
    pub pointer: String,
    /// Which kind: a stable word, such as `unknown-node` or `cycle`.
    pub code: String,
    /// What is wrong, in one line.
    pub message: String,
    /// How to mend it, in one line, where that is not plain from the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake that is mended by what its message says.
    pub fn new(pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.to_owned(), message: message.into(), help: None }
    }

    /// The same mistake, with how to mend it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// The codes of the mistakes that compiling a definition finds. A capability's grants have codes of their own.
pub mod code {
    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $word;)*
            /// Every code.
            pub const ALL: &[&str] = &[$($word),*];
        };
    }

    codes! {
        /// A limit or timeout is above what the operator allows.
        ABOVE_CEILING = "above-ceiling";
        /// A duration is not written as one.
        BAD_DURATION = "bad-duration";
        /// An expression does not parse, or uses what expressions do not have.
        BAD_EXPRESSION = "bad-expression";
        /// A name breaks the rule for names.
        BAD_NAME = "bad-name";
        /// A cron line cannot be, or never fires.
        BAD_SCHEDULE = "bad-schedule";
        /// A schema is no JSON Schema.
        BAD_SCHEMA = "bad-schema";
        /// A size is not written as one.
        BAD_SIZE = "bad-size";
        /// A `step` is not `name@range`.
        BAD_STEP = "bad-step";
        /// A trigger's path, method or pattern cannot be.
        BAD_TRIGGER = "bad-trigger";
        /// A value is of the right type, but none of those that are allowed.
        BAD_VALUE = "bad-value";
        /// A version is not semver.
        BAD_VERSION = "bad-version";
        /// A node with effects is to be remembered.
        CACHE_WITH_EFFECTS = "cache-with-effects";
        /// A time zone is not in the database.
        BAD_ZONE = "bad-zone";
        /// A config does not match its step's schema.
        CONFIG_MISMATCH = "config-mismatch";
        /// Nodes need each other in a circle, or workflows run each other.
        CYCLE = "cycle";
        /// The same thing is said twice.
        DUPLICATE = "duplicate";
        /// A node or secret is named by a value instead of by its name.
        DYNAMIC_NAME = "dynamic-name";
        /// A step can send requests, and its node grants it none.
        GRANT_MISSING = "grant-missing";
        /// A node grants what its step cannot use.
        GRANT_UNUSED = "grant-unused";
        /// An input can never match its step's schema.
        INPUT_MISMATCH = "input-mismatch";
        /// A field that must be there is not.
        MISSING_FIELD = "missing-field";
        /// A step is there, but no version of it is in the range.
        NO_MATCHING_VERSION = "no-matching-version";
        /// An expression names a node that need not have ended before.
        NOT_AN_ANCESTOR = "not-an-ancestor";
        /// An expression names a secret that its node is not granted.
        SECRET_NOT_GRANTED = "secret-not-granted";
        /// A definition nests too deep.
        TOO_DEEP = "too-deep";
        /// A definition or an expression is too large.
        TOO_LARGE = "too-large";
        /// A field that is not there.
        UNKNOWN_FIELD = "unknown-field";
        /// An expression uses a variable, filter, test, function or field that is not there.
        UNKNOWN_NAME = "unknown-name";
        /// A node that is not there.
        UNKNOWN_NODE = "unknown-node";
        /// A step that is not published.
        UNKNOWN_STEP = "unknown-step";
        /// A workflow that was not applied.
        UNKNOWN_WORKFLOW = "unknown-workflow";
        /// A value is of another JSON type than it must be.
        WRONG_TYPE = "wrong-type";
    }
}
