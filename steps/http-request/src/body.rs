//! The body of a request: one of five kinds.

use form_urlencoded::Serializer;
use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{Multipart, Request};

use crate::Input;
use crate::query::Scalar;

/// A field of a form with files: `text` or `blob`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// Its name.
    name: String,
    /// What it says.
    text: Option<Scalar>,
    /// A file: the bytes of a blob.
    blob: Option<Blob>,
    /// The file's name; the blob's own, or else `file`, where it is left out.
    file_name: Option<String>,
}

/// Adds the input's body, and says what it is unless a header does.
pub(crate) fn add(request: Request, input: &Input) -> Result<Request, StepError> {
    let Input { json, text, form, multipart, blob, .. } = input;
    let given = [
        ("json", json.is_some()),
        ("text", text.is_some()),
        ("form", form.is_some()),
        ("multipart", multipart.is_some()),
        ("blob", blob.is_some()),
    ];
    let given: Vec<&str> =
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
    if given.len() > 1 {
        let message = format!("a request has one body: give one of `{}`", given.join("`, `"));
        return Err(StepError::invalid_input(message));
    }
    if let Some(json) = json {
        return Ok(request.json(json));
    }
    if let Some(text) = text {
        return Ok(of_type(request, "text/plain; charset=utf-8").body(text.as_str()));
    }
    if let Some(form) = form {
        let mut fields = Serializer::new(String::new());
        for (name, parameter) in form {
            fields.extend_pairs(parameter.texts().map(|value| (name, value)));
        }
        return Ok(of_type(request, "application/x-www-form-urlencoded").body(fields.finish()));
    }
    if let Some(fields) = multipart {
        return Ok(request.multipart(with_files(fields)?));
    }
    Ok(match blob {
        Some(blob) => of_type(request, &blob.media_type).part(blob),
        None => request,
    })
}

fn of_type(request: Request, kind: &str) -> Request {
    match request.header_value("content-type") {
        Some(_) => request,
        None => request.header("content-type", kind),
    }
}

fn with_files(fields: &[Field]) -> Result<Multipart, StepError> {
    let mut form = Multipart::new();
    for (index, field) in fields.iter().enumerate() {
        form = match field {
            Field { name, text: None, blob: Some(blob), file_name } => {
                let file = file_name.as_ref().or(blob.name.as_ref()).map_or("file", String::as_str);
                form.blob(name, file, blob)
            }
            Field { name, text: Some(text), blob: None, file_name: None } => {
                form.text(name, text.text().unwrap_or_default())
            }
            Field { name, .. } => {
                let message = format!(
                    "/multipart/{index}: the field `{name}` wants `text`, or `blob` with perhaps a `file_name`"
                );
                return Err(StepError::invalid_input(message).detail([format!("/multipart/{index}")]));
            }
        };
    }
    Ok(form)
}
