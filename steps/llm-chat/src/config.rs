//! What a workflow fixes for a node that asks a model.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Which model to ask, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The provider's name in usage records.
    #[serde(default = "openai")]
    pub(crate) provider: String,
    /// As the provider names it.
    pub(crate) model: String,
    /// Where the API is; `/chat/completions` is added.
    #[serde(default = "openai_url")]
    pub(crate) base_url: String,
    /// The secret that holds the API key; null for a server that wants none.
    #[serde(default = "openai_key")]
    pub(crate) api_key_secret: Option<String>,
    /// What the model is told before everything else.
    pub(crate) system: Option<String>,
    /// 0 for the likeliest answer; the provider's default where it is left out.
    pub(crate) temperature: Option<f64>,
    /// The most tokens to write; an answer that is cut there is an error.
    pub(crate) max_tokens: Option<u32>,
    /// Milliseconds to wait for one answer; the node's own timeout holds if it is sooner.
    pub(crate) timeout_ms: Option<u64>,
    /// JSON Schema of the answer. With it the output is the answer itself: an object's fields are the output's fields.
    pub(crate) schema: Option<Value>,
    /// How the model is told of the schema.
    #[serde(default)]
    pub(crate) response_format: ResponseFormat,
    /// Further fields of the request, as the provider documents them; they win over this step's own.
    #[serde(default)]
    pub(crate) extra: Map<String, Value>,
    /// What the calls cost, for usage records.
    pub(crate) price: Option<Price>,
    /// Which parts of an answer with a schema make the audit record; null for none.
    #[serde(default = "default_decision")]
    pub(crate) decision: Option<Decision>,
}

/// How a server takes a schema. Whichever it is, the step checks the answer.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseFormat {
    /// As OpenAI's structured outputs do.
    #[default]
    JsonSchema,
    /// As a JSON mode that is given the schema beside it: llama.cpp's servers and others.
    JsonObject,
    /// In words, after the system text: for servers that constrain nothing.
    Prompt,
}

/// US dollars for a million tokens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Read.
    #[schemars(range(min = 0))]
    pub(crate) input_per_million_usd: f64,
    /// Written.
    #[schemars(range(min = 0))]
    pub(crate) output_per_million_usd: f64,
}

/// JSON pointers into the answer. An answer without anything at `label` is no decision and makes no record.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Decision {
    /// To what was decided.
    pub(crate) label: String,
    /// To a number from 0 to 1.
    pub(crate) confidence: String,
    /// To a text that says why.
    pub(crate) explanation: String,
}

impl Default for Decision {
    fn default() -> Self {
        Self { label: "/label".into(), confidence: "/confidence".into(), explanation: "/explanation".into() }
    }
}

impl Price {
    /// Dollars for a million tokens are millionths of a dollar for one.
    pub(crate) fn micro_usd(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let cost = input_tokens as f64 * self.input_per_million_usd
            + output_tokens as f64 * self.output_per_million_usd;
        cost.round() as u64
    }
}

fn openai() -> String {
    "openai".into()
}

fn openai_url() -> String {
    "https://api.openai.com/v1".into()
}

fn openai_key() -> Option<String> {
    Some("OPENAI_API_KEY".into())
}

fn default_decision() -> Option<Decision> {
    Some(Decision::default())
}
