//! Google's Cloud Vision: `POST /v1/images:annotate`, one image a request.

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_ai::{Cause, Endpoint, Used};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use crate::{Page, Told, bytes};

#[derive(Deserialize)]
struct Answer {
    responses: Vec<Response>,
}

/// Empty where there is no text.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    full_text_annotation: Text,
    error: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Text {
    text: String,
    pages: Vec<Area>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Area {
    property: Property,
    confidence: Option<f64>,
    blocks: Vec<Area>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Property {
    detected_languages: Vec<Language>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Language {
    language_code: String,
    confidence: f64,
}

#[derive(Deserialize)]
struct Status {
    code: u32,
    message: String,
}

pub(crate) fn read(
    documents: &[Blob],
    endpoint: &Endpoint<'_>,
    language: Option<&str>,
) -> Result<Told, StepError> {
    let mut told = Told { pages: Vec::new(), language: None, model: endpoint.model().into() };
    for (index, blob) in documents.iter().enumerate() {
        let answer = endpoint.json("/images:annotate", request(index, blob, endpoint, language)?)?;
        let misfit = |why: &str| {
            endpoint.record_untold(endpoint.model());
            endpoint.failure(Cause::Misfit, why)
        };
        let answer = Answer::deserialize(&answer).map_err(|error| misfit(&error.to_string()))?;
        let response =
            answer.responses.into_iter().next().ok_or_else(|| misfit("its answer holds no response"))?;
        if let Some(status) = response.error {
            return Err(endpoint.failure(cause(status.code), &status.message));
        }
        endpoint.record(endpoint.model(), Used { units: 1.0, ..Used::default() });
        let text = response.full_text_annotation;
        told.language = told.language.take().or_else(|| main_language(&text));
        let confidence = confidence(&text);
        told.pages.push(Page { document: index, text: text.text, confidence, ..Page::default() });
    }
    Ok(told)
}

fn request(
    index: usize,
    blob: &Blob,
    endpoint: &Endpoint<'_>,
    language: Option<&str>,
) -> Result<Value, StepError> {
    let sent = bytes::read(index, blob, false)?;
    let hints: Vec<&str> = language.into_iter().collect();
    let feature = json!({"type": "DOCUMENT_TEXT_DETECTION", "model": endpoint.model()});
    let request = json!({
        "image": {"content": sent.base64},
        "features": [feature],
        "imageContext": {"languageHints": hints},
    });
    Ok(json!({"requests": [request]}))
}

/// Codes of `google.rpc.Code`.
fn cause(code: u32) -> Cause {
    match code {
        3 => Cause::BadRequest,
        7 => Cause::Forbidden,
        8 => Cause::RateLimited,
        16 => Cause::BadKey,
        _ => Cause::ProviderFailed,
    }
}

fn main_language(text: &Text) -> Option<String> {
    let all = text.pages.iter().flat_map(|page| &page.property.detected_languages);
    all.max_by(|one, other| one.confidence.total_cmp(&other.confidence)).map(|one| one.language_code.clone())
}

/// Of the page, where it is told; else that of its blocks on average.
fn confidence(text: &Text) -> Option<f64> {
    let page = text.pages.first()?;
    let blocks: Vec<f64> = page.blocks.iter().filter_map(|block| block.confidence).collect();
    let average = (!blocks.is_empty()).then(|| blocks.iter().sum::<f64>() / blocks.len() as f64);
    page.confidence.or(average)
}
