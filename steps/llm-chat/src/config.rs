//! What a workflow fixes for a node that asks a model.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stepwell_ai::chat::{Example, ResponseFormat};

/// What the step is told beside whom to ask.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// What the model is told before everything else.
    pub(crate) system: Option<String>,
    /// Questions with the answers that are wanted to them, told before the conversation.
    #[serde(default)]
    pub(crate) examples: Vec<Example>,
    /// 0 for the likeliest answer, where the model takes that: newer ones do not; the provider's default where it is left out.
    pub(crate) temperature: Option<f64>,
    /// The most tokens to write, 4096 with Anthropic where it is left out and the provider's default with others; an answer that is cut there is an error.
    pub(crate) max_tokens: Option<u32>,
    /// JSON Schema of the answer. With it the output is the answer itself: an object's fields are the output's fields.
    pub(crate) schema: Option<Value>,
    /// How the server is told of the schema.
    #[serde(default)]
    pub(crate) response_format: ResponseFormat,
    /// Whether those who watch the run are shown the answer while it comes: each piece is a progress chunk `{"text": "..."}`. The output is the same.
    #[serde(default)]
    pub(crate) stream: bool,
    /// How much of a conversation is remembered, for inputs that name one.
    #[serde(default)]
    pub(crate) memory: Memory,
    /// Which parts of an answer with a schema make the audit record; null for none.
    #[serde(default = "default_decision")]
    pub(crate) decision: Option<Decision>,
}

/// What is kept of a conversation, under the key `<prefix><conversation>`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    /// What its key begins with; the node's grant must cover it.
    pub(crate) prefix: String,
    /// The most messages that are kept: the oldest are forgotten. The last question and its answer are kept in any case, but for 0.
    pub(crate) messages: usize,
    /// The most characters that are kept in all. If the last question and its answer have more, the beginning of each is kept.
    pub(crate) characters: usize,
    /// Seconds after its last message at which it is forgotten; 0 for never.
    pub(crate) ttl_seconds: u64,
}

impl Default for Memory {
    fn default() -> Self {
        let thirty_days = 30 * 24 * 3600;
        Self { prefix: "conversations/".into(), messages: 20, characters: 16_000, ttl_seconds: thirty_days }
    }
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

fn default_decision() -> Option<Decision> {
    Some(Decision::default())
}
