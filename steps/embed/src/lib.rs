//! Makes vectors of texts, in the order of the texts.
//!
//! Small lists stand in the output as numbers; large ones go into a blob, because an output is JSON and has a limit.

#[cfg(test)]
mod tests;

use std::io::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_ai::embed::{Embedder, Embeddings, Provider, Purpose};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::{self, Blob};

type Config = stepwell_ai::Config<Provider, Own>;

/// Who makes the vectors, and how.
#[derive(Deserialize, JsonSchema)]
struct Own {
    /// How many numbers a vector has, of models that can make shorter ones; the model's own number where it is left out.
    #[schemars(range(min = 1, max = 8192))]
    dimensions: Option<u32>,
    /// What the vectors are for. Gemini, Cohere and Voyage make other vectors of what is searched than of what it is searched with.
    purpose: Option<Purpose>,
    /// The most texts in one request; the provider's limits hold where they are lower. All requests leave at once.
    #[schemars(range(min = 1))]
    batch: Option<usize>,
    /// Where the vectors go.
    #[serde(default)]
    store: Store,
}

/// Where vectors go.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Store {
    /// Into the output, as lists of numbers.
    #[default]
    Json,
    /// Into a blob: 32-bit floats, little-endian, one vector behind the other.
    Blob,
}

/// One text, or a list of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// One text.
    text: Option<String>,
    /// Several. Of an object its `text` counts, so that the chunks of `chunk` can be given as they are.
    texts: Option<Vec<Text>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Text {
    /// The text.
    Plain(String),
    /// Something that has one.
    Chunk {
        /// The text.
        text: String,
    },
}

impl Text {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Chunk { text } => text,
        }
    }
}

/// The vectors.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The model, as it names itself.
    model: String,
    /// How many numbers each vector has; 0 without a text.
    dimensions: usize,
    /// How many vectors there are: one for each text.
    count: usize,
    /// The vectors, in the order of the texts; left out where they are in `blob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<Vec<f32>>>,
    /// The vectors as a blob, with `store: blob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<Blob>,
}

#[stepwell_sdk::step(http = "sends the texts to the provider's embeddings API")]
fn embed(input: Input, config: Config) -> Result<Output, StepError> {
    let texts = match (&input.text, &input.texts) {
        (Some(text), None) => vec![text.as_str()],
        (None, Some(texts)) => texts.iter().map(Text::text).collect(),
        _ => return Err(StepError::invalid_input("give either `text` or `texts`")),
    };
    if let Some(index) = texts.iter().position(|text| text.trim().is_empty()) {
        return Err(StepError::invalid_input(format!("the text at {index} is empty: it has no vector")));
    }
    let endpoint = config.provider.endpoint()?;
    let embedder = Embedder {
        provider: config.provider.provider,
        endpoint: &endpoint,
        dimensions: config.step.dimensions,
        purpose: config.step.purpose,
        at_once: config.step.batch,
    };
    output(embedder.embed(&texts)?, config.step.store)
}

fn output(Embeddings { model, vectors }: Embeddings, store: Store) -> Result<Output, StepError> {
    let (dimensions, count) = (vectors.first().map_or(0, Vec::len), vectors.len());
    let (embeddings, blob) = match store {
        Store::Json => (Some(vectors), None),
        Store::Blob => (None, Some(written(&vectors)?)),
    };
    Ok(Output { model, dimensions, count, embeddings, blob })
}

fn written(vectors: &[Vec<f32>]) -> Result<Blob, StepError> {
    let mut blob = blob::create()?;
    for vector in vectors {
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        blob.write_all(&bytes).map_err(blob::Error::from)?;
    }
    Ok(blob.finish("application/octet-stream")?)
}
