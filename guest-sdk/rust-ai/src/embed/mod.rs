//! Vectors of texts: one way to ask for them, whoever makes them.
//!
//! Knows how many texts each provider takes at once; knows nothing of steps, nor where the vectors go.

mod cohere;
mod gemini;
mod openai;
#[cfg(test)]
mod tests;
mod voyage;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use crate::{Api, Cause, Endpoint, Used, Vendor, Work};

/// Who makes the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// OpenAI.
    #[default]
    Openai,
    /// Any server that has OpenAI's `/embeddings`: Ollama, vLLM, llama.cpp, ...
    OpenaiCompatible,
    /// Google's Gemini.
    Gemini,
    /// Cohere, version 2 of its API.
    Cohere,
    /// Voyage AI.
    Voyage,
}

impl Vendor for Provider {
    const WORK: Work = Work::EMBED;

    fn api(self) -> Api {
        match self {
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Gemini => Api::GEMINI,
            Self::Cohere => Api::COHERE,
            Self::Voyage => Api::VOYAGE,
        }
    }
}

impl Provider {
    /// How many texts it takes at once.
    fn most_at_once(self) -> usize {
        match self {
            Self::Openai => 2048,
            Self::OpenaiCompatible => 256,
            Self::Gemini => 100,
            Self::Cohere => 96,
            Self::Voyage => 1000,
        }
    }

    /// How many bytes of text it takes at once: those that count tokens take as many, of which none is shorter than a byte. Voyage's models differ; this
    /// is the least.
    fn most_bytes_at_once(self) -> usize {
        match self {
            Self::Openai => 300_000,
            Self::Voyage => 120_000,
            Self::OpenaiCompatible | Self::Gemini | Self::Cohere => usize::MAX,
        }
    }
}

/// What the vectors are for. Providers that make a difference are told; to others it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Texts that are searched.
    Document,
    /// What they are searched with.
    Query,
}

/// How texts become vectors.
#[derive(Debug, Clone, Copy)]
pub struct Embedder<'a> {
    /// Who makes them.
    pub provider: Provider,
    /// Where to ask.
    pub endpoint: &'a Endpoint<'a>,
    /// How many numbers a vector has; the model's own number where nobody says.
    pub dimensions: Option<u32>,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// At most so many texts with a request; the provider's own limits hold where they are lower.
    pub at_once: Option<usize>,
}

/// Vectors, in the order of their texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// The model, as it names itself.
    pub model: String,
    /// All of one length, which is not 0.
    pub vectors: Vec<Vec<f32>>,
}

/// What came of one request, whose cost is recorded.
struct Batch {
    model: Option<String>,
    vectors: Vec<Vec<f32>>,
}

impl Embedder<'_> {
    /// Makes a vector of each text. What each request cost is recorded, also of those that succeeded beside one that failed.
    ///
    /// # Errors
    ///
    /// The provider's, the first of them if there are several; and an answer that is not a vector for each text.
    pub fn embed(&self, texts: &[&str]) -> Result<Embeddings, StepError> {
        let batches = self.batches(texts);
        let answers = http::send_all(batches.iter().map(|batch| self.request(batch)));
        let read = |(answer, batch): (_, &&[&str])| self.read(answer, batch.len());
        // All are read before the first error is returned: each that succeeded is paid for.
        let batches: Vec<_> = answers.into_iter().zip(&batches).map(read).collect();
        self.joined(batches)
    }

    fn batches<'t>(&self, texts: &'t [&'t str]) -> Vec<&'t [&'t str]> {
        let mut batches = Vec::new();
        let mut rest = texts;
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at(self.fitting(rest));
            batches.push(batch);
            rest = behind;
        }
        batches
    }

    /// How many of these texts fit into one request. A text that is too long for any has one of its own: the provider says so.
    fn fitting(&self, texts: &[&str]) -> usize {
        let most = self.provider.most_at_once();
        let most_bytes = self.provider.most_bytes_at_once();
        let at_once = self.at_once.map_or(most, |count| count.min(most));
        let mut bytes = 0;
        let fits = |text: &&&str| {
            bytes += text.len();
            bytes <= most_bytes
        };
        texts.iter().take(at_once).take_while(fits).count().max(1)
    }

    fn request(&self, texts: &[&str]) -> Request {
        match self.provider {
            Provider::Openai | Provider::OpenaiCompatible => openai::request(self, texts),
            Provider::Gemini => gemini::request(self, texts),
            Provider::Cohere => cohere::request(self, texts),
            Provider::Voyage => voyage::request(self, texts),
        }
    }

    fn read(&self, answer: Result<Response, http::Error>, expected: usize) -> Result<Batch, StepError> {
        let answer = self.endpoint.answered(answer)?;
        let batch = match self.provider {
            Provider::Openai | Provider::OpenaiCompatible | Provider::Voyage => {
                openai::read(self.endpoint, &answer)
            }
            Provider::Gemini => gemini::read(self.endpoint, &answer),
            Provider::Cohere => cohere::read(self.endpoint, &answer),
        }?;
        match batch.vectors.len() {
            got if got == expected => Ok(batch),
            got => Err(self.endpoint.misfit(&format!("gave {got} vectors for {expected} texts"))),
        }
    }

    fn joined(&self, batches: Vec<Result<Batch, StepError>>) -> Result<Embeddings, StepError> {
        let mut model = None;
        let mut vectors: Vec<Vec<f32>> = Vec::new();
        for batch in batches {
            let batch = batch?;
            model = model.or(batch.model);
            vectors.extend(batch.vectors);
        }
        self.check_lengths(&vectors)?;
        Ok(Embeddings { model: model.unwrap_or_else(|| self.endpoint.model().into()), vectors })
    }

    fn check_lengths(&self, vectors: &[Vec<f32>]) -> Result<(), StepError> {
        let length = vectors.first().map_or(0, Vec::len);
        if vectors.iter().any(|vector| vector.is_empty() || vector.len() != length) {
            return Err(self.endpoint.misfit("gave vectors that are empty, or of different lengths"));
        }
        match self.dimensions {
            Some(asked) if asked as usize != length && length > 0 => {
                let reason = format!(
                    "`dimensions` asks for {asked} numbers and the vectors have {length}: leave it out, or choose a model that can"
                );
                Err(self.endpoint.failure(Cause::BadRequest, &reason))
            }
            _ => Ok(()),
        }
    }
}

/// Records a request, with the tokens that were read where the provider tells.
fn record(endpoint: &Endpoint<'_>, model: Option<&str>, tokens: Option<u64>) {
    let used = tokens.map(|tokens| Used { input_tokens: tokens, ..Used::default() });
    endpoint.record_if_told(model, used);
}

/// How alike two vectors are: 1 for the same direction, 0 for nothing in common, -1 for opposites.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { (dot(a, b) / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}
