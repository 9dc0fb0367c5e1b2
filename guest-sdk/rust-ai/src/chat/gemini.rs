//! Google's Gemini: `generateContent`.

use serde_json::{Value, json};

use super::draft::{Draft, End};
use super::image::Limits;
use super::{Ask, Dialect, Message, ResponseFormat, Role, items, object, text};
use crate::gemini;

#[derive(Debug)]
pub(super) struct Gemini;

impl Dialect for Gemini {
    fn path(&self, model: &str, stream: bool) -> String {
        let folder = if model.contains('/') { "/" } else { "/models/" };
        let call = if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
        [folder, model, call].concat()
    }

    fn body(&self, _: &str, ask: &Ask<'_>, _: bool) -> Value {
        let in_words = ask.format.is_some_and(|format| format.told == ResponseFormat::Prompt);
        let schema = ask.format.filter(|_| !in_words).map(|format| format.schema.clone());
        let generation = object(&mut [
            ("temperature", ask.temperature.map(Into::into)),
            ("maxOutputTokens", ask.max_tokens.map(Into::into)),
            ("responseMimeType", schema.is_some().then(|| "application/json".into())),
            ("responseJsonSchema", schema),
        ]);
        object(&mut [
            ("systemInstruction", ask.told_apart(in_words).map(|text| json!({"parts": [{"text": text}]}))),
            ("contents", Some(ask.said().map(content).collect())),
            ("generationConfig", Some(generation)),
        ])
    }

    fn read(&self, answer: &Value, draft: &mut Draft) {
        if let Some(model) = answer.get("modelVersion").and_then(Value::as_str) {
            draft.model = Some(model.into());
        }
        if let Some(usage) = answer.get("usageMetadata") {
            draft.used = Some(gemini::used(usage));
        }
        if let Some(reason) = answer.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
            draft.refusal = ["the prompt is blocked (", reason, ")"].concat();
            draft.ended(reason, End::Refused);
        }
        let Some(candidate) = items(answer, "/candidates").first() else { return };
        for part in items(candidate, "/content/parts") {
            if part.get("thought") != Some(&Value::Bool(true)) {
                draft.text.push_str(text(part, "/text"));
            }
            if part.get("functionCall").is_some() {
                draft.tool = Some(text(part, "/functionCall/name").into());
            }
        }
        finish(candidate, draft);
    }

    /// Each event is an answer of its own that holds the next piece. No one says that it is the last.
    fn event(&self, event: &Value, draft: &mut Draft) -> bool {
        self.read(event, draft);
        false
    }

    fn images(&self) -> Limits {
        Limits { size: 20 << 20, gif: false, pdf: true }
    }
}

fn content(message: &Message) -> Value {
    let role = if message.role == Role::Assistant { "model" } else { "user" };
    let images = message
        .images
        .iter()
        .map(|image| json!({"inlineData": {"mimeType": image.media_type, "data": image.data}}));
    let parts: Vec<Value> = images.chain([json!({"text": message.content})]).collect();
    json!({"role": role, "parts": parts})
}

fn finish(candidate: &Value, draft: &mut Draft) {
    match text(candidate, "/finishReason") {
        "" => (),
        reason @ "MAX_TOKENS" => draft.ended(reason, End::Length),
        reason @ ("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE") => {
            draft.refusal = match text(candidate, "/finishMessage") {
                "" => ["the answer is withheld (", reason, ")"].concat(),
                words => words.to_owned(),
            };
            draft.ended(reason, End::Refused);
        }
        reason => draft.ended(reason, End::Whole),
    }
}
