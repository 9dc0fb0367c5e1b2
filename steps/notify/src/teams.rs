//! Microsoft Teams: an adaptive card to the webhook of a workflow.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use crate::fit::{FieldLimits, MARKDOWN, Writing};
use crate::message::{Message, Severity};
use crate::refusal::{Kind, is_success, refused, unreadable};
use crate::{Sent, json_of, post};

/// A message may have 28 KB; these make 25 with what stands around them.
const TITLE: usize = 500;
const TEXT: usize = 12_000;
const FIELDS: FieldLimits = FieldLimits { count: 40, name: 250, value: 2000, all: 10_000, each: 25 };
const LABEL: usize = 250;

/// Text is Markdown, in which one line break is none, and counts as the bytes that it has in JSON.
const WRITING: Writing = Writing {
    write: |c, out| match c {
        '\n' => out.push_str("\n\n"),
        c => (MARKDOWN.write)(c, out),
    },
    ..MARKUP
};

const MARKUP: Writing = Writing {
    write: |c, out| out.push(c),
    weigh: |text| {
        let weigh = |c: char| match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        text.chars().map(weigh).sum()
    },
};

pub(crate) fn request(message: &Message) -> Result<Request, StepError> {
    let card = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(message),
        }],
    });
    Ok(post(message.webhook()?, &card))
}

/// Workflows answer 202 with nothing, connectors 200 with `1`; both have errors that come as 200.
pub(crate) fn read(answer: &Response) -> Result<Sent, StepError> {
    let json = json_of(answer);
    let error = json.as_ref().and_then(|json| json.get("error"));
    if let Some(error) = error {
        let text = |field: &str| error.get(field).and_then(Value::as_str);
        let reason: Vec<&str> =
            [text("code"), text("message").or(error.as_str())].into_iter().flatten().collect();
        let kind = if is_success(answer) { Kind::Final } else { Kind::ByStatus };
        return Err(refused("Teams", answer, &reason.join(": "), kind));
    }
    let text = answer.text();
    match text.trim() {
        _ if is_success(answer) && json.is_some() => Ok(Sent::default()),
        "" if is_success(answer) => Ok(Sent::default()),
        "" => Err(refused("Teams", answer, "", Kind::ByStatus)),
        said if said.contains("returned HTTP error 429") => {
            Err(refused("Teams", answer, said, Kind::Passing))
        }
        said if said.starts_with("Webhook message delivery failed") => {
            Err(refused("Teams", answer, said, Kind::Final))
        }
        _ => Err(unreadable("Teams", answer)),
    }
}

fn card(message: &Message) -> Value {
    let parts: Vec<Value> = [title(message), text(message), facts(message)].into_iter().flatten().collect();
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": parts,
    });
    if let Some(link) = &message.link {
        let label = MARKUP.fit(link.label(), LABEL);
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": label, "url": link.url}]);
    }
    card
}

fn title(message: &Message) -> Option<Value> {
    let title = message.signed_title()?;
    let title = json!({"type": "TextBlock", "size": "Large", "weight": "Bolder", "wrap": true, "text": WRITING.fit(&title, TITLE)});
    let style = match message.severity {
        None => "default",
        Some(Severity::Info) => "accent",
        Some(Severity::Success) => "good",
        Some(Severity::Warning) => "warning",
        Some(Severity::Error | Severity::Critical) => "attention",
    };
    Some(json!({"type": "Container", "style": style, "bleed": true, "items": [title]}))
}

fn text(message: &Message) -> Option<Value> {
    let text = message.text.as_ref()?;
    let writing = if message.markup { MARKUP } else { WRITING };
    Some(json!({"type": "TextBlock", "wrap": true, "text": writing.fit(text, TEXT)}))
}

fn facts(message: &Message) -> Option<Value> {
    let facts: Vec<Value> = WRITING
        .fields(&message.fields, FIELDS)
        .into_iter()
        .map(|(title, value)| json!({"title": title, "value": value}))
        .collect();
    (!facts.is_empty()).then(|| json!({"type": "FactSet", "facts": facts}))
}
