//! What is kept beside the answer: its cost, and the decision that it holds.

use serde_json::Value;
use stepwell_sdk::decision::{self, Verdict};
use stepwell_sdk::usage::{self, ModelCall};
use stepwell_sdk::warn;

use crate::config::Config;
use crate::wire::Usage;

/// Records what one call cost. A provider that does not tell leaves no record, and a line in the log.
pub(crate) fn cost(config: &Config, model: &str, tokens: Option<Usage>) {
    let Some(tokens) = tokens else {
        warn!(model, "the answer tells no token counts: its cost is not recorded");
        return;
    };
    let price = config.price.as_ref();
    usage::record(ModelCall {
        provider: config.provider.clone(),
        model: model.into(),
        input_tokens: tokens.prompt_tokens,
        output_tokens: tokens.completion_tokens,
        cost_micro_usd: price.map(|price| price.micro_usd(tokens.prompt_tokens, tokens.completion_tokens)),
    });
}

/// Records the decision in an answer, if there is one.
pub(crate) fn decision(config: &Config, answer: &Value, model: &str) {
    let Some(rule) = &config.decision else { return };
    let Some(decided) = answer.pointer(&rule.label) else { return };
    let explanation = answer.pointer(&rule.explanation).and_then(Value::as_str);
    decision::record(Verdict {
        decided: decided.clone(),
        confidence: answer.pointer(&rule.confidence).and_then(confidence),
        explanation: explanation.map(str::to_owned),
        model_version: format!("{}/{model}", config.provider),
    });
}

fn confidence(value: &Value) -> Option<f64> {
    let confidence = value.as_f64().filter(|confidence| (0.0..=1.0).contains(confidence));
    if confidence.is_none() {
        warn!(confidence = value, "the confidence is no number from 0 to 1: it is not recorded");
    }
    confidence
}
