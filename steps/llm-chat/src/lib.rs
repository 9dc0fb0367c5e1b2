//! Asks a language model that speaks OpenAI's chat completions, whoever serves it.
//!
//! With a schema, the step's output is the model's answer itself, proved to fit; a model that misses is told why and asked
//! once more. What each call cost and what was decided is recorded with the attempt.

mod config;
mod record;
mod schema;
#[cfg(test)]
mod tests;
mod wire;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwell_sdk::{StepError, info, warn};

use config::{Config, ResponseFormat};
use schema::Schema;
use wire::{Completion, Message, Role};

/// What to ask: a prompt or a conversation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// One message of the user.
    prompt: Option<String>,
    /// A conversation so far, the oldest message first. The config's system text comes before it.
    messages: Option<Vec<Message>>,
}

/// The output without a schema. With one, the output is the answer itself.
#[derive(Serialize)]
struct Text {
    /// The model's answer.
    text: String,
    /// The model that answered, as it names itself.
    model: String,
}

#[stepwell_sdk::step(http = "sends the messages to the language model's API")]
fn llm_chat(input: Input, config: Config) -> Result<Value, StepError> {
    let mut messages = conversation(input, &config)?;
    let Some(schema) = &config.schema else {
        let completion = wire::complete(&config, &messages)?;
        return Ok(serde_json::to_value(Text { text: completion.text, model: completion.model })?);
    };
    let schema = Schema::new(schema)?;
    let (answer, completion) = fitting_answer(&config, &schema, &mut messages)?;
    record::decision(&config, &answer, &completion.model);
    Ok(answer)
}

fn conversation(input: Input, config: &Config) -> Result<Vec<Message>, StepError> {
    let said = match (input.prompt, input.messages) {
        (Some(prompt), None) => vec![Message::new(Role::User, prompt)],
        (None, Some(messages)) if !messages.is_empty() => messages,
        (None, Some(_)) => {
            return Err(StepError::invalid_input("`messages` is empty: there is nothing to answer"));
        }
        _ => return Err(StepError::invalid_input("give either `prompt` or `messages`")),
    };
    let system = system_text(config).map(|text| Message::new(Role::System, text));
    Ok(system.into_iter().chain(said).collect())
}

/// What the model is told before everything else: the config's text, and the schema where it goes in words.
fn system_text(config: &Config) -> Option<String> {
    let in_words = |schema: &Value| {
        format!("Answer with one JSON document that fits this JSON Schema, and nothing else: {schema}")
    };
    let schema = match config.response_format {
        ResponseFormat::Prompt => config.schema.as_ref().map(in_words),
        ResponseFormat::JsonSchema | ResponseFormat::JsonObject => None,
    };
    let texts: Vec<String> = config.system.iter().cloned().chain(schema).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// Asks until the answer fits, but no more than twice: a model that misses its own mistake will miss it again.
fn fitting_answer(
    config: &Config,
    schema: &Schema<'_>,
    messages: &mut Vec<Message>,
) -> Result<(Value, Completion), StepError> {
    let first = wire::complete(config, messages)?;
    let violations = match check(schema, &first.text) {
        Ok(answer) => return Ok((answer, first)),
        Err(violations) => violations,
    };
    info!(violations, "the answer does not fit the schema: asking once more");
    messages.push(Message::new(Role::Assistant, first.text));
    messages.push(Message::new(Role::User, correction(&violations)));

    let second = wire::complete(config, messages)?;
    match check(schema, &second.text) {
        Ok(answer) => Ok((answer, second)),
        Err(violations) => {
            warn!(violations, "the second answer does not fit the schema either");
            let message = format!(
                "{} gave twice an answer that does not fit the schema: {}",
                second.model,
                violations.join("; ")
            );
            Err(StepError::retryable(message)
                .detail(json!({"answer": second.text, "violations": violations})))
        }
    }
}

fn check(schema: &Schema<'_>, text: &str) -> Result<Value, Vec<String>> {
    let answer = serde_json::from_str(without_fence(text))
        .map_err(|error| vec![format!("it is not JSON: {error}")])?;
    let violations = schema.violations(&answer);
    if violations.is_empty() { Ok(answer) } else { Err(violations) }
}

/// Models without constrained decoding like to wrap JSON as Markdown.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let fenced = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    fenced.map_or(text, |text| text.strip_prefix("json").unwrap_or(text))
}

fn correction(violations: &[String]) -> String {
    format!(
        "Your answer does not fit the schema: {}. Answer again with one JSON document that fits it, and nothing else.",
        violations.join("; ")
    )
}
