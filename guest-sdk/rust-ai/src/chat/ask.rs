//! What a model is asked, in no provider's words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Image;
use crate::schema;

/// One question: a conversation so far, and how it is to be answered.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// What the model is told before everything else.
    pub system: Option<String>,
    /// The oldest first.
    pub messages: Vec<Message>,
    /// 0 for the likeliest answer; the provider's default where it is left out.
    pub temperature: Option<f64>,
    /// The most tokens to write; an answer that is cut there is an error.
    pub max_tokens: Option<u32>,
    /// The shape of the answer, if it is to have one.
    pub format: Option<Format<'a>>,
}

/// The shape of an answer, and how the server is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Format<'a> {
    /// JSON Schema of the answer.
    pub schema: &'a Value,
    /// How the server is told of it.
    pub told: ResponseFormat,
}

/// How a server is told of the answer's schema. Whichever it is, the step checks the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// As the provider's structured outputs want it.
    #[default]
    JsonSchema,
    /// Of servers that are OpenAI-compatible: as a JSON mode that is given the schema beside it, as llama.cpp's servers and others want it.
    JsonObject,
    /// In words, after the system text: for servers that constrain nothing.
    Prompt,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whoever set up the conversation.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// What is shown beside it.
    #[serde(skip)]
    pub images: Vec<Image>,
}

/// A question with the answer that is wanted to it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// As it would be asked.
    pub input: String,
    /// As it should be answered: a text, or JSON.
    pub output: Value,
}

impl Message {
    /// Something that was said.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), images: Vec::new() }
    }

    /// Something that whoever asks said.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }
}

impl Format<'_> {
    /// Whether the schema is told in words, because the config says so or the provider takes no schema but an object's.
    pub(super) fn in_words(&self, objects_alone: bool) -> bool {
        self.told == ResponseFormat::Prompt || (objects_alone && !schema::is_object(self.schema))
    }
}

impl Example {
    /// As a conversation would have it.
    #[must_use]
    pub fn messages(&self) -> [Message; 2] {
        let answer = match &self.output {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        [Message::user(self.input.clone()), Message::new(Role::Assistant, answer)]
    }
}

impl Ask<'_> {
    /// What is said before everything else, and the schema where it goes in words.
    pub(super) fn told_before(&self, schema_in_words: bool) -> Option<String> {
        let words = self.format.filter(|_| schema_in_words).map(|format| {
            let before = "Answer with one JSON document that fits this JSON Schema, and nothing else: ";
            [before, &format.schema.to_string()].concat()
        });
        match (&self.system, words) {
            (Some(system), Some(words)) => Some([system, "\n\n", &words].concat()),
            (system, words) => words.or_else(|| system.clone()),
        }
    }

    /// The same with the system's messages among it, for providers that take them apart from the conversation.
    pub(super) fn told_apart(&self, schema_in_words: bool) -> Option<String> {
        let said = self.messages.iter().filter(|message| message.role == Role::System);
        let texts: Vec<String> = self
            .told_before(schema_in_words)
            .into_iter()
            .chain(said.map(|message| message.content.clone()))
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// What was said by others than the system.
    pub(super) fn said(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role != Role::System)
    }
}
