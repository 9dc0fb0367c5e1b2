//! Asks a language model, of whichever provider.
//!
//! With a schema, the step's output is the model's answer itself, proved to fit; a model that misses is told why and asked
//! once more. What each call cost and what was decided is recorded with the attempt.

mod config;
mod memory;
mod record;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_ai::chat::{Ask, Chat, Completion, Format, Message, News, Provider, Role};
use stepwell_ai::schema::Schema;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::{StepError, progress};

use config::Config;
use memory::Conversation;

/// What to ask: a prompt or a conversation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// One message of the user.
    prompt: Option<String>,
    /// A conversation so far, the oldest message first. The config's system text comes before it.
    messages: Option<Vec<Message>>,
    /// Images that the model is shown with the user's last message: PNG, JPEG, WebP or, but for Gemini, GIF; 3.75 MiB each with Anthropic, 20 MiB with others, and
    /// all together what the node's `limits.sent_bytes` lets through: 12 MiB of images with its 16 MiB.
    #[serde(default)]
    images: Vec<Blob>,
    /// The name of a conversation to go on with, such as the customer's number: what was said in it is told before, and remembered behind. Needs a grant of `state`.
    #[schemars(length(min = 1, max = 200))]
    conversation: Option<String>,
}

#[stepwell_sdk::step(
    http = "sends the messages to the language model's API",
    state = "remembers conversations, of inputs that name one"
)]
fn llm_chat(input: Input, config: stepwell_ai::Config<Provider, Config>) -> Result<Value, StepError> {
    let chat = Chat::new(&config.provider)?;
    let config = config.step;
    let schema = config.schema.as_ref().map(Schema::new).transpose()?;
    let said = said(input.prompt, input.messages, &input.images, &chat)?;
    let conversation = input.conversation.map(|id| Conversation::open(&id, &config.memory)).transpose()?;

    let before = conversation.as_ref().map_or(&[][..], Conversation::said);
    let mut ask = ask(&config, before, &said);
    let (output, completion) = answer(&chat, &mut ask, schema, &config)?;
    if let Some(conversation) = conversation {
        let answer = Message::new(Role::Assistant, completion.text);
        conversation.add(&said.into_iter().chain([answer]).collect::<Vec<_>>())?;
    }
    Ok(output)
}

/// What is said now, with the images beside the last of what the user says.
fn said(
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    images: &[Blob],
    chat: &Chat<'_>,
) -> Result<Vec<Message>, StepError> {
    let mut said = match (prompt, messages) {
        (Some(prompt), None) => vec![Message::user(prompt)],
        (None, Some(messages)) if !messages.is_empty() => messages,
        (None, Some(_)) => {
            return Err(StepError::invalid_input("`messages` is empty: there is nothing to answer"));
        }
        _ => return Err(StepError::invalid_input("give either `prompt` or `messages`")),
    };
    if !images.is_empty() {
        let last = said.iter_mut().rfind(|message| message.role == Role::User);
        let last = last.ok_or_else(|| {
            StepError::invalid_input("`images` need a message of the role `user` to be shown with")
        })?;
        last.images = chat.images(images)?;
    }
    Ok(said)
}

fn ask<'a>(config: &'a Config, before: &[Message], said: &[Message]) -> Ask<'a> {
    let examples = config.examples.iter().flat_map(|example| example.messages());
    Ask {
        system: config.system.clone(),
        messages: examples.chain(before.iter().chain(said).cloned()).collect(),
        temperature: config.temperature,
        max_tokens: config.max_tokens,
        format: config.schema.as_ref().map(|schema| Format { schema, told: config.response_format }),
    }
}

/// The step's output, and the answer that it is made of.
fn answer(
    chat: &Chat<'_>,
    ask: &mut Ask<'_>,
    schema: Option<Schema<'_>>,
    config: &Config,
) -> Result<(Value, Completion), StepError> {
    let mut news = show;
    let Some(schema) = schema else {
        let completion = match config.stream {
            true => chat.stream(ask, &mut news)?,
            false => chat.complete(ask)?,
        };
        return Ok((json!({"text": completion.text, "model": completion.model}), completion));
    };
    let news: Option<&mut dyn FnMut(News<'_>)> = if config.stream { Some(&mut news) } else { None };
    let fitting = chat.fitting(ask, &schema, news)?;
    if let Some(rule) = &config.decision {
        record::decision(rule, &fitting.answer, chat.model_version(&fitting.completion));
    }
    Ok((fitting.answer, fitting.completion))
}

fn show(news: News<'_>) {
    match news {
        News::Text(text) => progress::emit(&json!({"text": text})),
        News::Again => progress::emit(&json!({"again": true})),
    }
}
