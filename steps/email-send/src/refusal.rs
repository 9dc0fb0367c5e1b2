//! Why a provider did not take an e-mail.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::Response;

/// Whether another attempt may succeed.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// As the status has it.
    ByStatus,
    /// It may.
    Passing,
    /// It will not.
    Final,
}

/// The error that an answer stands for, with the provider's own reason.
pub(crate) fn refused(provider: &str, answer: &Response, reason: &str, kind: Kind) -> StepError {
    let message = match reason.trim() {
        "" => format!("{provider} did not take the e-mail: it answered {}", answer.status),
        reason => format!("{provider} did not take the e-mail: {reason} (status {})", answer.status),
    };
    let is_passing = match kind {
        Kind::ByStatus => answer.is_retryable(),
        Kind::Passing => true,
        Kind::Final => false,
    };
    let error = match (is_passing, answer.retry_after()) {
        (true, Some(after)) => StepError::retryable_after(message, after),
        (true, None) => StepError::retryable(message),
        (false, _) => StepError::permanent(message),
    };
    error.detail(json!({"status": answer.status, "body": answer.excerpt()}))
}

/// Something else than the provider's answer: a proxy's page, or half of an answer. With a 2xx the e-mail may have been taken all the same.
pub(crate) fn unreadable(provider: &str, answer: &Response) -> StepError {
    let what = match answer.text().trim_start().starts_with('<') {
        true => "a page (HTML)",
        false => "something",
    };
    let reason = format!("{what} came that is not {provider}'s answer: {}", answer.excerpt());
    refused(provider, answer, &reason, if answer.status < 300 { Kind::Passing } else { Kind::ByStatus })
}

/// A text within an answer.
pub(crate) fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str)
}

/// The body as JSON; null where it is none.
pub(crate) fn body(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Whether the status is 2xx.
pub(crate) fn is_success(answer: &Response) -> bool {
    (200..300).contains(&answer.status)
}
