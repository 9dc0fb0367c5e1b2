//! `POST /embeddings`, as OpenAI has it. Voyage answers in the same shape.

use serde::Deserialize;
use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Request, Response};

use super::{Batch, Embedder, Provider, record};
use crate::{Endpoint, media};

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    model: Option<String>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    /// Some compatible servers leave it out; they answer in order.
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    /// Little-endian floats, as `encoding_format` asks for: a quarter of the size, and no numbers to parse.
    Base64(String),
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

pub(super) fn request(embedder: &Embedder<'_>, texts: &[&str]) -> Request {
    let mut body = json!({"model": embedder.endpoint.model(), "input": texts});
    // Not all compatible servers know the field.
    if embedder.provider == Provider::Openai {
        body["encoding_format"] = "base64".into();
    }
    if let Some(dimensions) = embedder.dimensions {
        body["dimensions"] = dimensions.into();
    }
    embedder.endpoint.post("/embeddings", body)
}

pub(super) fn read(endpoint: &Endpoint<'_>, response: &Response) -> Result<Batch, StepError> {
    let answer: Answer = endpoint.parse(response)?;
    let tokens = answer.usage.and_then(|usage| usage.prompt_tokens.or(usage.total_tokens));
    record(endpoint, answer.model.as_deref(), tokens);
    let count = answer.data.len();
    let mut vectors = vec![Vec::new(); count];
    for (place, item) in answer.data.into_iter().enumerate() {
        let index = item.index.unwrap_or(place);
        let Some(slot) = vectors.get_mut(index) else {
            return Err(endpoint.misfit(&format!("gave a vector of the text {index}, and was sent {count}")));
        };
        *slot = numbers(endpoint, item.embedding)?;
    }
    Ok(Batch { model: answer.model, vectors })
}

fn numbers(endpoint: &Endpoint<'_>, vector: Vector) -> Result<Vec<f32>, StepError> {
    let text = match vector {
        Vector::Numbers(numbers) => return Ok(numbers),
        Vector::Base64(text) => text,
    };
    let bytes = media::decoded(endpoint, &text)?;
    let (floats, rest) = bytes.as_chunks::<4>();
    match rest {
        [] => Ok(floats.iter().map(|float| f32::from_le_bytes(*float)).collect()),
        _ => {
            Err(endpoint
                .misfit(&format!("gave a vector of {} bytes, which are no whole numbers", bytes.len())))
        }
    }
}
