//! A guest that sends the requests that its input names, one after the other or at once, and answers with what came back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::{StepError, http, step};

/// What to send.
#[derive(Debug, Deserialize, JsonSchema)]
struct Input {
    /// Where to, in order.
    urls: Vec<String>,
    /// Whether to send all at once.
    #[serde(default)]
    at_once: bool,
    /// Redirects to follow.
    #[serde(default)]
    max_redirects: u32,
    /// Headers to send with each.
    #[serde(default)]
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// In the order of the requests.
    answers: Vec<Answer>,
}

/// One answer or error.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// Status and body.
    Ok { status: u16, body: String },
    /// The error's words, its kind first.
    Error(String),
}

#[step(http = "sends what it is told to send")]
fn courier(input: Input) -> Result<Output, StepError> {
    let requests = input.urls.iter().map(|url| {
        let request = http::post(url).max_redirects(input.max_redirects);
        input.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    });
    let answers =
        if input.at_once { http::send_all(requests) } else { requests.map(http::Request::send).collect() };
    Ok(Output { answers: answers.into_iter().map(describe).collect() })
}

fn describe(answer: Result<http::Response, http::Error>) -> Answer {
    match answer {
        Ok(response) => {
            Answer::Ok { status: response.status, body: String::from_utf8_lossy(&response.body).into_owned() }
        }
        Err(error) => Answer::Error(format!("{:?}: {error}", error.kind)),
    }
}
