//! The measures that are computed.

mod cites;
mod length;
mod overlap;
mod readability;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stepwell_sdk::StepError;

use crate::{Input, Measured, text};

/// Measures that are computed; each is made if it stands here.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// How long it is: 1 within the bounds, less the farther it is outside.
    length: Option<length::Rule>,
    /// How easy it is to read (Flesch): 1 from `ease` on.
    readability: Option<readability::Rule>,
    /// Phrases that stand in it: the share of those that do, in whatever case.
    required: Option<Phrases>,
    /// Phrases that do not: 0 as soon as one stands in it, in whatever case.
    forbidden: Option<Phrases>,
    /// Places in its JSON that hold something: the share of those that do.
    fields: Option<Fields>,
    /// How much it has in common with `reference`.
    overlap: Option<overlap::Rule>,
    /// Whether its quotations stand in `source`, word for word: the share of those that do.
    cites: Option<cites::Rule>,
}

/// Phrases to look for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Phrases {
    /// As they are written, but for the case.
    #[schemars(length(min = 1))]
    phrases: Vec<String>,
    /// How much the measure counts.
    #[serde(default = "one")]
    weight: f64,
    /// Below this, the output does not pass, whatever the total.
    at_least: Option<f64>,
}

/// Places in JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// JSON pointers. Null, and empty texts, lists and objects, are nothing.
    #[schemars(length(min = 1))]
    pointers: Vec<String>,
    /// How much the measure counts.
    #[serde(default = "one")]
    weight: f64,
    /// Below this, the output does not pass, whatever the total.
    at_least: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl Rules {
    pub(crate) fn measure(&self, input: &Input) -> Result<Vec<Measured>, StepError> {
        let said = text::of(&input.output);
        let mut measured = Vec::new();
        if let Some(rule) = &self.length {
            measured.push(rule.measure(&said));
        }
        if let Some(rule) = &self.readability {
            measured.push(rule.measure(&said));
        }
        if let Some(rule) = &self.required {
            measured.push(rule.required(&said));
        }
        if let Some(rule) = &self.forbidden {
            measured.push(rule.forbidden(&said));
        }
        if let Some(rule) = &self.fields {
            measured.push(rule.measure(&input.output));
        }
        if let Some(rule) = &self.overlap {
            measured.push(rule.measure(&said, needed(input.reference.as_deref(), "reference", "overlap")?));
        }
        if let Some(rule) = &self.cites {
            measured.push(rule.measure(
                &input.output,
                &said,
                needed(input.source.as_deref(), "source", "cites")?,
            ));
        }
        Ok(measured)
    }
}

fn needed<'a>(text: Option<&'a str>, field: &str, rule: &str) -> Result<&'a str, StepError> {
    text.ok_or_else(|| {
        StepError::invalid_input(format!(
            "/{field}: the rule `{rule}` holds the output against it, and it is not there"
        ))
        .detail([format!("/{field}")])
    })
}

impl Phrases {
    fn required(&self, said: &str) -> Measured {
        let missing = self.those(said, false);
        let score = share(self.phrases.len() - missing.len(), self.phrases.len());
        self.measured("required", score, "all phrases stand in it", "lacks", &missing)
    }

    fn forbidden(&self, said: &str) -> Measured {
        let found = self.those(said, true);
        let score = if found.is_empty() { 1.0 } else { 0.0 };
        self.measured("forbidden", score, "none of the phrases stands in it", "says", &found)
    }

    /// Those that stand in it, or those that do not.
    fn those(&self, said: &str, stands: bool) -> Vec<&str> {
        let said = said.to_lowercase();
        let phrases = self.phrases.iter().filter(|phrase| said.contains(&phrase.to_lowercase()) == stands);
        phrases.map(String::as_str).collect()
    }

    fn measured(&self, name: &'static str, score: f64, good: &str, bad: &str, which: &[&str]) -> Measured {
        let why = if which.is_empty() { good.into() } else { format!("{bad} `{}`", which.join("`, `")) };
        Measured { name, score, weight: self.weight, at_least: self.at_least, why }
    }
}

impl Fields {
    fn measure(&self, output: &Value) -> Measured {
        let parsed = output.as_str().and_then(|text| serde_json::from_str(text).ok());
        let document = parsed.as_ref().unwrap_or(output);
        let is_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let is_missing = |pointer: &&String| document.pointer(pointer).is_none_or(is_nothing);
        let missing: Vec<&str> = self.pointers.iter().filter(is_missing).map(String::as_str).collect();
        let score = share(self.pointers.len() - missing.len(), self.pointers.len());
        let why = if missing.is_empty() {
            "all fields hold something".into()
        } else {
            format!("nothing at `{}`", missing.join("`, `"))
        };
        Measured { name: "fields", score, weight: self.weight, at_least: self.at_least, why }
    }
}

/// Of nothing, all is there.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
