//! Postmark: <https://postmarkapp.com/developer/api/email-api>.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use crate::address::Address;
use crate::mail::{File, Mail, fault};
use crate::refusal::{Kind, body, is_success, refused, text, unreadable};
use crate::{Config, content};

/// "Maintenance", which comes with a status that says nothing of it.
const MAINTENANCE: i64 = 100;

pub(crate) fn request(mail: &Mail, config: &Config) -> Result<Request, StepError> {
    let written = |list: &[Address]| list.iter().map(Address::in_header).collect::<Vec<_>>().join(", ");
    let mut message = json!({
        "From": mail.from.in_header(),
        "To": written(&mail.to),
        "Subject": mail.subject,
        "MessageStream": config.stream.as_deref().unwrap_or("outbound"),
    });
    for (name, list) in [("Cc", &mail.cc), ("Bcc", &mail.bcc), ("ReplyTo", &mail.reply_to)] {
        if !list.is_empty() {
            message[name] = json!(written(list));
        }
    }
    for (name, part) in [("TextBody", &mail.text), ("HtmlBody", &mail.html)] {
        if let Some(part) = part {
            message[name] = json!(part);
        }
    }
    match mail.tags.as_slice() {
        [] => {}
        [tag] => message["Tag"] = json!(tag),
        _ => return Err(fault("/tags", "Postmark takes one tag: put the others into `metadata`")),
    }
    if !mail.metadata.is_empty() {
        message["Metadata"] = json!(mail.metadata);
    }
    let header = |(name, value): (&String, &String)| json!({"Name": name, "Value": value});
    if !mail.headers.is_empty() {
        message["Headers"] = mail.headers.iter().map(header).collect();
    }
    if !mail.files.is_empty() {
        message["Attachments"] = content::encoded(mail)?.into_iter().map(file).collect();
    }
    let url = format!("{}/email", config.base("https://api.postmarkapp.com"));
    let request = http::post(url).json(&message).header("accept", "application/json");
    Ok(request.header("x-postmark-server-token", config.key("POSTMARK_SERVER_TOKEN")))
}

fn file((file, content): (&File, String)) -> Value {
    let mut shown = json!({"Name": file.name, "Content": content, "ContentType": file.blob.kind()});
    if let Some(id) = &file.content_id {
        shown["ContentID"] = json!(format!("cid:{id}"));
    }
    shown
}

/// `{"MessageID": ..., "ErrorCode": 0, ...}`, or another code with a message, with whatever status.
pub(crate) fn read(answer: &Response) -> Result<Option<String>, StepError> {
    let body = body(answer);
    let Some(code) = body.pointer("/ErrorCode").and_then(Value::as_i64) else {
        return Err(unreadable("Postmark", answer));
    };
    if is_success(answer) && code == 0 {
        return Ok(text(&body, "/MessageID").map(str::to_owned));
    }
    let reason = format!("{} (error code {code})", text(&body, "/Message").unwrap_or_default());
    let kind = match code {
        MAINTENANCE => Kind::Passing,
        _ if is_success(answer) => Kind::Final,
        _ => Kind::ByStatus,
    };
    Err(refused("Postmark", answer, reason.trim(), kind))
}
