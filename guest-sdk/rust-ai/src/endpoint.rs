//! One call of a provider's API: the request with its address and key, the answer as JSON or as the error that it stands for, and what it cost.

use std::time::Duration;

use serde_json::{Map, Value};
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{self, Incoming, Request, Response};
use stepwell_sdk::usage::{self, ModelCall};
use stepwell_sdk::{StepError, warn};

use crate::failure::{self, Cause};
use crate::models::{Used, Work};
use crate::{Api, Price};

/// Where a step asks, and as whom. Of [`ProviderConfig::endpoint`](crate::ProviderConfig::endpoint).
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    pub(crate) api: Api,
    pub(crate) work: Work,
    pub(crate) model: &'a str,
    /// Without a slash at its end.
    pub(crate) base_url: &'a str,
    pub(crate) key_secret: Option<&'a str>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) price: Option<Price>,
    pub(crate) extra: &'a Map<String, Value>,
}

impl<'a> Endpoint<'a> {
    /// The provider's name, as usage records and errors have it.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.api.provider
    }

    /// The model to ask for.
    #[must_use]
    pub fn model(&self) -> &'a str {
        self.model
    }

    /// The config's further fields of the request's body.
    #[must_use]
    pub fn extra(&self) -> &'a Map<String, Value> {
        self.extra
    }

    /// A request of a path of this API, or of a whole URL that it gave, with the key and without a body.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let url = match path.starts_with('/') {
            true => format!("{}{path}", self.base_url),
            false => path.to_owned(),
        };
        let mut request = Request::new(method, url);
        for (name, value) in self.api.headers {
            request = request.header(*name, *value);
        }
        if let Some(secret) = self.key_secret {
            let value = [self.api.auth.before, "{{secret.", secret, "}}"].concat();
            request = request.header(self.api.auth.header, value);
        }
        request.timeout = self.timeout;
        request
    }

    /// A `POST` of a JSON object, into which the config's `extra` is merged.
    pub fn post(&self, path: &str, mut body: Value) -> Request {
        merge(&mut body, self.extra);
        self.request("POST", path).json(&body)
    }

    /// Posts a JSON object, with the config's `extra`, and waits for the JSON answer.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::answer`] has them.
    pub fn json(&self, path: &str, body: Value) -> Result<Value, StepError> {
        self.send(self.post(path, body))
    }

    /// Sends a request and waits for the JSON answer.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::answer`] has them.
    pub fn send(&self, request: Request) -> Result<Value, StepError> {
        self.answer(request.send())
    }

    /// Sends a request whose good answer is no JSON, and keeps that as a blob.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::answer`] has them.
    pub fn keep(&self, request: Request) -> Result<Blob, StepError> {
        let kept = request.send_and_keep().map_err(|error| failure::unanswered(self.provider(), error))?;
        match kept.body {
            Some(body) => Ok(body),
            None => Err(failure::refused(self.provider(), &kept.response)),
        }
    }

    /// Sends a request whose answer comes piece by piece. An answer that is no 2xx is the error that it stands for.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::answer`] has them.
    pub fn open(&self, request: Request) -> Result<Incoming, StepError> {
        let unanswered = |error| failure::unanswered(self.provider(), error);
        let incoming = request.open().map_err(unanswered)?;
        match incoming.status {
            200..=299 => Ok(incoming),
            _ => Err(failure::refused(self.provider(), &incoming.whole().map_err(unanswered)?)),
        }
    }

    /// What came back, as JSON: for requests that were sent together.
    ///
    /// # Errors
    ///
    /// Without an answer, with one that is no 2xx, one that is no JSON, or one that holds an error all the same: see [`Cause`].
    pub fn answer(&self, answer: Result<Response, http::Error>) -> Result<Value, StepError> {
        self.without_error(self.document(answer)?)
    }

    /// What came back, as JSON, whatever that says: for answers that tell what they cost beside an error.
    pub(crate) fn document(&self, answer: Result<Response, http::Error>) -> Result<Value, StepError> {
        let response = answer.map_err(|error| failure::unanswered(self.provider(), error))?;
        if !(200..=299).contains(&response.status) {
            return Err(failure::refused(self.provider(), &response));
        }
        failure::parsed(&response.body).ok_or_else(|| failure::not_json(self.provider(), &response))
    }

    /// A document that holds no error.
    pub(crate) fn without_error(&self, document: Value) -> Result<Value, StepError> {
        self.without_error_in(&document).map(|()| document)
    }

    /// Whether a document holds no error.
    pub(crate) fn without_error_in(&self, document: &Value) -> Result<(), StepError> {
        match failure::error_inside(document) {
            None => Ok(()),
            Some(_) => Err(self.inside(document)),
        }
    }

    /// The error that a document holds, or is.
    pub(crate) fn inside(&self, document: &Value) -> StepError {
        failure::inside(self.provider(), document)
    }

    /// The error of an answer that stops coming.
    pub(crate) fn broken(&self, error: http::Error) -> StepError {
        match error.kind.is_retryable() {
            true => self.failure(Cause::Cut, &error.message),
            false => failure::unanswered(self.provider(), error),
        }
    }

    /// An error of this provider's, for what only the step can see.
    #[must_use]
    pub fn failure(&self, cause: Cause, reason: &str) -> StepError {
        failure::told(self.provider(), cause, reason)
    }

    /// Records what one call used up, and what that costs where it is known.
    pub fn record(&self, model: &str, used: Used) {
        let price = self.price_of(model);
        if price.is_none() {
            warn!(provider = self.provider(), model, "the model's price is not known: set `config.price`");
        }
        self.note(model, used, price.map(|price| price.micro_usd(used)));
    }

    /// Records a call whose answer does not tell what it used up: it is counted, and its cost is not known unless the model costs nothing.
    pub fn record_untold(&self, model: &str) {
        let is_free = self.price_of(model) == Some(Price::default());
        if !is_free {
            let provider = self.provider();
            warn!(provider, model, "the answer does not tell what the call used up: its cost is not known");
        }
        self.note(model, Used::default(), is_free.then_some(0));
    }

    fn price_of(&self, model: &str) -> Option<Price> {
        self.price.or_else(|| self.work.price(self.provider(), model))
    }

    fn note(&self, model: &str, used: Used, cost_micro_usd: Option<u64>) {
        usage::record(ModelCall {
            provider: self.provider().into(),
            model: model.into(),
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            cost_micro_usd,
        });
    }
}

/// RFC 7396: what is told replaces what is there, objects are merged, and null takes away.
fn merge(document: &mut Value, patch: &Map<String, Value>) {
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(fields) = document else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                fields.remove(name);
            }
            Value::Object(patch) => merge(fields.entry(name.as_str()).or_insert(Value::Null), patch),
            other => {
                fields.insert(name.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_config_adds_is_merged_and_null_takes_away() {
        let mut body = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": "text", "f": 4});
        let patch = json!({"a": 5, "b": {"c": null, "x": [1]}, "e": {"g": {"h": null, "i": 6}}, "f": null, "none": null});
        merge(&mut body, patch.as_object().unwrap());
        assert_eq!(body, json!({"a": 5, "b": {"d": 3, "x": [1]}, "e": {"g": {"i": 6}}}));
    }
}
