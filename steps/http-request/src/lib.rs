//! Sends one HTTP request, or one for each page of a list, and hands on what is answered.
//!
//! What the peer answers is data, unless the workflow does not expect its status: then it is an error, retryable where
//! the workflow says so, or else where the peer is overloaded or broken.

mod answer;
mod auth;
mod body;
mod json;
mod paginate;
mod query;
mod request;
mod status;
#[cfg(test)]
mod tests;
mod url;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use auth::Auth;
use body::Field;
use paginate::Paginate;
use query::Parameter;
use status::Pattern;

/// What holds for every request of the node.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The statuses that are answers; every other is an error. Where this is empty: any 2xx that `retry_status` does not name.
    #[serde(default)]
    expect: Vec<u16>,
    /// The statuses that another attempt may mend, so that the node's `retry` applies: `[404, 429, "5xx"]`. Every other error is final. Where
    /// this is left out: 408, 425, 429 and any 5xx.
    retry_status: Option<Vec<Pattern>>,
    /// Headers of every request. A value may hold `{{secret.NAME}}`; the input's headers win.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How the peer knows who asks: writes the header for it, with the secret's placeholder.
    auth: Option<Auth>,
    /// Reads a list page by page. The output then holds the items of all pages.
    paginate: Option<Paginate>,
    /// Makes a blob of the body of a 2xx, whatever its type: it does not enter the step, and may be large.
    #[serde(default)]
    save: bool,
    /// Milliseconds to wait for each whole answer; the node's own timeout holds if it is sooner.
    timeout_ms: Option<u64>,
    /// Redirects to follow. Each is checked against the node's grants.
    #[serde(default = "default_redirects")]
    max_redirects: u32,
}

fn default_redirects() -> u32 {
    5
}

/// One request. It has one body at most.
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
    query: BTreeMap<String, Parameter>,
    /// A value may hold `{{secret.NAME}}`, which the host fills in where the node is granted it.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A body, sent as JSON.
    json: Option<Value>,
    /// A body, sent as it is; `text/plain` unless a header says otherwise.
    text: Option<String>,
    /// A body, sent as a form (`application/x-www-form-urlencoded`). A list gives its name once for each item; null is left out.
    form: Option<BTreeMap<String, Parameter>>,
    /// A body, sent as a form with files (`multipart/form-data`), in this order.
    multipart: Option<Vec<Field>>,
    /// A body: the bytes of a blob. Of the blob's media type unless a header says otherwise.
    blob: Option<Blob>,
}

fn get() -> String {
    "GET".into()
}

/// The answer; of several pages, the last one's with the items of all.
#[derive(Default, Serialize, JsonSchema)]
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
    /// The body, with `save`.
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<Blob>,
    /// The items of all pages, with `paginate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Value>>,
    /// How many pages were read, with `paginate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<u32>,
    /// With `paginate`: whether the list was read to its end; false where `max_pages` or `max_items` ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
}

#[stepwell_sdk::step(http = "sends the requests that the workflow describes")]
fn http_request(input: Input, config: Config) -> Result<Output, StepError> {
    match &config.paginate {
        Some(_) if config.save => {
            Err(StepError::permanent("`save` keeps one answer and `paginate` reads many: give one of them"))
        }
        Some(paginate) => paginate::read(paginate, &config, input),
        None if config.save => answer::keep(&config, request::build(&config, &input)?),
        None => answer::read(&config, request::build(&config, &input)?),
    }
}
