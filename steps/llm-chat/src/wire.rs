//! The chat completions API: one request, and what can come back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use crate::config::{Config, ResponseFormat};
use crate::record;
use crate::schema;

/// Who said something.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    User,
    Assistant,
}

/// One message of a conversation.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// Who said it.
    role: Role,
    /// What was said.
    content: String,
}

/// A whole answer of the model.
pub(crate) struct Completion {
    pub(crate) text: String,
    /// As the model names itself: often more exact than what was asked for.
    pub(crate) model: String,
}

/// Tokens of one call.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

#[derive(Deserialize)]
struct Answer {
    model: Option<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
}

impl Message {
    pub(crate) fn new(role: Role, content: String) -> Self {
        Self { role, content }
    }
}

/// Asks once, and records what it cost.
pub(crate) fn complete(config: &Config, messages: &[Message]) -> Result<Completion, StepError> {
    let response = request(config, messages).send()?;
    if response.status != 200 {
        return Err(refused(&response));
    }
    let answer: Answer = response.json()?;
    let model = answer.model.unwrap_or_else(|| config.model.clone());
    record::cost(config, &model, answer.usage);
    let Some(choice) = answer.choices.into_iter().next() else {
        return Err(StepError::retryable(format!("{model} gave no answer: `choices` is empty")));
    };
    Ok(Completion { text: whole_text(choice, &model)?, model })
}

fn request(config: &Config, messages: &[Message]) -> Request {
    let mut body = json!({"model": config.model, "messages": messages});
    if let Some(temperature) = config.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(max_tokens) = config.max_tokens {
        body["max_tokens"] = json!(max_tokens);
    }
    if let Some(format) = config.schema.as_ref().and_then(|schema| response_format(config, schema)) {
        body["response_format"] = format;
    }
    for (name, value) in &config.extra {
        body[name] = value.clone();
    }
    let mut request =
        http::post(format!("{}/chat/completions", config.base_url.trim_end_matches('/'))).json(&body);
    if let Some(secret) = &config.api_key_secret {
        request = request.bearer_secret(secret);
    }
    match config.timeout_ms {
        Some(milliseconds) => request.timeout(Duration::from_millis(milliseconds)),
        None => request,
    }
}

/// `strict` makes the provider decode within the schema; it is refused for schemas that leave objects open.
fn response_format(config: &Config, schema: &Value) -> Option<Value> {
    match config.response_format {
        ResponseFormat::JsonSchema => {
            let strict = schema::is_closed(schema);
            Some(
                json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": schema}}),
            )
        }
        ResponseFormat::JsonObject => Some(json!({"type": "json_object", "schema": schema})),
        ResponseFormat::Prompt => None,
    }
}

/// The provider's own words, where it has some.
fn refused(response: &Response) -> StepError {
    #[derive(Deserialize)]
    struct Refusal {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: String,
    }

    let mut error = response.to_error();
    if let Ok(refusal) = response.json::<Refusal>() {
        error.message = format!("{}: {}", error.message, refusal.error.message);
    }
    error
}

/// An answer that was cut or withheld is none.
fn whole_text(choice: Choice, model: &str) -> Result<String, StepError> {
    let text = choice.message.content.unwrap_or_default();
    if let Some(refusal) = choice.message.refusal {
        return Err(StepError::permanent(format!("{model} refused to answer: {refusal}")));
    }
    match choice.finish_reason.as_deref() {
        Some("length") => {
            let message = format!("{model}'s answer was cut: raise `max_tokens`, or ask for less");
            Err(StepError::permanent(message).detail(json!({"answer": text})))
        }
        Some("content_filter") => {
            Err(StepError::permanent(format!("the provider's content filter withheld {model}'s answer")))
        }
        reason if text.trim().is_empty() => {
            let reason = reason.unwrap_or("none");
            Err(StepError::retryable(format!("{model} gave an empty answer (finish reason: {reason})")))
        }
        _ => Ok(text),
    }
}
