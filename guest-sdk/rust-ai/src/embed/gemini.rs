//! Gemini's `batchEmbedContents`.

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use super::{Batch, Embedder, Purpose, record};
use crate::Endpoint;

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Embedding>,
    #[serde(rename = "usageMetadata")]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(rename = "promptTokenCount")]
    prompt_tokens: Option<u64>,
}

pub(super) fn request(embedder: &Embedder<'_>, texts: &[&str]) -> Request {
    let model = embedder.endpoint.model();
    let one = |text: &&str| {
        let mut one = json!({"model": format!("models/{model}"), "content": {"parts": [{"text": text}]}});
        if let Some(purpose) = embedder.purpose {
            one["taskType"] = task(purpose).into();
        }
        if let Some(dimensions) = embedder.dimensions {
            one["outputDimensionality"] = dimensions.into();
        }
        // The body is a list of requests: what the config adds goes into each.
        embedder.endpoint.extend(&mut one);
        one
    };
    let requests: Vec<Value> = texts.iter().map(one).collect();
    let path = format!("/models/{model}:batchEmbedContents");
    embedder.endpoint.request("POST", &path).json(&json!({"requests": requests}))
}

fn task(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Document => "RETRIEVAL_DOCUMENT",
        Purpose::Query => "RETRIEVAL_QUERY",
    }
}

pub(super) fn read(endpoint: &Endpoint<'_>, response: &Response) -> Result<Batch, StepError> {
    let answer: Answer = endpoint.parse(response)?;
    record(endpoint, None, answer.usage.and_then(|usage| usage.prompt_tokens));
    let vectors = answer.embeddings.into_iter().map(|embedding| embedding.values).collect();
    Ok(Batch { model: None, vectors })
}
