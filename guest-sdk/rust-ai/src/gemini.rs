//! What Gemini's answers have in common, whatever was asked for.

use serde_json::Value;

use crate::Used;

/// What `usageMetadata` tells. What the model thinks is paid as what it writes.
pub(crate) fn used(usage: &Value) -> Used {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    Used {
        input_tokens: count("promptTokenCount"),
        cached_tokens: count("cachedContentTokenCount"),
        output_tokens: count("candidatesTokenCount") + count("thoughtsTokenCount"),
        units: 0.0,
    }
}
