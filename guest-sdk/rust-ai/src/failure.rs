//! What a provider's failure means: one mapping for all of them, from what they answer to a [`StepError`].
//!
//! Providers differ in where they say what went wrong (`error.code`, `error.type`, `error.status`, a sentence) and agree on little but the status. So
//! the words that each documents are looked for first, and the status decides where there are none.

use std::time::Duration;

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Response};

/// Why a provider gave no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Too many requests, or tokens, in too short a time.
    RateLimited,
    /// It has more to do than it can.
    Overloaded,
    /// It failed by itself.
    ProviderFailed,
    /// No connection, no answer in time.
    Unreachable,
    /// Something else came than the API's JSON: a proxy's page, most often.
    NotJson,
    /// The answer broke off.
    Cut,
    /// The answer is JSON, and holds nothing.
    Empty,
    /// The answer is not what was asked for, though it was told why and asked again.
    Misfit,
    /// The key is missing, wrong, or withdrawn.
    BadKey,
    /// The key may not do this.
    Forbidden,
    /// The account has nothing left to pay with.
    NoCredit,
    /// The input is longer than the model can read.
    InputTooLong,
    /// The answer reached the most tokens that may be written.
    LengthLimit,
    /// There is no such model, for this key.
    UnknownModel,
    /// The provider, its content filter or the model itself will not answer this.
    Refused,
    /// The request is not as the API wants it.
    BadRequest,
    /// What it was to do later, it could not do.
    JobFailed,
    /// What it was to do is not done in the time that it was waited for.
    JobUnfinished,
}

impl Cause {
    /// Whether the same request may be answered later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        use Cause::{Cut, Empty, Misfit, NotJson, Overloaded, ProviderFailed, RateLimited, Unreachable};
        matches!(
            self,
            RateLimited | Overloaded | ProviderFailed | Unreachable | NotJson | Cut | Empty | Misfit
        )
    }

    /// What the error's detail calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    fn words(self) -> &'static str {
        self.texts().1
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::RateLimited => ("rate_limited", "too many requests"),
            Self::Overloaded => ("overloaded", "it is overloaded"),
            Self::ProviderFailed => ("provider_failed", "it failed"),
            Self::Unreachable => ("unreachable", "it cannot be reached"),
            Self::NotJson => ("not_json", "the answer is not JSON"),
            Self::Cut => ("cut", "the answer broke off"),
            Self::Empty => ("empty", "the answer is empty"),
            Self::Misfit => ("misfit", "the answer does not fit"),
            Self::BadKey => ("bad_key", "the API key is not accepted"),
            Self::Forbidden => ("forbidden", "the API key may not do this"),
            Self::NoCredit => ("no_credit", "the account has no credit left"),
            Self::InputTooLong => ("input_too_long", "the input is too long"),
            Self::LengthLimit => ("length_limit", "the answer was cut at its length limit"),
            Self::UnknownModel => ("unknown_model", "there is no such model"),
            Self::Refused => ("refused", "it refused to answer"),
            Self::BadRequest => ("bad_request", "the request is not accepted"),
            Self::JobFailed => ("job_failed", "the job failed"),
            Self::JobUnfinished => ("job_unfinished", "the job has not ended"),
        }
    }
}

/// JSON, if it is some. (A step reads its input as text, too: to read bytes as well would bring a second reader into the component.)
pub(crate) fn parsed(body: &[u8]) -> Option<Value> {
    serde_json::from_str(str::from_utf8(body).ok()?).ok()
}

/// An answer that is no 2xx.
pub(crate) fn refused(provider: &str, response: &Response) -> StepError {
    let document = parsed(&response.body).unwrap_or_default();
    let told = error_inside(&document).unwrap_or(&document);
    let cause = by_words(told).unwrap_or_else(|| by_status(response.status));
    let reason = reason(told).map_or_else(|| response.excerpt(), str::to_owned);
    let message = format!("{provider} answered {}, {}: {reason}", response.status, cause.words());
    let detail = json!({
        "provider": provider, "cause": cause.name(), "status": response.status, "url": response.url, "body": response.excerpt()
    });
    let after = delay_in_headers(response).or_else(|| delay_in_body(told));
    error(cause, message, detail, after)
}

/// A 2xx that is no JSON.
pub(crate) fn not_json(provider: &str, response: &Response) -> StepError {
    let kind = response.header("content-type").unwrap_or("no content type");
    let cause = Cause::NotJson;
    let message = format!(
        "{provider} answered {}, {} but {kind}: {}",
        response.status,
        cause.words(),
        response.excerpt()
    );
    let detail = json!({
        "provider": provider, "cause": cause.name(), "status": response.status, "url": response.url, "body": response.excerpt()
    });
    error(cause, message, detail, None)
}

/// A 2xx, or an event of a stream, that holds an error all the same.
pub(crate) fn inside(provider: &str, document: &Value) -> StepError {
    let told = error_inside(document).unwrap_or(document);
    let status = ["code", "status", "status_code"].into_iter().find_map(|name| told.get(name)?.as_u64());
    let status = status.and_then(|status| u16::try_from(status).ok()).filter(|status| *status >= 400);
    let cause = by_words(told).or_else(|| status.map(by_status)).or_else(|| by_blame(told));
    let cause = cause.unwrap_or(Cause::ProviderFailed);
    let reason = reason(told).map_or_else(|| told.to_string(), str::to_owned);
    let message =
        format!("{provider} answered with an error inside a good answer, {}: {reason}", cause.words());
    error(
        cause,
        message,
        json!({"provider": provider, "cause": cause.name(), "body": told}),
        delay_in_body(told),
    )
}

/// No answer, or only half of one.
pub(crate) fn unanswered(provider: &str, failure: http::Error) -> StepError {
    let cause = match failure.kind {
        http::ErrorKind::Denied => "denied",
        http::ErrorKind::Timeout => "timeout",
        http::ErrorKind::TooLarge => "too_large",
        _ => Cause::Unreachable.name(),
    };
    let mut error = StepError::from(failure);
    error.message = format!("{provider}: {}", error.message);
    error.detail(json!({"provider": provider, "cause": cause}))
}

/// What only the step can see.
pub(crate) fn told(provider: &str, cause: Cause, reason: &str) -> StepError {
    let message = format!("{provider}: {}: {reason}", cause.words());
    error(cause, message, json!({"provider": provider, "cause": cause.name()}), None)
}

/// The part of a document that says what went wrong, if something did. Google wraps it into a list at times.
pub(crate) fn error_inside(document: &Value) -> Option<&Value> {
    let document = document.as_array().and_then(|list| list.first()).unwrap_or(document);
    let flat = |document: &Value| {
        document.get("object").or(document.get("type")).and_then(Value::as_str) == Some("error")
    };
    match document.get("error") {
        Some(Value::Null | Value::Bool(false)) | None => Some(document).filter(|document| flat(document)),
        Some(error) => Some(error),
    }
}

fn error(cause: Cause, message: String, detail: Value, after: Option<Duration>) -> StepError {
    let error = match (cause.is_retryable(), after) {
        (true, Some(after)) => StepError::retryable_after(message, after),
        (true, None) => StepError::retryable(message),
        (false, _) => StepError::permanent(message),
    };
    error.detail(detail)
}

/// Codes and types that providers document, and sentences where they document none.
fn by_words(told: &Value) -> Option<Cause> {
    let coded = |name: &str| told.get(name).and_then(Value::as_str).and_then(by_code);
    let details = told.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let detailed = || details.iter().find_map(|detail| by_code(detail.get("reason")?.as_str()?));
    coded("code")
        .or_else(detailed)
        .or_else(|| by_sentence(reason(told)?))
        .or_else(|| coded("type"))
        .or_else(|| coded("status"))
        .or_else(|| coded("name"))
        .or_else(|| by_code(told.pointer("/detail/status")?.as_str()?))
}

fn by_code(code: &str) -> Option<Cause> {
    Some(match code {
        "rate_limit_exceeded" | "rate_limit_error" | "RESOURCE_EXHAUSTED" | "too_many_requests" => {
            Cause::RateLimited
        }
        "overloaded_error" | "UNAVAILABLE" | "engine_overloaded" | "slow_down" => Cause::Overloaded,
        "server_error" | "api_error" | "internal_error" | "timeout_error" | "INTERNAL"
        | "DEADLINE_EXCEEDED" => Cause::ProviderFailed,
        "invalid_api_key" | "authentication_error" | "API_KEY_INVALID" | "UNAUTHENTICATED" => Cause::BadKey,
        "permission_error" | "PERMISSION_DENIED" | "unsupported_country_region_territory" => Cause::Forbidden,
        "insufficient_quota"
        | "quota_exceeded"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "billing_not_active" => Cause::NoCredit,
        "context_length_exceeded"
        | "exceed_context_size_error"
        | "request_too_large"
        | "string_above_max_length" => Cause::InputTooLong,
        "model_not_found" => Cause::UnknownModel,
        "content_policy_violation"
        | "image_content_policy_violation"
        | "content_filter"
        | "moderation_blocked"
        | "content_moderation" => Cause::Refused,
        _ => return None,
    })
}

/// What blames the request, where no status says so: `invalid_request_error`, `invalid_prompt`, `invalid_image_format`.
fn by_blame(told: &Value) -> Option<Cause> {
    let mut named = ["code", "type"].into_iter().filter_map(|name| told.get(name)?.as_str());
    named.any(|name| name.starts_with("invalid_")).then_some(Cause::BadRequest)
}

/// In the words of: Anthropic, Google, vLLM and llama-cpp-python, older OpenAI; Ollama and Anthropic.
fn by_sentence(reason: &str) -> Option<Cause> {
    let reason = reason.to_ascii_lowercase();
    let says = |words: &str| reason.contains(words);
    let too_long = says("prompt is too long")
        || says("exceeds the maximum number of tokens")
        || says("maximum context length")
        || says("exceeds the available context size")
        || says("input length and `max_tokens` exceed");
    let no_model = says("model")
        && (says("not found") || says("does not exist") || says("is not supported for generatecontent"));
    match () {
        () if too_long => Some(Cause::InputTooLong),
        () if says("credit balance is too low") => Some(Cause::NoCredit),
        () if reason.starts_with("model:") || no_model => Some(Cause::UnknownModel),
        () => None,
    }
}

fn by_status(status: u16) -> Cause {
    match status {
        429 => Cause::RateLimited,
        503 | 529 => Cause::Overloaded,
        408 | 425 | 500.. => Cause::ProviderFailed,
        401 => Cause::BadKey,
        402 => Cause::NoCredit,
        403 => Cause::Forbidden,
        413 => Cause::InputTooLong,
        _ => Cause::BadRequest,
    }
}

/// The provider's own words: `message`, as most have it; Ollama's and others' error is a text by itself; FastAPI's is `detail`; Deepgram's `err_msg`;
/// Stability and remove.bg list `errors`.
fn reason(told: &Value) -> Option<&str> {
    let places = [
        "/message",
        "/err_msg",
        "/detail",
        "/detail/message",
        "/detail/0/msg",
        "/error",
        "/errors/0/title",
        "/errors/0",
        "/title",
    ];
    told.as_str().or_else(|| places.into_iter().find_map(|place| told.pointer(place)?.as_str()))
}

/// `Retry-After`, or its sibling in milliseconds, which OpenAI and Azure send beside it and is more exact.
fn delay_in_headers(response: &Response) -> Option<Duration> {
    let milliseconds = response.header("retry-after-ms").and_then(|value| value.trim().parse().ok());
    milliseconds.map(Duration::from_millis).or_else(|| response.retry_after())
}

/// Google's `RetryInfo`: `"retryDelay": "34.07s"`.
fn delay_in_body(told: &Value) -> Option<Duration> {
    let details = told.get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds: f64 = serde_json::from_str(delay.strip_suffix('s')?).ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests;
