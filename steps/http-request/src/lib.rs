//! Sends one HTTP request and hands on its answer.
//!
//! What the peer answers is data, unless the workflow does not expect its status: then it is an error, retryable where
//! the peer is overloaded or broken.

mod query;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

/// What holds for every request of the node.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The statuses that are answers; every other is an error. Any 2xx where this is empty.
    #[serde(default)]
    expect: Vec<u16>,
    /// Headers of every request. A value may hold `{{secret.NAME}}`; the input's headers win.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Milliseconds to wait for the whole answer; the node's own timeout holds if it is sooner.
    timeout_ms: Option<u64>,
    /// Redirects to follow. Each is checked against the node's grants.
    #[serde(default = "default_redirects")]
    max_redirects: u32,
}

fn default_redirects() -> u32 {
    5
}

/// One request.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// `GET`, `POST`, ...
    #[serde(default = "get")]
    method: String,
    /// Absolute, `http` or `https`.
    url: String,
    /// Added to the URL's query. A list gives its name once for each item; null is left out.
    #[serde(default)]
    query: BTreeMap<String, query::Parameter>,
    /// A value may hold `{{secret.NAME}}`, which the host fills in where the node is granted it.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A body, sent as JSON.
    json: Option<Value>,
    /// A body, sent as it is; `text/plain` unless a header says otherwise.
    text: Option<String>,
}

fn get() -> String {
    "GET".into()
}

/// The answer.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// 200, 201, ...
    status: u16,
    /// Where the answer came from, after redirects.
    url: String,
    /// Names in lower case; values of one name are joined by commas.
    headers: BTreeMap<String, String>,
    /// The body, where its type is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    /// The body, where it is any other text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[stepwell_sdk::step(http = "sends the request that the workflow describes")]
fn http_request(input: Input, config: Config) -> Result<Output, StepError> {
    let method = input.method.to_ascii_uppercase();
    let answer = request(input, &config)?.send()?;
    if !is_expected(answer.status, &config.expect) {
        return Err(unexpected(&answer, &method, &config.expect));
    }
    Ok(output(answer)?)
}

fn request(input: Input, config: &Config) -> Result<Request, StepError> {
    let mut headers = config.headers.clone();
    headers.retain(|name, _| !input.headers.keys().any(|other| other.eq_ignore_ascii_case(name)));
    headers.extend(input.headers);

    let mut request =
        Request::new(input.method.to_ascii_uppercase(), query::append(&input.url, &input.query))
            .max_redirects(config.max_redirects);
    request.headers.extend(headers);
    if let Some(milliseconds) = config.timeout_ms {
        request = request.timeout(Duration::from_millis(milliseconds));
    }
    match (input.json, input.text) {
        (Some(_), Some(_)) => {
            Err(StepError::invalid_input("a request has one body: give `json` or `text`, not both"))
        }
        (Some(json), None) => Ok(request.json(&json)),
        (None, Some(text)) => Ok(with_text(request, text)),
        (None, None) => Ok(request),
    }
}

fn with_text(request: Request, text: String) -> Request {
    match request.header_value("content-type") {
        Some(_) => request.body(text),
        None => request.header("content-type", "text/plain; charset=utf-8").body(text),
    }
}

fn is_expected(status: u16, expect: &[u16]) -> bool {
    match expect {
        [] => (200..300).contains(&status),
        expect => expect.contains(&status),
    }
}

fn unexpected(answer: &Response, method: &str, expect: &[u16]) -> StepError {
    let expected = match expect {
        [] => "a 2xx".to_string(),
        expect => expect.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
    };
    let mut error = answer.to_error();
    error.message =
        format!("{method} {} answered {} where {expected} is expected", answer.url, answer.status);
    error
}

fn output(answer: Response) -> Result<Output, stepwell_sdk::http::Error> {
    let json = if is_json(&answer) { Some(answer.json()?) } else { None };
    let Response { status, url, body, .. } = &answer;
    let text = match json {
        None if !body.is_empty() => std::str::from_utf8(body).ok().map(str::to_owned),
        _ => None,
    };
    Ok(Output { status: *status, url: url.clone(), headers: joined(&answer.headers), json, text })
}

fn is_json(answer: &Response) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    !answer.body.is_empty() && (kind == "application/json" || kind.ends_with("+json"))
}

fn joined(headers: &[(String, String)]) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        joined
            .entry(name.to_ascii_lowercase())
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(value);
            })
            .or_insert_with(|| value.clone());
    }
    joined
}
