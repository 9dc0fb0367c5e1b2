//! OpenAI's chat completions, and the servers that speak as they do.

use serde_json::{Value, json};

use super::draft::{Draft, End};
use super::image::Limits;
use super::{Ask, Dialect, Format, Message, ResponseFormat, items, object, text};
use crate::{Used, schema};

/// A server of chat completions.
#[derive(Debug)]
pub(super) struct Completions {
    /// What it calls the most tokens to write. OpenAI's newer models refuse the older name, which everybody else knows.
    max_tokens: &'static str,
    /// Whether it takes no schema but an object's.
    objects_alone: bool,
}

pub(super) const OPENAI: Completions =
    Completions { max_tokens: "max_completion_tokens", objects_alone: true };
pub(super) const COMPATIBLE: Completions = Completions { max_tokens: "max_tokens", objects_alone: false };

impl Dialect for Completions {
    fn path(&self, _: &str, _: bool) -> String {
        "/chat/completions".into()
    }

    fn body(&self, model: &str, ask: &Ask<'_>, stream: bool) -> Value {
        let in_words = ask.format.is_some_and(|format| format.in_words(self.objects_alone));
        let system = ask.told_before(in_words).map(|text| json!({"role": "system", "content": text}));
        let messages: Vec<Value> = system.into_iter().chain(ask.messages.iter().map(message)).collect();
        object(&mut [
            ("model", Some(model.into())),
            ("messages", Some(messages.into())),
            ("temperature", ask.temperature.map(Into::into)),
            (self.max_tokens, ask.max_tokens.map(Into::into)),
            ("response_format", ask.format.filter(|_| !in_words).and_then(response_format)),
            ("stream", stream.then(|| true.into())),
            ("stream_options", stream.then(|| json!({"include_usage": true}))),
        ])
    }

    fn read(&self, answer: &Value, draft: &mut Draft) {
        take(answer, "message", draft);
    }

    /// The last is `[DONE]`, which is no JSON. Behind the reason for the end comes what was used up.
    fn event(&self, event: &Value, draft: &mut Draft) -> bool {
        take(event, "delta", draft);
        false
    }

    fn images(&self) -> Limits {
        Limits { size: 20 << 20, gif: true, pdf: false }
    }
}

fn message(message: &Message) -> Value {
    if message.images.is_empty() {
        return json!({"role": message.role, "content": message.content});
    }
    let text = json!({"type": "text", "text": message.content});
    let images =
        message.images.iter().map(|image| json!({"type": "image_url", "image_url": {"url": image.url()}}));
    let parts: Vec<Value> = std::iter::once(text).chain(images).collect();
    json!({"role": message.role, "content": parts})
}

/// `strict` makes the provider decode within the schema; it is refused for schemas that it cannot decode within.
fn response_format(format: Format<'_>) -> Option<Value> {
    let schema = format.schema;
    match format.told {
        ResponseFormat::JsonSchema => {
            let strict = schema::is_strict(schema);
            Some(
                json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": schema}}),
            )
        }
        ResponseFormat::JsonObject => Some(json!({"type": "json_object", "schema": schema})),
        ResponseFormat::Prompt => None,
    }
}

/// Whole answers and events differ in nothing but where the message stands. A whole answer may leave out why it ended.
fn take(document: &Value, place: &str, draft: &mut Draft) {
    if let Some(model) = document.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()) {
        draft.model = Some(model.into());
    }
    if let Some(usage) = document.get("usage").filter(|usage| usage.is_object()) {
        draft.used = Some(used(usage));
    }
    let Some(choice) = items(document, "/choices").first() else { return };
    let said = choice.get(place).unwrap_or(&Value::Null);
    draft.text.push_str(text(said, "/content"));
    draft.refusal.push_str(text(said, "/refusal"));
    if let Some(tool) = items(said, "/tool_calls").first() {
        draft.tool.get_or_insert_with(|| text(tool, "/function/name").into());
    }
    match text(choice, "/finish_reason") {
        "" => (),
        reason @ "length" => draft.ended(reason, End::Length),
        reason @ "content_filter" => draft.ended(reason, End::Refused),
        reason => draft.ended(reason, End::Whole),
    }
}

fn used(usage: &Value) -> Used {
    let count = |place: &str| usage.pointer(place).and_then(Value::as_u64).unwrap_or(0);
    Used {
        input_tokens: count("/prompt_tokens"),
        cached_tokens: count("/prompt_tokens_details/cached_tokens"),
        output_tokens: count("/completion_tokens"),
        units: 0.0,
    }
}
