//! What is kept beside the answer: the decision that it holds.

use serde_json::Value;
use stepwell_sdk::decision::{self, Verdict};
use stepwell_sdk::warn;

use crate::config::Decision;

/// Records the decision in an answer, if there is one.
pub(crate) fn decision(rule: &Decision, answer: &Value, model_version: String) {
    let Some(decided) = answer.pointer(&rule.label) else { return };
    let explanation = answer.pointer(&rule.explanation).and_then(Value::as_str);
    decision::record(Verdict {
        decided: decided.clone(),
        confidence: answer.pointer(&rule.confidence).and_then(confidence),
        explanation: explanation.map(str::to_owned),
        model_version,
    });
}

fn confidence(value: &Value) -> Option<f64> {
    let confidence = value.as_f64().filter(|confidence| (0.0..=1.0).contains(confidence));
    if confidence.is_none() {
        warn!(confidence = value, "the confidence is no number from 0 to 1: it is not recorded");
    }
    confidence
}
