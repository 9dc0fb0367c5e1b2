//! What a status means to the workflow: an answer, or an error that another attempt may mend or not.

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;
use stepwell_sdk::http::Response;

use crate::Config;

/// Statuses: one, or all that begin with a digit.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Pattern {
    /// 429
    One(u16),
    /// `"5xx"`
    All(Class),
}

/// All statuses that begin with a digit.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub(crate) enum Class {
    #[serde(rename = "2xx")]
    Success = 2,
    #[serde(rename = "3xx")]
    Redirect = 3,
    #[serde(rename = "4xx")]
    Refusal = 4,
    #[serde(rename = "5xx")]
    Failure = 5,
}

impl Pattern {
    fn covers(&self, status: u16) -> bool {
        match self {
            Self::One(one) => *one == status,
            Self::All(class) => *class as u16 == status / 100,
        }
    }
}

/// The answer, if the workflow expects its status.
pub(crate) fn check(config: &Config, method: &str, answer: &Response) -> Result<(), StepError> {
    let status = answer.status;
    let is_listed = |list: &[Pattern]| list.iter().any(|pattern| pattern.covers(status));
    let is_retryable = config.retry_status.as_deref().map(is_listed);
    let is_expected = match config.expect.as_slice() {
        [] => (200..300).contains(&status) && is_retryable != Some(true),
        expect => expect.contains(&status),
    };
    if is_expected {
        return Ok(());
    }
    Err(unexpected(config, method, answer, is_retryable.unwrap_or_else(|| answer.is_retryable())))
}

fn unexpected(config: &Config, method: &str, answer: &Response, is_retryable: bool) -> StepError {
    let expected = match config.expect.as_slice() {
        [] => "a 2xx".to_string(),
        expect => expect.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
    };
    let what = format!("{method} {} answered {}", answer.url, answer.status);
    let message = match (config.expect.as_slice(), answer.status) {
        ([], 200..300) => format!("{what}, which `retry_status` names"),
        _ => format!("{what} where {expected} is expected"),
    };
    let mut error = match (is_retryable, answer.retry_after()) {
        (true, Some(after)) => StepError::retryable_after(message, after),
        (true, None) => StepError::retryable(message),
        (false, _) => StepError::permanent(message),
    };
    error.detail = answer.to_error().detail;
    error
}
