//! From an answer to the step's output.

use std::collections::BTreeMap;

use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{Error, Request, Response};

use crate::{Config, Output, status, url};

/// Sends a request, and gives its answer if its status is expected.
pub(crate) fn send(config: &Config, request: Request) -> Result<Response, StepError> {
    let method = request.method.clone();
    let answer = request.send()?;
    status::check(config, &method, &answer)?;
    Ok(answer)
}

/// Sends a request, and hands on its answer.
pub(crate) fn read(config: &Config, request: Request) -> Result<Output, StepError> {
    Ok(output(&send(config, request)?)?)
}

/// Sends a request, and makes a blob of its answer.
pub(crate) fn keep(config: &Config, request: Request) -> Result<Output, StepError> {
    let method = request.method.clone();
    let kept = request.send_and_keep()?;
    status::check(config, &method, &kept.response)?;
    let Some(blob) = kept.body else {
        return Ok(output(&kept.response)?);
    };
    let name = file_name(&kept.response);
    Ok(Output { blob: Some(named(blob, name)), ..head(&kept.response) })
}

/// All but the body.
pub(crate) fn head(answer: &Response) -> Output {
    Output {
        status: answer.status,
        url: answer.url.clone(),
        headers: joined(&answer.headers),
        ..Output::default()
    }
}

fn output(answer: &Response) -> Result<Output, Error> {
    let json = if is_json(answer) { Some(answer.json()?) } else { None };
    let text = match json {
        None if !answer.body.is_empty() => std::str::from_utf8(&answer.body).ok().map(str::to_owned),
        _ => None,
    };
    Ok(Output { json, text, ..head(answer) })
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

fn named(blob: Blob, name: Option<String>) -> Blob {
    match name {
        Some(name) => blob.named(name),
        None => blob,
    }
}

/// What the peer calls the file, or else the last part of the URL's path.
fn file_name(answer: &Response) -> Option<String> {
    let said = answer.header("content-disposition").and_then(|value| {
        let parameter = |part: &str| Some(part.trim().split_once('=')?.1.trim().trim_matches('"').to_owned());
        value
            .split(';')
            .find(|part| part.trim().to_ascii_lowercase().starts_with("filename="))
            .and_then(parameter)
    });
    let last = || url::path(&answer.url).rsplit('/').next().unwrap_or_default().to_owned();
    // A name, and no way to another folder.
    let name = said.unwrap_or_else(last).rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    Some(name).filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
}
