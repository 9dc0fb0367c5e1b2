//! Cohere's `/v2/embed`.

use serde::Deserialize;
use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use super::{Batch, Embedder, Purpose, record};
use crate::Endpoint;

#[derive(Deserialize)]
struct Answer {
    embeddings: ByType,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct ByType {
    float: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Meta {
    billed_units: Option<Billed>,
}

#[derive(Deserialize)]
struct Billed {
    input_tokens: Option<u64>,
}

pub(super) fn request(embedder: &Embedder<'_>, texts: &[&str]) -> Request {
    // Cohere's version 3 and later cannot do without it.
    let input_type = match embedder.purpose {
        Some(Purpose::Query) => "search_query",
        Some(Purpose::Document) | None => "search_document",
    };
    let mut body = json!({
        "model": embedder.endpoint.model(),
        "texts": texts,
        "input_type": input_type,
        "embedding_types": ["float"],
    });
    if let Some(dimensions) = embedder.dimensions {
        body["output_dimension"] = dimensions.into();
    }
    embedder.endpoint.post("/embed", body)
}

pub(super) fn read(endpoint: &Endpoint<'_>, response: &Response) -> Result<Batch, StepError> {
    let answer: Answer = endpoint.parse(response)?;
    let tokens = answer.meta.and_then(|meta| meta.billed_units).and_then(|billed| billed.input_tokens);
    record(endpoint, None, tokens);
    Ok(Batch { model: None, vectors: answer.embeddings.float })
}
