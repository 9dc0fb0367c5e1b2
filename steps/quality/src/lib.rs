//! Scores an output, by rules or by a judge model, and says whether it is good enough.
//!
//! Each measure gives a number from 0 to 1 and says why; the score is their mean by weight. A gate, a fallback or a person can go by it.

mod judge;
mod rules;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stepwell_ai::chat::Provider;
use stepwell_sdk::StepError;
use stepwell_sdk::decision::{self, Verdict};

use judge::Judge;
use rules::Rules;

/// How an output is scored. The provider is who judges, if anybody does.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Measures that are computed.
    #[serde(default)]
    rules: Rules,
    /// A model that scores by a rubric.
    judge: Option<Judge>,
    /// The score from which on the output passes, 0 to 1.
    #[serde(default = "good_enough")]
    #[schemars(range(min = 0, max = 1))]
    pass: f64,
}

fn good_enough() -> f64 {
    0.7
}

/// What is scored, and what it is held against.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// A text, or any JSON.
    output: Value,
    /// What was asked for; for the judge.
    task: Option<String>,
    /// An answer that is known to be good: for `overlap`, and for the judge.
    reference: Option<String>,
    /// What the output is made from: for `cites`, and for the judge.
    source: Option<String>,
}

/// How good it is.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// 0 to 1.
    score: f64,
    /// By measure, 0 to 1.
    #[schemars(with = "BTreeMap<String, f64>")]
    scores: Map<String, Value>,
    /// Whether the score is high enough, and no measure is below its own `at_least`.
    pass: bool,
    /// What each measure says.
    explanation: String,
}

/// What one measure gives.
struct Measured {
    name: &'static str,
    score: f64,
    weight: f64,
    at_least: Option<f64>,
    why: String,
}

#[stepwell_sdk::step(http = "asks the model that judges")]
fn quality(input: Input, config: stepwell_ai::Config<Provider, Config>) -> Result<Output, StepError> {
    let (provider, config) = (config.provider, config.step);
    let mut measured = config.rules.measure(&input)?;
    let mut model_version = concat!("quality/", env!("CARGO_PKG_VERSION")).to_owned();
    if let Some(judge) = &config.judge {
        let judged = judge.ask(&provider, &input)?;
        model_version = judged.model_version;
        measured.push(judged.measured);
    }
    let output = total(&measured, config.pass)?;
    decision::record(Verdict {
        decided: json!({"score": output.score, "pass": output.pass}),
        confidence: None,
        explanation: Some(output.explanation.clone()),
        model_version,
    });
    Ok(output)
}

/// The mean by weight.
fn total(measured: &[Measured], pass: f64) -> Result<Output, StepError> {
    let weight: f64 = measured.iter().map(|one| one.weight).sum();
    if measured.is_empty() || weight <= 0.0 {
        let message =
            "nothing is measured: give a rule or a judge, and at least one of them a `weight` above 0";
        return Err(StepError::permanent(message));
    }
    let sum: f64 = measured.iter().map(|one| one.score * one.weight).sum();
    let score = rounded(sum / weight);
    let falls_short = |one: &Measured| one.at_least.is_some_and(|least| one.score < least);
    let mut scores = Map::new();
    let mut said = Vec::new();
    for one in measured {
        let score = Value::from(rounded(one.score));
        said.push([one.name, " ", &score.to_string(), ": ", &one.why].concat());
        scores.insert(one.name.to_owned(), score);
    }
    let pass = score >= pass && !measured.iter().any(falls_short);
    Ok(Output { score, scores, pass, explanation: said.join("; ") })
}

/// A number as JSON writes it: other ways to write numbers would come into the component beside this one.
fn written(number: f64) -> String {
    Value::from((number * 100.0).round() / 100.0).to_string()
}

/// To three places, within 0 and 1.
fn rounded(score: f64) -> f64 {
    (score.clamp(0.0, 1.0) * 1000.0).round() / 1000.0
}
