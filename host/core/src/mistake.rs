//! A mistake in what somebody wrote: where it is, what is wrong, how to mend it.

use serde::{Deserialize, Serialize};

/// One mistake in a definition. A definition's mistakes are all reported at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
