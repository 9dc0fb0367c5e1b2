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
    required: Option<List>,
    /// Phrases that do not stand in it: 0 as soon as one stands in it, in whatever case.
    forbidden: Option<List>,
    /// JSON pointers to places that hold something: the share of those that do. Null, and empty texts, lists and objects, are nothing.
    fields: Option<List>,
    /// How much it has in common with `reference`.
    overlap: Option<overlap::Rule>,
    /// Whether its quotations stand in `source`, word for word: the share of those that do.
    cites: Option<cites::Rule>,
}

/// Phrases, or JSON pointers, to look for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Each of them.
    #[schemars(length(min = 1))]
    of: Vec<String>,
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
            measured.push(rule.fields(&input.output));
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
        let pointer = ["/", field].concat();
        let message =
            [&pointer, ": the rule `", rule, "` holds the output against it, and it is not there"].concat();
        StepError::invalid_input(message).detail([pointer])
    })
}

impl List {
    fn required(&self, said: &str) -> Measured {
        let said = said.to_lowercase();
        let missing = self.those(|phrase| !said.contains(&phrase.to_lowercase()));
        self.share_without("required", "all phrases stand in it", "lacks", &missing)
    }

    fn forbidden(&self, said: &str) -> Measured {
        let said = said.to_lowercase();
        let found = self.those(|phrase| said.contains(&phrase.to_lowercase()));
        let score = if found.is_empty() { 1.0 } else { 0.0 };
        self.measured("forbidden", score, "none of the phrases stands in it", "says", &found)
    }

    fn fields(&self, output: &Value) -> Measured {
        let parsed = output.as_str().and_then(|text| serde_json::from_str(text).ok());
        let document = parsed.as_ref().unwrap_or(output);
        let missing = self.those(|pointer| document.pointer(pointer).is_none_or(is_nothing));
        self.share_without("fields", "all fields hold something", "nothing at", &missing)
    }

    fn those(&self, f: impl Fn(&str) -> bool) -> Vec<&str> {
        self.of.iter().map(String::as_str).filter(|one| f(one)).collect()
    }

    fn share_without(&self, name: &'static str, good: &str, bad: &str, missing: &[&str]) -> Measured {
        let score = share(self.of.len() - missing.len(), self.of.len());
        self.measured(name, score, good, bad, missing)
    }

    fn measured(&self, name: &'static str, score: f64, good: &str, bad: &str, which: &[&str]) -> Measured {
        let why = if which.is_empty() { good.into() } else { [bad, " `", &which.join("`, `"), "`"].concat() };
        Measured { name, score, weight: self.weight, at_least: self.at_least, why }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Of nothing, all is there.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
