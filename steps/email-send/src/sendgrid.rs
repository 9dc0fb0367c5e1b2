//! SendGrid: <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use crate::address::Address;
use crate::mail::{File, Mail};
use crate::refusal::{Kind, body, is_success, refused, unreadable};
use crate::{Config, content};

pub(crate) fn request(mail: &Mail, config: &Config) -> Result<Request, StepError> {
    let mut envelope = json!({"to": written(&mail.to)});
    for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
        if !list.is_empty() {
            envelope[name] = json!(written(list));
        }
    }
    // Plain text comes first, or it is refused.
    let parts: Vec<Value> = [("text/plain", &mail.text), ("text/html", &mail.html)]
        .into_iter()
        .filter_map(|(kind, part)| part.as_ref().map(|part| json!({"type": kind, "value": part})))
        .collect();
    let mut message = json!({
        "personalizations": [envelope],
        "from": one(&mail.from),
        "subject": mail.subject,
        "content": parts,
    });
    match mail.reply_to.as_slice() {
        [] => {}
        [address] => message["reply_to"] = one(address),
        several => message["reply_to_list"] = json!(written(several)),
    }
    if !mail.headers.is_empty() {
        message["headers"] = json!(mail.headers);
    }
    if !mail.tags.is_empty() {
        message["categories"] = json!(mail.tags);
    }
    if !mail.metadata.is_empty() {
        message["custom_args"] = json!(mail.metadata);
    }
    if !mail.files.is_empty() {
        message["attachments"] = content::encoded(mail)?.into_iter().map(file).collect();
    }
    let url = format!("{}/v3/mail/send", config.base("https://api.sendgrid.com"));
    let key = format!("Bearer {}", config.key("SENDGRID_API_KEY"));
    Ok(http::post(url).json(&message).header("authorization", key))
}

fn one(address: &Address) -> Value {
    match &address.name {
        Some(name) => json!({"email": address.email, "name": name}),
        None => json!({"email": address.email}),
    }
}

fn written(list: &[Address]) -> Vec<Value> {
    list.iter().map(one).collect()
}

fn file((file, content): (&File, String)) -> Value {
    let mut shown = json!({"filename": file.name, "content": content, "type": file.blob.kind(), "disposition": "attachment"});
    if let Some(id) = &file.content_id {
        shown["disposition"] = json!("inline");
        shown["content_id"] = json!(id);
    }
    shown
}

/// 202 with nothing but a header; or `{"errors": [{"message": ..., "field": ..., "help": ...}]}`.
pub(crate) fn read(answer: &Response) -> Result<Option<String>, StepError> {
    if is_success(answer) && answer.body.is_empty() {
        return Ok(answer.header("x-message-id").map(str::to_owned));
    }
    let body = body(answer);
    let Some(errors) = body.pointer("/errors").and_then(Value::as_array) else {
        return Err(unreadable("SendGrid", answer));
    };
    let reason = |error: &Value| {
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        match error["field"].as_str() {
            Some(field) => format!("{field}: {message}"),
            None => message,
        }
    };
    let reasons: Vec<String> = errors.iter().map(reason).collect();
    let kind = if is_success(answer) { Kind::Final } else { Kind::ByStatus };
    Err(refused("SendGrid", answer, &reasons.join("; "), kind))
}
