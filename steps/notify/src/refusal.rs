//! Why a service did not take a message.
//!
//! An error names the service and its reason. It does not name the URL, which for a webhook is the key to it.

use std::time::Duration;

use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::http::Response;

/// Whether another attempt may succeed, where the status alone does not say so.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// As the status has it.
    ByStatus,
    /// It may.
    Passing,
    /// It will not.
    Final,
}

/// The error that an answer stands for.
pub(crate) fn refused(service: &str, answer: &Response, reason: &str, kind: Kind) -> StepError {
    refused_until(service, answer, reason, kind, answer.retry_after())
}

/// The same, with the delay that the service asks for in its own way.
pub(crate) fn refused_until(
    service: &str,
    answer: &Response,
    reason: &str,
    kind: Kind,
    after: Option<Duration>,
) -> StepError {
    let message = match reason.trim() {
        "" => format!("{service} did not take the message: it answered {}", answer.status),
        reason => format!("{service} did not take the message: {reason} (status {})", answer.status),
    };
    let is_passing = match kind {
        Kind::ByStatus => answer.is_retryable(),
        Kind::Passing => true,
        Kind::Final => false,
    };
    let error = match (is_passing, after) {
        (true, Some(after)) => StepError::retryable_after(message, after),
        (true, None) => StepError::retryable(message),
        (false, _) => StepError::permanent(message),
    };
    error.detail(json!({"status": answer.status, "body": answer.excerpt()}))
}

/// A page where the service's own answer was to come: a proxy's, or that of whoever has the address now.
pub(crate) fn unreadable(service: &str, answer: &Response) -> StepError {
    let what = match answer.text().trim_start().starts_with('<') {
        true => "a page (HTML)",
        false => "something",
    };
    let reason = format!("{what} came that is not {service}'s answer: {}", answer.excerpt());
    refused(service, answer, &reason, if answer.status < 300 { Kind::Passing } else { Kind::ByStatus })
}

/// Whether the status is 2xx.
pub(crate) fn is_success(answer: &Response) -> bool {
    (200..300).contains(&answer.status)
}
