//! What a run did with AI: what models were asked and what that cost, what was decided and how surely, how good outputs were, which
//! gates they failed and which fallbacks were used. Each by node, and all of it sums: attempts, retries and the items of a map together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attempt::{Account, Decision, ModelCall};
use crate::id::NodeId;

/// A label longer than this is no label.
const MAX_LABEL_CHARS: usize = 64;

/// So many different labels of one node are counted apart; the rest together.
const MAX_LABELS: usize = 50;

/// And so many models.
const MAX_MODELS: usize = 50;

/// What all further labels are counted as, and what is no label.
const OTHER: &str = "other";

/// What a run did with AI, by node. A node that did nothing with it is not here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = BTreeMap<String, NodeAi>)]
pub struct AiWork(pub BTreeMap<NodeId, NodeAi>);

/// What a node's attempts did with AI.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct NodeAi {
    /// The models that were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelUse>,
    /// What was decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decided>,
    /// How good outputs were, where somebody judged them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Outputs that did not pass the node's gate.
    #[serde(skip_serializing_if = "is_zero")]
    pub gate_failures: u64,
    /// Attempts at the node's fallbacks.
    #[serde(skip_serializing_if = "is_zero")]
    pub fallbacks: u64,
}

/// How much a model was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelUse {
    /// `openai`, `anthropic`, ...
    pub provider: String,
    /// As the provider names it.
    pub model: String,
    /// Calls.
    pub calls: u64,
    /// Calls among them whose price is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls_without_price: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Millionths of a US dollar, of the calls whose price is known.
    pub cost_micro_usd: u64,
}

/// How often something was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Decided {
    /// What: a text, a number, `true` or `false`. What is longer or no such thing is `other`.
    pub label: String,
    /// How surely.
    pub confidence: Confidence,
    /// How often.
    pub count: u64,
}

/// How sure a decision was, in bands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum Confidence {
    /// Nobody said.
    #[serde(rename = "none")]
    None,
    /// Below one half.
    #[serde(rename = "0-0.5")]
    BelowHalf,
    /// From one half.
    #[serde(rename = "0.5-0.7")]
    FromHalf,
    /// From 0.7.
    #[serde(rename = "0.7-0.9")]
    FromSevenTenths,
    /// From 0.9.
    #[serde(rename = "0.9-1")]
    FromNineTenths,
}

impl Confidence {
    /// The band of a decision.
    #[must_use]
    pub fn of(confidence: Option<f64>) -> Self {
        match confidence {
            None => Self::None,
            Some(sure) if sure < 0.5 => Self::BelowHalf,
            Some(sure) if sure < 0.7 => Self::FromHalf,
            Some(sure) if sure < 0.9 => Self::FromSevenTenths,
            Some(_) => Self::FromNineTenths,
        }
    }

    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::BelowHalf => "0-0.5",
            Self::FromHalf => "0.5-0.7",
            Self::FromSevenTenths => "0.7-0.9",
            Self::FromNineTenths => "0.9-1",
        }
    }
}

/// Scores of outputs, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quality {
    /// How many there are.
    pub count: u64,
    /// Of all together.
    pub mean: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Quality {
    /// These scores and those.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let count = self.count + other.count;
        let sum = self.mean * self.count as f64 + other.mean * other.count as f64;
        Self {
            count,
            mean: sum / count.max(1) as f64,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

impl From<f64> for Quality {
    fn from(score: f64) -> Self {
        Self { count: 1, mean: score, min: score, max: score }
    }
}

impl Decision {
    /// What was decided, as a label: short, and one of few.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        match &self.decided {
            Value::String(text) if text.chars().count() <= MAX_LABEL_CHARS => Cow::Borrowed(text),
            Value::Bool(_) | Value::Number(_) => Cow::Owned(self.decided.to_string()),
            _ => Cow::Borrowed(OTHER),
        }
    }

    /// The score, of a decision that is one about the quality of an output: `{"score": 0.8, ...}`, from 0 to 1.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        self.decided.get("score")?.as_f64().filter(|score| (0.0..=1.0).contains(score))
    }
}

impl AiWork {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what an attempt recorded.
    pub(super) fn add(&mut self, node: &NodeId, account: &Account) {
        for call in &account.usage {
            self.of(node).add_call(call);
        }
        for decision in &account.decisions {
            self.of(node).add_decision(decision);
        }
    }

    pub(super) fn add_gate_failure(&mut self, node: &NodeId) {
        self.of(node).gate_failures += 1;
    }

    pub(super) fn add_fallback(&mut self, node: &NodeId) {
        self.of(node).fallbacks += 1;
    }

    fn of(&mut self, node: &NodeId) -> &mut NodeAi {
        self.0.entry(node.clone()).or_default()
    }
}

impl NodeAi {
    fn add_call(&mut self, call: &ModelCall) {
        let cost = call.cost_micro_usd;
        self.add_use(&ModelUse {
            provider: call.provider.clone(),
            model: call.model.clone(),
            calls: 1,
            calls_without_price: u64::from(cost.is_none()),
            input_tokens: call.input_tokens,
            output_tokens: call.output_tokens,
            cost_micro_usd: cost.unwrap_or(0),
        });
    }

    /// Adds what others did.
    pub fn add_all(&mut self, other: &Self) {
        other.models.iter().for_each(|used| self.add_use(used));
        other.decisions.iter().for_each(|decided| self.add_decided(decided));
        self.quality = match (self.quality, other.quality) {
            (Some(one), Some(another)) => Some(one.with(another)),
            (one, another) => one.or(another),
        };
        self.gate_failures += other.gate_failures;
        self.fallbacks += other.fallbacks;
    }

    /// Adds to what is known of the same model.
    pub fn add_use(&mut self, used: &ModelUse) {
        let find = |all: &[ModelUse], provider: &str, model: &str| {
            all.iter().position(|known| known.provider == provider && known.model == model)
        };
        let is_new = find(&self.models, &used.provider, &used.model).is_none();
        let (provider, model) = match is_new && self.models.len() >= MAX_MODELS {
            true => (OTHER, OTHER),
            false => (used.provider.as_str(), used.model.as_str()),
        };
        match find(&self.models, provider, model) {
            Some(place) => self.models[place].add(used),
            None => {
                self.models.push(ModelUse { provider: provider.into(), model: model.into(), ..used.clone() });
            }
        }
    }

    fn add_decision(&mut self, decision: &Decision) {
        if let Some(score) = decision.score() {
            let quality = Quality::from(score);
            self.quality = Some(self.quality.map_or(quality, |known| known.with(quality)));
            return;
        }
        let confidence = Confidence::of(decision.confidence);
        self.add_decided(&Decided { label: decision.label().into_owned(), confidence, count: 1 });
    }

    /// Adds to what is known of the same label.
    pub fn add_decided(&mut self, decided: &Decided) {
        let find = |all: &[Decided], label: &str| {
            all.iter().position(|known| known.label == label && known.confidence == decided.confidence)
        };
        let is_new = find(&self.decisions, &decided.label).is_none();
        let label = if is_new && self.decisions.len() >= MAX_LABELS { OTHER } else { &decided.label };
        match find(&self.decisions, label) {
            Some(place) => self.decisions[place].count += decided.count,
            None => self.decisions.push(Decided { label: label.to_owned(), ..decided.clone() }),
        }
    }
}

impl ModelUse {
    /// Adds another use of the same model.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.calls_without_price = self.calls_without_price.saturating_add(other.calls_without_price);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(other.cost_micro_usd);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(decided: Value, confidence: Option<f64>) -> Decision {
        Decision { decided, confidence, explanation: None, model_version: "m/1".to_owned() }
    }

    fn call(model: &str, cost_micro_usd: Option<u64>) -> ModelCall {
        ModelCall {
            provider: "openai".to_owned(),
            model: model.to_owned(),
            input_tokens: 10,
            output_tokens: 2,
            cost_micro_usd,
        }
    }

    fn account(usage: Vec<ModelCall>, decisions: Vec<Decision>) -> Account {
        Account { usage, decisions, ..Account::default() }
    }

    fn node() -> NodeId {
        NodeId::new("a").unwrap()
    }

    #[test]
    fn calls_of_one_model_are_one_line() {
        let mut ai = AiWork::default();
        ai.add(&node(), &account(vec![call("x", Some(5)), call("y", None), call("x", None)], Vec::new()));
        let [x, y] = &ai.0[&node()].models[..] else { panic!("{ai:?}") };
        assert_eq!((x.calls, x.calls_without_price, x.input_tokens, x.cost_micro_usd), (2, 1, 20, 5));
        assert_eq!((y.model.as_str(), y.calls), ("y", 1));
    }

    #[test]
    fn decisions_are_counted_by_label_and_confidence() {
        let mut ai = AiWork::default();
        let decisions = vec![
            decision(json!("Billing"), Some(0.95)),
            decision(json!("Billing"), Some(0.92)),
            decision(json!("Billing"), Some(0.3)),
            decision(json!(true), None),
            decision(json!({"long": "story"}), Some(0.5)),
        ];
        ai.add(&node(), &account(Vec::new(), decisions));
        let counted: Vec<_> = ai.0[&node()]
            .decisions
            .iter()
            .map(|it| (it.label.as_str(), it.confidence.as_str(), it.count))
            .collect();
        let expected =
            [("Billing", "0.9-1", 2), ("Billing", "0-0.5", 1), ("true", "none", 1), ("other", "0.5-0.7", 1)];
        assert_eq!(counted, expected);
    }

    /// A step may call anything a label: what is counted stays small all the same.
    #[test]
    fn labels_without_end_are_counted_together() {
        let mut ai = AiWork::default();
        let decisions = (0..1000).map(|label| decision(json!(format!("label {label}")), None)).collect();
        ai.add(&node(), &account(Vec::new(), decisions));
        let decisions = &ai.0[&node()].decisions;
        assert_eq!(decisions.len(), MAX_LABELS + 1);
        assert_eq!(decisions.iter().map(|it| it.count).sum::<u64>(), 1000);
        assert_eq!(decisions.last().map(|it| it.label.as_str()), Some(OTHER));
    }

    #[test]
    fn models_without_end_are_counted_together() {
        let mut ai = AiWork::default();
        let calls = (0..1000).map(|number| call(&format!("m{number}"), Some(1))).collect();
        ai.add(&node(), &account(calls, Vec::new()));
        let models = &ai.0[&node()].models;
        assert_eq!(models.len(), MAX_MODELS + 1);
        assert_eq!(models.iter().map(|it| it.cost_micro_usd).sum::<u64>(), 1000);
        assert_eq!(models.last().map(|it| it.model.as_str()), Some(OTHER));
    }

    #[test]
    fn a_decision_with_a_score_is_about_quality() {
        let mut ai = AiWork::default();
        let scores = [0.5, 1.0, 0.9].map(|score| decision(json!({"score": score, "pass": true}), None));
        ai.add(&node(), &account(Vec::new(), scores.to_vec()));
        let node = &ai.0[&node()];
        let quality = node.quality.unwrap();
        assert_eq!((quality.count, quality.min, quality.max), (3, 0.5, 1.0));
        assert!((quality.mean - 0.8).abs() < 1e-9);
        assert!(node.decisions.is_empty());
        assert_eq!(decision(json!({"score": 7}), None).score(), None);
    }

    #[test]
    fn confidence_bands_are_written_as_they_are_read() {
        for (confidence, text) in [
            (None, "none"),
            (Some(0.0), "0-0.5"),
            (Some(0.5), "0.5-0.7"),
            (Some(0.7), "0.7-0.9"),
            (Some(0.9), "0.9-1"),
            (Some(1.0), "0.9-1"),
        ] {
            let band = Confidence::of(confidence);
            assert_eq!(band.as_str(), text);
            assert_eq!(serde_json::to_value(band).unwrap(), json!(text));
        }
    }
}
