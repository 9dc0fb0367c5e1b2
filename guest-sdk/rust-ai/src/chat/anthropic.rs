//! Anthropic's messages.

use serde_json::{Value, json};

use super::draft::{Draft, End};
use super::image::Limits;
use super::{Ask, Dialect, Message, ResponseFormat, items, object, text};
use crate::{Used, schema};

/// The API wants a number: enough for an answer, and what its oldest models can write.
const DEFAULT_MAX_TOKENS: u32 = 4096;

#[derive(Debug)]
pub(super) struct Anthropic;

impl Dialect for Anthropic {
    fn path(&self, _: &str, _: bool) -> String {
        "/messages".into()
    }

    /// Structured outputs refuse what they cannot decode within; such a schema is told in words instead, and what they merely do not know is left to the
    /// step, which checks it all.
    fn body(&self, model: &str, ask: &Ask<'_>, stream: bool) -> Value {
        let constrained = ask
            .format
            .filter(|format| format.told != ResponseFormat::Prompt)
            .and_then(|format| schema::shape(format.schema))
            .map(|shape| json!({"format": {"type": "json_schema", "schema": shape}}));
        object(&mut [
            ("model", Some(model.into())),
            ("max_tokens", Some(ask.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS).into())),
            ("system", ask.told_apart(constrained.is_none()).map(Into::into)),
            ("messages", Some(ask.said().map(message).collect())),
            ("temperature", ask.temperature.map(Into::into)),
            ("output_config", constrained),
            ("stream", stream.then(|| true.into())),
        ])
    }

    fn read(&self, answer: &Value, draft: &mut Draft) {
        head(answer, draft);
        stop(answer, draft);
        for block in items(answer, "/content") {
            draft.text.push_str(text(block, "/text"));
            tool(block, draft);
        }
    }

    fn event(&self, event: &Value, draft: &mut Draft) -> bool {
        match text(event, "/type") {
            "message_stop" => return true,
            "message_start" => head(&event["message"], draft),
            "content_block_start" => {
                draft.text.push_str(text(event, "/content_block/text"));
                tool(&event["content_block"], draft);
            }
            "content_block_delta" => draft.text.push_str(text(event, "/delta/text")),
            "message_delta" => {
                count(event.get("usage"), draft);
                stop(&event["delta"], draft);
            }
            _ => (),
        }
        false
    }

    /// 5 MiB, counted as base64.
    fn images(&self) -> Limits {
        Limits { size: (5 << 20) / 4 * 3, gif: true, pdf: true }
    }

    fn wants_max_tokens(&self) -> bool {
        true
    }
}

/// Images stand before the text: the model reads them best so.
fn message(message: &Message) -> Value {
    if message.images.is_empty() {
        return json!({"role": message.role, "content": message.content});
    }
    let kind =
        |image: &super::Image| if image.media_type == super::image::PDF { "document" } else { "image" };
    let image = |image: &super::Image| json!({"type": kind(image), "source": {"type": "base64", "media_type": image.media_type, "data": image.data}});
    let text = json!({"type": "text", "text": message.content});
    let parts: Vec<Value> = message.images.iter().map(image).chain([text]).collect();
    json!({"role": message.role, "content": parts})
}

fn head(answer: &Value, draft: &mut Draft) {
    if let Some(model) = answer.get("model").and_then(Value::as_str) {
        draft.model = Some(model.into());
    }
    count(answer.get("usage"), draft);
}

/// A stream counts what was read at its beginning, and what was written at its end. What goes into the cache or comes from it is counted apart.
fn count(usage: Option<&Value>, draft: &mut Draft) {
    let Some(usage) = usage.filter(|usage| usage.is_object()) else { return };
    let counted = |name: &str| usage.get(name).and_then(Value::as_u64);
    let used = draft.used.get_or_insert_with(Used::default);
    if let Some(fresh) = counted("input_tokens") {
        used.cached_tokens = counted("cache_read_input_tokens").unwrap_or(0);
        used.input_tokens = fresh + used.cached_tokens + counted("cache_creation_input_tokens").unwrap_or(0);
    }
    if let Some(written) = counted("output_tokens") {
        used.output_tokens = written;
    }
}

fn stop(answer: &Value, draft: &mut Draft) {
    let details = text(answer, "/stop_details/explanation");
    match text(answer, "/stop_reason") {
        "" => (),
        reason @ "refusal" => {
            details.clone_into(&mut draft.refusal);
            draft.ended(reason, End::Refused);
        }
        reason @ ("max_tokens" | "model_context_window_exceeded") => draft.ended(reason, End::Length),
        reason => draft.ended(reason, End::Whole),
    }
}

fn tool(block: &Value, draft: &mut Draft) {
    if text(block, "/type") == "tool_use" {
        draft.tool = Some(text(block, "/name").into());
    }
}
