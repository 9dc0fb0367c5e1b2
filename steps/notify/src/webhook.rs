//! Any webhook: the message as JSON, or a body of one's own.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use crate::message::Message;
use crate::refusal::{Kind, is_success, refused};
use crate::{Config, Sent, json_of, post};

pub(crate) fn request(message: &Message, config: &Config) -> Result<Request, StepError> {
    let body = message.body.clone().unwrap_or_else(|| {
        let Message { title, text, fields, link, severity, .. } = message;
        json!({"title": title, "text": text, "fields": fields, "link": link, "severity": severity})
    });
    let mut request = post(message.webhook()?, &body);
    for (name, value) in &config.headers {
        request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        request = request.header(name, value);
    }
    Ok(request)
}

/// Any 2xx means that it was taken; what came of it is told where it is told in the usual places.
pub(crate) fn read(answer: &Response) -> Result<Sent, StepError> {
    let json = json_of(answer).unwrap_or_default();
    let text = |field: &str| match json.get(field) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if is_success(answer) {
        let url = answer.header("location").map(str::to_owned);
        return Ok(Sent { channel: None, id: text("id"), url });
    }
    let reason = text("detail")
        .or_else(|| text("message"))
        .or_else(|| text("error"))
        .unwrap_or_else(|| answer.excerpt());
    Err(refused("the webhook", answer, &reason, Kind::ByStatus))
}
