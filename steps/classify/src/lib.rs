//! Says which of given labels a text has.
//!
//! The model is held to the labels by a schema. What it is not sure enough of is not taken: the step abstains, and the workflow decides what then.

mod config;
mod question;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwell_ai::chat::{Chat, Provider};
use stepwell_ai::schema::Schema;
use stepwell_sdk::StepError;
use stepwell_sdk::decision::{self, Verdict};

use config::Config;

/// What is to be labelled.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The text.
    #[schemars(length(min = 1))]
    text: String,
}

/// What was decided.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The label, of several the surest; if the step abstained, `fallback_label`, or null without one.
    label: Option<String>,
    /// All labels that were taken, the surest first; more than one only with `multiple`, none if the step abstained.
    labels: Vec<Choice>,
    /// How sure the model is of its surest label, from 0 to 1, whether it was taken or not; null if it found none.
    confidence: Option<f64>,
    /// Why, in the model's words.
    explanation: String,
    /// Whether the model was sure of no label: none reached `threshold`.
    abstained: bool,
    /// The model that decided, as it names itself.
    model: String,
}

/// A label, and how sure the model is of it.
#[derive(Serialize, JsonSchema)]
struct Choice {
    /// Its name.
    label: String,
    /// From 0 to 1.
    confidence: f64,
}

#[stepwell_sdk::step(http = "sends the text to the language model's API")]
fn classify(input: Input, config: stepwell_ai::Config<Provider, Config>) -> Result<Output, StepError> {
    config.step.check()?;
    if input.text.trim().is_empty() {
        return Err(StepError::invalid_input("`text` is empty: there is nothing to classify"));
    }
    let chat = Chat::new(&config.provider)?;
    let config = &config.step;
    let schema = question::schema(config);
    let mut ask = question::ask(&input.text, config, &schema);
    let fitting = chat.fitting(&mut ask, &Schema::new(&schema)?, None)?;

    let output = decide(&fitting.answer, config, fitting.completion.model.clone());
    decision::record(Verdict {
        decided: decided(&output, config),
        confidence: output.confidence,
        explanation: Some(output.explanation.clone()),
        model_version: chat.model_version(&fitting.completion),
    });
    Ok(output)
}

/// Takes the labels that the model is sure enough of. Its answer fits the schema.
fn decide(answer: &Value, config: &Config, model: String) -> Output {
    let mut choices: Vec<Choice> = match config.multiple {
        true => answer["choices"].as_array().into_iter().flatten().map(choice).collect(),
        false => vec![choice(answer)],
    };
    choices.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    // A model may give a label twice: the surer one counts.
    let mut given = BTreeSet::new();
    choices.retain(|choice| given.insert(choice.label.clone()));
    let confidence = choices.first().map(|choice| choice.confidence);
    choices.retain(|choice| choice.confidence >= config.threshold);
    let abstained = choices.is_empty();
    let first = choices.first().map(|choice| choice.label.clone());
    Output {
        label: first.or_else(|| config.fallback_label.clone()),
        labels: choices,
        confidence,
        explanation: answer["because"].as_str().unwrap_or_default().into(),
        abstained,
        model,
    }
}

fn choice(answer: &Value) -> Choice {
    Choice {
        label: answer["choice"].as_str().unwrap_or_default().into(),
        confidence: answer["confidence"].as_f64().unwrap_or_default(),
    }
}

fn decided(output: &Output, config: &Config) -> Value {
    match config.multiple && !output.abstained {
        true => output.labels.iter().map(|choice| Value::from(choice.label.as_str())).collect(),
        false => json!(output.label),
    }
}
