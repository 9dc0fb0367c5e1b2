//! OpenAI's responses.

use serde_json::{Value, json};

use super::draft::{Draft, End};
use super::image::Limits;
use super::{Ask, Dialect, Message, Role, items, object, text};
use crate::{Used, schema};

#[derive(Debug)]
pub(super) struct Responses;

impl Dialect for Responses {
    fn path(&self, _: &str, _: bool) -> String {
        "/responses".into()
    }

    /// `store` is off: what is asked is kept in the run's journal, and nowhere else.
    fn body(&self, model: &str, ask: &Ask<'_>, stream: bool) -> Value {
        let in_words = ask.format.is_some_and(|format| format.in_words(true));
        let constrained = ask.format.filter(|_| !in_words).map(|format| {
            let strict = schema::is_strict(format.schema);
            json!({"format": {"type": "json_schema", "name": "answer", "strict": strict, "schema": format.schema}})
        });
        object(&mut [
            ("model", Some(model.into())),
            ("instructions", ask.told_before(in_words).map(Into::into)),
            ("input", Some(ask.messages.iter().map(message).collect())),
            ("temperature", ask.temperature.map(Into::into)),
            ("max_output_tokens", ask.max_tokens.map(Into::into)),
            ("text", constrained),
            ("store", Some(false.into())),
            ("stream", stream.then(|| true.into())),
        ])
    }

    fn read(&self, answer: &Value, draft: &mut Draft) {
        head(answer, draft);
        if let status @ ("queued" | "in_progress") = text(answer, "/status") {
            draft.ended(status, End::Failed);
        }
        for item in items(answer, "/output") {
            for part in items(item, "/content") {
                // What a model thinks has a text, too.
                match text(part, "/type") {
                    "output_text" => draft.text.push_str(text(part, "/text")),
                    "refusal" => draft.refusal.push_str(text(part, "/refusal")),
                    _ => (),
                }
            }
            tool(item, draft);
        }
    }

    /// The last event holds the whole answer again: of that, only what the pieces did not tell is taken.
    fn event(&self, event: &Value, draft: &mut Draft) -> bool {
        let kind = text(event, "/type");
        match kind {
            "response.output_text.delta" => draft.text.push_str(text(event, "/delta")),
            "response.refusal.delta" => draft.refusal.push_str(text(event, "/delta")),
            "response.output_item.done" => tool(&event["item"], draft),
            "response.created" | "response.completed" | "response.incomplete" | "response.failed" => {
                head(&event["response"], draft);
            }
            _ => (),
        }
        matches!(kind, "response.completed" | "response.incomplete" | "response.failed")
    }

    fn images(&self) -> Limits {
        Limits { size: 20 << 20, gif: true, pdf: false }
    }
}

fn message(message: &Message) -> Value {
    if message.images.is_empty() || message.role != Role::User {
        return json!({"role": message.role, "content": message.content});
    }
    let text = json!({"type": "input_text", "text": message.content});
    let images = message
        .images
        .iter()
        .map(|image| json!({"type": "input_image", "image_url": image.url(), "detail": "auto"}));
    let parts: Vec<Value> = std::iter::once(text).chain(images).collect();
    json!({"role": message.role, "content": parts})
}

/// What stands beside the output. A failure is told as an error inside.
fn head(answer: &Value, draft: &mut Draft) {
    if let Some(model) = answer.get("model").and_then(Value::as_str) {
        draft.model = Some(model.into());
    }
    if let Some(usage) = answer.get("usage").filter(|usage| usage.is_object()) {
        draft.used = Some(used(usage));
    }
    match (text(answer, "/status"), text(answer, "/incomplete_details/reason")) {
        ("completed", _) => draft.ended("completed", End::Whole),
        (_, reason @ "content_filter") => draft.ended(reason, End::Refused),
        ("incomplete", reason) => draft.ended(reason, End::Length),
        (status @ ("failed" | "cancelled"), _) => draft.ended(status, End::Failed),
        _ => (),
    }
}

fn tool(item: &Value, draft: &mut Draft) {
    if text(item, "/type") == "function_call" {
        draft.tool = Some(text(item, "/name").into());
    }
}

fn used(usage: &Value) -> Used {
    let count = |place: &str| usage.pointer(place).and_then(Value::as_u64).unwrap_or(0);
    Used {
        input_tokens: count("/input_tokens"),
        cached_tokens: count("/input_tokens_details/cached_tokens"),
        output_tokens: count("/output_tokens"),
        units: 0.0,
    }
}
