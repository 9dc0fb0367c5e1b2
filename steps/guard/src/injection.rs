//! Words that try to command a model.
//!
//! A filter of known phrases, seen through the usual disguises: letters that only look like others, characters that are not shown, words spelt with spaces between the letters or in
//! digits, and base64. It knows nothing of meaning. What is phrased in a new way passes, and a text about prompt injection does not: it makes attacks dearer, and does
//! not make a model's powers safe.

mod disguise;
mod rules;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use crate::Then;
use crate::content::Text;
use crate::finding::Finding;
use rules::{Rule, Rules};

/// How words that command are looked for, in the text and in what the checks leave of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is done from the threshold on. `redact` puts `[REMOVED]` in the place of all that was found, and blocks if what is left still reaches the threshold.
    #[serde(default = "block")]
    pub(crate) then: Then,
    /// From which score on, 0 to 1: `0.6` where it is left out. The score of a text is the chance that at least one of its findings is meant, if each one's score is its own.
    #[serde(default = "threshold")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) threshold: f64,
    /// Rules beside the step's own.
    #[serde(default)]
    rules: Vec<Rule>,
}

fn block() -> Then {
    Then::Block
}

fn threshold() -> f64 {
    0.6
}

/// What was found in all texts.
pub(crate) struct Found {
    pub(crate) score: f64,
    /// By text.
    pub(crate) findings: Vec<Vec<Finding>>,
}

impl Found {
    pub(crate) fn is_over(&self, config: &Config) -> bool {
        self.score >= config.threshold && self.score > 0.0
    }
}

pub(crate) fn look(config: &Config, texts: &[Text]) -> Result<Found, StepError> {
    let rules = Rules::with(&config.rules)?;
    let findings: Vec<Vec<Finding>> = texts.iter().map(|text| in_text(&rules, text)).collect();
    // Many times the same phrase is no more than once.
    let mut scores = BTreeMap::new();
    for finding in findings.iter().flatten() {
        let rule = finding.what.split(" (").next().unwrap_or_default();
        let score: &mut f64 = scores.entry(rule).or_default();
        *score = score.max(finding.score);
    }
    let none_is_meant: f64 = scores.values().map(|score| 1.0 - score.clamp(0.0, 1.0)).product();
    let score = ((1.0 - none_is_meant) * 1000.0).round() / 1000.0;
    Ok(Found { score, findings })
}

fn in_text(rules: &Rules, text: &Text) -> Vec<Finding> {
    let finding = |(span, what, score): (Range<usize>, String, f64)| {
        Finding::new("injection", &text.pointer, span, what, score)
    };
    disguise::look(rules, &text.chars).into_iter().map(finding).collect()
}
