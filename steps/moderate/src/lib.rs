//! Finds what should not be in a text or an image, and decides what that means.
//!
//! The provider gives a score for each category; the config says from which score on a category is flagged, or worth a person's look.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_ai::moderate::{self, Finding, Findings, Provider};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::decision::{self, Verdict};

type Config = stepwell_ai::Config<Provider, Own>;

/// Who judges, and how strictly.
#[derive(Deserialize, JsonSchema)]
struct Own {
    /// By category, as the provider names it, or `*` for every other: flagged from this score on (0 to 1). Without one, the provider's own word counts.
    #[serde(default)]
    thresholds: BTreeMap<String, f64>,
    /// The same for what is not flagged but should be looked at: the verdict is then `review`.
    #[serde(default)]
    review: BTreeMap<String, f64>,
}

/// What to judge: all of it together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// A text.
    text: Option<String>,
    /// Several texts.
    #[serde(default)]
    texts: Vec<String>,
    /// Images, of up to 20 MB: where the provider takes some.
    #[serde(default)]
    images: Vec<Blob>,
}

/// What was found.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// Whether any category is flagged.
    flagged: bool,
    /// What it comes to.
    verdict: Ruling,
    /// Every category, by the provider's name for it.
    categories: BTreeMap<String, Category>,
    /// The model, as it names itself.
    model: String,
}

/// What it comes to.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Ruling {
    /// Nothing is flagged.
    Allow,
    /// Nothing is flagged, but something should be looked at.
    Review,
    /// Something is flagged.
    Block,
}

/// One category.
#[derive(Serialize, JsonSchema)]
struct Category {
    /// 0 to 1: of several texts and images, the highest.
    score: f64,
    /// Whether it is flagged.
    flagged: bool,
}

#[stepwell_sdk::step(http = "sends the texts and images to the provider's moderation API")]
fn moderate(input: Input, config: Config) -> Result<Output, StepError> {
    let texts = input.text.iter().chain(&input.texts).map(String::as_str);
    let texts: Vec<&str> = texts.filter(|text| !text.trim().is_empty()).collect();
    if texts.is_empty() && input.images.is_empty() {
        return Err(StepError::invalid_input(
            "give a `text`, `texts` or `images`: there is nothing to judge",
        ));
    }
    let endpoint = config.provider.endpoint()?;
    let findings = moderate::judge(config.provider.provider, &endpoint, &texts, &input.images)?;
    check_names(&findings, config.step.thresholds.keys().chain(config.step.review.keys()))?;
    let output = ruled(&findings, &config);
    record(&output, endpoint.provider());
    Ok(output)
}

/// A threshold of a category that does not exist would never be reached.
fn check_names<'a>(
    findings: &Findings,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), StepError> {
    let is_unknown = |name: &&String| *name != "*" && !findings.categories.contains_key(*name);
    match names.find(is_unknown) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = findings.categories.keys().map(String::as_str).collect();
            let model = &findings.model;
            let message = format!("the config names the category `{name}`: {model} has {}", known.join(", "));
            Err(StepError::permanent(message))
        }
    }
}

fn ruled(findings: &Findings, config: &Config) -> Output {
    let is_flagged = |name: &str, finding: &Finding| match least(&config.step.thresholds, name) {
        Some(least) => finding.score >= least,
        None => finding.flagged,
    };
    let needs_review = |(name, finding): (&String, &Finding)| {
        least(&config.step.review, name).is_some_and(|least| finding.score >= least)
    };
    let category = |(name, finding): (&String, &Finding)| {
        (name.clone(), Category { score: finding.score, flagged: is_flagged(name, finding) })
    };
    let categories: BTreeMap<String, Category> = findings.categories.iter().map(category).collect();
    let flagged = categories.values().any(|category| category.flagged);
    let verdict = match flagged {
        true => Ruling::Block,
        false if findings.categories.iter().any(needs_review) => Ruling::Review,
        false => Ruling::Allow,
    };
    Output { flagged, verdict, categories, model: findings.model.clone() }
}

fn least(thresholds: &BTreeMap<String, f64>, name: &str) -> Option<f64> {
    thresholds.get(name).or_else(|| thresholds.get("*")).copied()
}

/// What is blocked is as sure as the highest score of what is flagged; what is not, as sure as the highest of all is low.
fn record(output: &Output, provider: &str) {
    let highest = |flagged: bool| {
        let counted = output.categories.iter().filter(|(_, category)| !flagged || category.flagged);
        counted.max_by(|a, b| a.1.score.total_cmp(&b.1.score))
    };
    let Some((name, category)) = highest(output.flagged) else { return };
    let score = category.score.clamp(0.0, 1.0);
    let flagged = output.categories.iter().filter(|(_, category)| category.flagged);
    let flagged: Vec<String> =
        flagged.map(|(name, category)| format!("{name} {:.2}", category.score)).collect();
    let explanation = match output.flagged {
        true => format!("flagged: {}", flagged.join(", ")),
        false => format!("the highest score is {name} {score:.2}"),
    };
    decision::record(Verdict {
        decided: json!(output.verdict),
        confidence: Some(if output.flagged { score } else { 1.0 - score }),
        explanation: Some(explanation),
        model_version: format!("{provider}/{}", output.model),
    });
}
