//! Fills in a JSON Schema from a text, and shows where in the text each value stands.
//!
//! A model is asked for the values and, word for word, what each was read from. It is not believed: the step looks for each quote in the text. Where a quote is not
//! there, the value is reported as unverified.

mod question;
mod quote;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_ai::chat::{Chat, Provider, ResponseFormat};
use stepwell_ai::schema::Schema;
use stepwell_sdk::{StepError, warn};

use quote::Haystack;

/// What is to be read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The text.
    #[schemars(length(min = 1))]
    text: String,
}

/// What is wanted.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// JSON Schema of the fields: an object. What the text may not tell should allow null, or not be required.
    schema: Value,
    /// What the model should know besides: what the texts are, how a value is to be written.
    instructions: Option<String>,
    /// How much chance there is in the answer; null for the provider's default, which some models insist on.
    #[serde(default = "none_at_all")]
    temperature: Option<f64>,
    /// The most tokens to write: enough for the fields and as much again for the quotes.
    max_tokens: Option<u32>,
    /// How the server is told what to answer.
    #[serde(default)]
    response_format: ResponseFormat,
}

/// What was found.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The fields, as the schema has them.
    fields: Value,
    /// Where each value stands in the text, by the value's JSON pointer into `fields`: `/total`, `/items/0/price`.
    spans: BTreeMap<String, Span>,
    /// The values that the text does not prove: what the model quotes for them is not there, or it quotes nothing.
    unverified: Vec<Unverified>,
    /// The model that read it, as it names itself.
    model: String,
}

/// A place in the text.
#[derive(Serialize, JsonSchema)]
struct Span {
    /// Of its first character, counted from 0 in Unicode characters.
    start: usize,
    /// Behind its last character.
    end: usize,
    /// What stands there.
    text: String,
}

/// A value without a place in the text.
#[derive(Serialize, JsonSchema)]
struct Unverified {
    /// Its JSON pointer into `fields`.
    field: String,
    /// What the model says that it read, if it says so.
    quote: Option<String>,
}

#[stepwell_sdk::step(http = "sends the text to the language model's API")]
fn extract(input: Input, config: stepwell_ai::Config<Provider, Config>) -> Result<Output, StepError> {
    if input.text.trim().is_empty() {
        return Err(StepError::invalid_input("`text` is empty: there is nothing to extract"));
    }
    Schema::new(&config.step.schema)?;
    let chat = Chat::new(&config.provider)?;
    let schema = question::schema(&config.step.schema);
    let mut ask = question::ask(&input.text, &config.step, &schema);
    let fitting = chat.fitting(&mut ask, &Schema::new(&schema)?, None)?;

    let fields = fitting.answer["fields"].clone();
    let quotes = question::quotes(&fitting.answer);
    let (spans, unverified) = verify(&input.text, &fields, &quotes);
    Ok(Output { fields, spans, unverified, model: fitting.completion.model })
}

/// Looks for each value's quote in the text.
fn verify(
    text: &str,
    fields: &Value,
    quotes: &BTreeMap<String, &str>,
) -> (BTreeMap<String, Span>, Vec<Unverified>) {
    let haystack = Haystack::new(text);
    let (mut spans, mut unverified) = (BTreeMap::new(), Vec::new());
    for field in leaves(fields) {
        let quote = quotes.get(&field).copied();
        match quote.and_then(|quote| haystack.find(quote)) {
            Some((start, end, text)) => {
                spans.insert(field, Span { start, end, text });
            }
            None => {
                warn!(field, quote, "the text does not prove this value");
                unverified.push(Unverified { field, quote: quote.map(str::to_owned) });
            }
        }
    }
    (spans, unverified)
}

/// The JSON pointers of all values that are neither null, lists nor objects.
fn leaves(fields: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![(String::new(), fields)];
    while let Some((place, value)) = rest.pop() {
        match value {
            Value::Null => (),
            Value::Object(fields) => rest.extend(fields.iter().rev().map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                ([&place, "/", &name].concat(), value)
            })),
            Value::Array(items) => rest.extend(
                items.iter().enumerate().rev().map(|(index, item)| (format!("{place}/{index}"), item)),
            ),
            _ => found.push(place),
        }
    }
    found
}

fn none_at_all() -> Option<f64> {
    Some(0.0)
}
