//! Voyage's `/embeddings`. The answer is as OpenAI's.

use serde_json::json;
use stepwell_sdk::http::Request;

use super::{Embedder, Purpose};

pub(super) fn request(embedder: &Embedder<'_>, texts: &[&str]) -> Request {
    let mut body = json!({"model": embedder.endpoint.model(), "input": texts});
    if let Some(purpose) = embedder.purpose {
        body["input_type"] = match purpose {
            Purpose::Document => "document".into(),
            Purpose::Query => "query".into(),
        };
    }
    if let Some(dimensions) = embedder.dimensions {
        body["output_dimension"] = dimensions.into();
    }
    embedder.endpoint.post("/embeddings", body)
}
