//! Discord: an embed to a channel's webhook.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use crate::fit::{FieldLimits, MARKDOWN, PLAIN};
use crate::message::{Message, Severity};
use crate::refusal::{Kind, is_success, refused, refused_until, unreadable};
use crate::{Sent, post};

/// Of an embed: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.
const TITLE: usize = 256;
const TEXT: usize = 4096;
const FIELDS: FieldLimits = FieldLimits { count: 25, name: 256, value: 1024, all: 1600, each: 0 };
const _: () = assert!(TITLE + TEXT + FIELDS.all <= 6000);

pub(crate) fn request(message: &Message) -> Result<Request, StepError> {
    let url = message.webhook()?;
    let separator = if url.contains('?') { '&' } else { '?' };
    let thread = match &message.thread {
        Some(thread) if thread.bytes().all(|byte| byte.is_ascii_digit()) => format!("&thread_id={thread}"),
        Some(thread) => {
            let message = format!("/thread: `{thread}` is not the id of a Discord thread, which is a number");
            return Err(StepError::invalid_input(message));
        }
        None => String::new(),
    };
    // Without `wait`, Discord does not tell whether the message was taken.
    Ok(post(
        format!("{url}{separator}wait=true{thread}"),
        &json!({"embeds": [embed(message)], "allowed_mentions": {"parse": []}}),
    ))
}

pub(crate) fn read(answer: &Response) -> Result<Sent, StepError> {
    #[derive(Deserialize)]
    struct Answer {
        id: String,
        channel_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
        /// Seconds.
        retry_after: Option<f64>,
        #[serde(default)]
        errors: Value,
    }

    if is_success(answer) {
        return match serde_json::from_slice::<Answer>(&answer.body) {
            Ok(Answer { id, channel_id }) => Ok(Sent { channel: channel_id, id: Some(id), url: None }),
            Err(_) => Err(unreadable("Discord", answer)),
        };
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else {
        return Err(unreadable("Discord", answer));
    };
    let reason = match &refusal.errors {
        Value::Null => refusal.message,
        errors => format!("{} {errors}", refusal.message),
    };
    match refusal.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(after) => Err(refused_until("Discord", answer, &reason, Kind::ByStatus, Some(after))),
        None => Err(refused("Discord", answer, &reason, Kind::ByStatus)),
    }
}

fn embed(message: &Message) -> Value {
    let mut embed = json!({});
    let link = message.link.as_ref();
    // It is the title that leads to the link.
    if let Some(title) = message.signed_title().or_else(|| link.map(|link| link.label().to_owned())) {
        embed["title"] = json!(MARKDOWN.fit(&title, TITLE));
    }
    if let Some(link) = link {
        embed["url"] = json!(link.url);
    }
    if let Some(text) = &message.text {
        let writing = if message.markup { PLAIN } else { MARKDOWN };
        embed["description"] = json!(writing.fit(text, TEXT));
    }
    if let Some(severity) = message.severity {
        embed["color"] = json!(color(severity));
    }
    let field = |(name, value): (String, String)| json!({"name": name, "value": value, "inline": true});
    let fields: Vec<Value> = MARKDOWN.fields(&message.fields, FIELDS).into_iter().map(field).collect();
    if !fields.is_empty() {
        embed["fields"] = json!(fields);
    }
    embed
}

fn color(severity: Severity) -> u32 {
    match severity {
        Severity::Info => 0x0034_98db,
        Severity::Success => 0x002e_cc71,
        Severity::Warning => 0x00f1_c40f,
        Severity::Error => 0x00e7_4c3c,
        Severity::Critical => 0x0099_2d22,
    }
}
