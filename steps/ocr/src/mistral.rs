//! Mistral's OCR: `POST /v1/ocr`, one document a request.

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_ai::{Cause, Endpoint, Used};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use crate::{Page, Told, bytes};

#[derive(Deserialize)]
struct Answer {
    pages: Vec<Read>,
    model: Option<String>,
    usage_info: Option<Usage>,
}

#[derive(Deserialize)]
struct Read {
    markdown: String,
}

#[derive(Deserialize)]
struct Usage {
    pages_processed: u32,
}

pub(crate) fn read(documents: &[Blob], endpoint: &Endpoint<'_>) -> Result<Told, StepError> {
    let mut told = Told { pages: Vec::new(), language: None, model: endpoint.model().into() };
    for (index, blob) in documents.iter().enumerate() {
        let answer = endpoint.json("/ocr", request(index, blob, endpoint)?)?;
        let answer = Answer::deserialize(&answer).map_err(|error| {
            endpoint.record_untold(endpoint.model());
            endpoint.failure(Cause::Misfit, &format!("its answer is not that of an OCR: {error}"))
        })?;
        told.model = answer.model.unwrap_or_else(|| endpoint.model().into());
        match answer.usage_info {
            Some(usage) => {
                let units = f64::from(usage.pages_processed);
                endpoint.record(&told.model, Used { units, ..Used::default() });
            }
            None => endpoint.record_untold(&told.model),
        }
        let page = |read: Read| Page { document: index, text: read.markdown, ..Page::default() };
        told.pages.extend(answer.pages.into_iter().map(page));
    }
    Ok(told)
}

fn request(index: usize, blob: &Blob, endpoint: &Endpoint<'_>) -> Result<Value, StepError> {
    let sent = bytes::read(index, blob, true)?;
    let url = format!("data:{};base64,{}", sent.media_type, sent.base64);
    let document = if sent.media_type == "application/pdf" {
        json!({"type": "document_url", "document_url": url})
    } else {
        json!({"type": "image_url", "image_url": url})
    };
    Ok(json!({"model": endpoint.model(), "document": document, "include_image_base64": false}))
}
