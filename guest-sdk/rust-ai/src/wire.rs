//! What the calls that are no chat need besides: answers of a type of their own, large values, files.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{self, Multipart, Request, Response};

use crate::{Cause, Endpoint, Used, failure};

impl Endpoint<'_> {
    /// What came back, if its status is 2xx.
    pub(crate) fn answered(&self, answer: Result<Response, http::Error>) -> Result<Response, StepError> {
        let response = answer.map_err(|error| failure::unanswered(self.provider(), error))?;
        match response.status {
            200..=299 => Ok(response),
            _ => Err(failure::refused(self.provider(), &response)),
        }
    }

    /// A 2xx as JSON of that type. What is read so does not become a [`Value`] first: lists of vectors are large. What cannot be read was paid for
    /// all the same.
    pub(crate) fn parse<T: DeserializeOwned>(&self, response: &Response) -> Result<T, StepError> {
        // As text, as everything else is read: a second reader would double the code.
        let parsed = match str::from_utf8(&response.body) {
            Ok(body) => serde_json::from_str(body).map_err(|error| self.misread(response, &error)),
            Err(_) => Err(failure::not_json(self.provider(), response)),
        };
        parsed.inspect_err(|_| self.record_untold(self.model()))
    }

    /// Why a 2xx is not what it should be: an error, a page, or JSON of another shape.
    fn misread(&self, response: &Response, error: &serde_json::Error) -> StepError {
        match failure::parsed(&response.body) {
            None => failure::not_json(self.provider(), response),
            Some(answer) if failure::error_inside(&answer).is_some() => self.inside(&answer),
            Some(_) => {
                self.misfit(&format!("it is not what this API answers ({error}): {}", response.excerpt()))
            }
        }
    }

    /// Sends a request whose good answer is no JSON: its head, and its body as a blob.
    pub(crate) fn kept(&self, request: Request) -> Result<(Response, Blob), StepError> {
        let kept = request.send_and_keep().map_err(|error| failure::unanswered(self.provider(), error))?;
        match kept.body {
            Some(body) => Ok((kept.response, body)),
            None => Err(failure::refused(self.provider(), &kept.response)),
        }
    }

    /// A form with the config's further fields.
    pub(crate) fn form(&self) -> Multipart {
        self.extra().iter().fold(Multipart::new(), |form, (name, value)| form.text(name, as_text(value)))
    }

    /// The error of an answer that contradicts itself, or the request.
    pub(crate) fn misfit(&self, reason: &str) -> StepError {
        self.failure(Cause::Misfit, reason)
    }

    /// Adds the config's further fields to an object.
    pub(crate) fn extend(&self, object: &mut Value) {
        if let Value::Object(fields) = object {
            fields.extend(self.extra().clone());
        }
    }

    /// Records a call, with what it used up where the provider tells.
    pub(crate) fn record_if_told(&self, model: Option<&str>, used: Option<Used>) {
        let model = model.unwrap_or(self.model());
        match used {
            Some(used) => self.record(model, used),
            None => self.record_untold(model),
        }
    }
}

/// As a form or a query has it, where everything is text.
pub(crate) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text within an answer.
pub(crate) fn text<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer)?.as_str()
}

/// A whole number within an answer; 0 if it is not told.
pub(crate) fn count(answer: &Value, pointer: &str) -> u64 {
    answer.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// A list within an answer; empty if it has none.
pub(crate) fn list<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
    answer.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An object of those fields that have a value.
pub(crate) fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in fields {
        if let Some(value) = value {
            object.insert(name.into(), value);
        }
    }
    object
}
