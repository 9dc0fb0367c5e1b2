//! What a workflow fixes for a node that classifies.

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_ai::chat::ResponseFormat;
use stepwell_sdk::StepError;

/// Which labels there are, and when one is taken.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// What a text can be.
    #[schemars(length(min = 1))]
    pub(crate) labels: Vec<Label>,
    /// What the model should know besides: what the texts are, what matters where they could be both.
    pub(crate) instructions: Option<String>,
    /// Texts with the labels that they have.
    #[serde(default)]
    pub(crate) examples: Vec<Example>,
    /// Whether a text may have several labels, or none.
    #[serde(default)]
    pub(crate) multiple: bool,
    /// How sure the model must be of a label, from 0 to 1: below, the step abstains from it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) threshold: f64,
    /// The output's label where the step abstains; null without one.
    pub(crate) fallback_label: Option<String>,
    /// How much chance there is in the answer; null for the provider's default, which some models insist on.
    #[serde(default = "none_at_all")]
    pub(crate) temperature: Option<f64>,
    /// The most tokens to write.
    pub(crate) max_tokens: Option<u32>,
    /// How the server is told what to answer.
    #[serde(default)]
    pub(crate) response_format: ResponseFormat,
}

/// Something that a text can be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Label {
    /// What the output calls it.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// When a text is that.
    pub(crate) description: Option<String>,
}

/// A text with the labels that it has.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    /// The text.
    pub(crate) text: String,
    /// Its labels: one, unless `multiple` is set.
    pub(crate) labels: Vec<String>,
    /// Why.
    pub(crate) explanation: Option<String>,
}

impl Config {
    /// What the schema cannot say.
    pub(crate) fn check(&self) -> Result<(), StepError> {
        let named = |name: &str| self.labels.iter().filter(|label| label.name == name).count();
        if let Some(twice) = self.labels.iter().find(|label| named(&label.name) > 1) {
            return Err(fault(&format!("labels: `{}` stands there twice", twice.name)));
        }
        for (index, example) in self.examples.iter().enumerate() {
            if let Some(unknown) = example.labels.iter().find(|label| named(label) == 0) {
                return Err(fault(&format!("examples/{index}/labels: there is no label `{unknown}`")));
            }
            if !self.multiple && example.labels.len() != 1 {
                let what = "labels: a text has one label, unless `config.multiple` is set";
                return Err(fault(&format!("examples/{index}/{what}")));
            }
        }
        Ok(())
    }
}

fn fault(what: &str) -> StepError {
    StepError::permanent(["config/", what].concat())
}

fn none_at_all() -> Option<f64> {
    Some(0.0)
}
