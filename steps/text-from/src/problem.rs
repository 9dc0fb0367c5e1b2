//! Why a document cannot be read. Always the document's fault: another attempt would find the same bytes.

use stepwell_sdk::StepError;

/// How many characters of a message are the document's own, at most: the names of what it holds may be of any length.
const MOST: usize = 400;

/// The document is broken, or not of the kind that it is said to be.
pub(crate) fn broken(what: &str, why: impl std::fmt::Display) -> StepError {
    StepError::invalid_input(clipped(format!("{what} cannot be read: {why}")))
        .detail(serde_json::json!({"problem": "broken"}))
}

/// Nobody can read it without a password.
pub(crate) fn encrypted(what: &str) -> StepError {
    StepError::invalid_input(format!("{what} is encrypted: it opens only with a password; give one without"))
        .detail(serde_json::json!({"problem": "encrypted"}))
}

/// It is of no kind that this step reads.
pub(crate) fn unknown(why: impl Into<String>) -> StepError {
    StepError::invalid_input(why).detail(serde_json::json!({"problem": "unknown-kind"}))
}

/// It is larger in some way than the config allows.
pub(crate) fn limit(what: &str, limit: &str, value: u64) -> StepError {
    let what = clipped(what.into());
    StepError::invalid_input(format!(
        "{what}: more than `{limit}` allows, which is {value}; raise it in the node's config if the document is to be trusted"
    ))
    .detail(serde_json::json!({"problem": "limit", "limit": limit, "value": value}))
}

fn clipped(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MOST) {
        message.truncate(end);
        message.push('…');
    }
    message
}
