//! The audit record of an AI decision: kept with the attempt.

use serde_json::Value;

use crate::host;

/// Something that was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What was decided: a label, a choice.
    pub decided: Value,
    /// 0 to 1; `None` where the decider gives none. Anything else ends the attempt with an error.
    pub confidence: Option<f64>,
    /// Why, in words for a person.
    pub explanation: Option<String>,
    /// Who decided: the model and its version.
    pub model_version: String,
}

/// Records one decision.
pub fn record(verdict: Verdict) {
    host::record_decision(verdict);
}
