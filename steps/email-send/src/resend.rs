//! Resend: <https://resend.com/docs/api-reference/emails/send-email>.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use crate::address::Address;
use crate::mail::Mail;
use crate::refusal::{Kind, body, is_success, refused, text, unreadable};
use crate::{Config, content};

pub(crate) fn request(mail: &Mail, config: &Config) -> Result<Request, StepError> {
    let written = |list: &[Address]| list.iter().map(Address::in_header).collect::<Vec<_>>();
    let mut message = json!({
        "from": mail.from.in_header(),
        "to": written(&mail.to),
        "subject": mail.subject,
    });
    for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc), ("reply_to", &mail.reply_to)] {
        if !list.is_empty() {
            message[name] = json!(written(list));
        }
    }
    for (name, part) in [("text", &mail.text), ("html", &mail.html)] {
        if let Some(part) = part {
            message[name] = json!(part);
        }
    }
    if !mail.headers.is_empty() {
        message["headers"] = json!(mail.headers);
    }
    let tags = mail.tags.iter().map(|tag| (tag.as_str(), "true"));
    let metadata = mail.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let tags: Vec<Value> =
        tags.chain(metadata).map(|(name, value)| json!({"name": name, "value": value})).collect();
    if !tags.is_empty() {
        message["tags"] = json!(tags);
    }
    if !mail.files.is_empty() {
        message["attachments"] = files(mail)?;
    }
    let request = http::post(format!("{}/emails", config.base("https://api.resend.com"))).json(&message);
    let key = content::idempotency_key(&request.body);
    Ok(request
        .header("authorization", format!("Bearer {}", config.key("RESEND_API_KEY")))
        .header("idempotency-key", key))
}

fn files(mail: &Mail) -> Result<Value, StepError> {
    let file = |(file, content): (&crate::mail::File, String)| {
        let mut shown =
            json!({"filename": file.name, "content": content, "content_type": file.blob.media_type});
        if let Some(id) = &file.content_id {
            shown["content_id"] = json!(id);
        }
        shown
    };
    Ok(content::encoded(mail)?.into_iter().map(file).collect())
}

/// `{"id": ...}`, or `{"statusCode": ..., "name": ..., "message": ...}`.
pub(crate) fn read(answer: &Response) -> Result<Option<String>, StepError> {
    let body = body(answer);
    if let (true, Some(id)) = (is_success(answer), text(&body, "/id")) {
        return Ok(Some(id.to_owned()));
    }
    let name = text(&body, "/name").unwrap_or_default();
    let Some(message) = text(&body, "/message") else {
        return Err(unreadable("Resend", answer));
    };
    let kind = match name {
        // An attempt that was thought lost is still at it.
        "concurrent_idempotent_requests" => Kind::Passing,
        // It will not pass while a run waits.
        "daily_quota_exceeded" | "monthly_quota_exceeded" => Kind::Final,
        _ if is_success(answer) => Kind::Final,
        _ => Kind::ByStatus,
    };
    let reason = if name.is_empty() { message.to_owned() } else { format!("{name}: {message}") };
    Err(refused("Resend", answer, &reason, kind))
}
