//! From what the workflow says to a request.

use std::collections::BTreeMap;
use std::time::Duration;

use stepwell_sdk::StepError;
use stepwell_sdk::http::Request;

use crate::{Config, Input, body, query};

/// The request of an input; its body is checked to be one.
pub(crate) fn build(config: &Config, input: &Input) -> Result<Request, StepError> {
    let url = query::append(&input.url, &input.query);
    let mut request =
        Request::new(input.method.to_ascii_uppercase(), url).max_redirects(config.max_redirects);
    request.headers.extend(headers(config, input)?);
    if let Some(milliseconds) = config.timeout_ms {
        request = request.timeout(Duration::from_millis(milliseconds));
    }
    body::add(request, input)
}

/// The config's, under the input's of the same name in whatever case.
fn headers(config: &Config, input: &Input) -> Result<BTreeMap<String, String>, StepError> {
    let mut headers = config.headers.clone();
    if let Some((name, value)) = config.auth.as_ref().map(|auth| auth.header()) {
        if let Some(other) = headers.keys().find(|other| other.eq_ignore_ascii_case(name)) {
            let message = format!("`auth` and `headers` both give the header `{other}`: leave one out");
            return Err(StepError::permanent(message));
        }
        headers.insert(name.to_owned(), value);
    }
    headers.retain(|name, _| !input.headers.keys().any(|other| other.eq_ignore_ascii_case(name)));
    headers.extend(input.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(headers)
}
