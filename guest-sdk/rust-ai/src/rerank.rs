//! Documents in the order of how well they answer a query: by a model for that, or by the cosine of embeddings.
//!
//! Cohere, Jina and Voyage have nearly the same API; what differs stands here side by side.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;

use crate::embed::{self, Embedder, Purpose, cosine};
use crate::{Api, Endpoint, Used, Vendor, Work};

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Cohere, version 2 of its API.
    #[default]
    Cohere,
    /// Jina AI.
    Jina,
    /// Voyage AI.
    Voyage,
    /// Any server that has Jina's `/rerank`: vLLM, llama.cpp, Infinity, ...
    JinaCompatible,
    /// OpenAI has no model for it: by the cosine of its embeddings.
    Openai,
    /// Any server that has OpenAI's `/embeddings`: by their cosine.
    OpenaiCompatible,
    /// Google's Gemini: by the cosine of its embeddings.
    Gemini,
}

impl Vendor for Provider {
    const WORK: Work = Work::RERANK;

    fn api(self) -> Api {
        match self {
            Self::Cohere => Api::COHERE,
            Self::Jina => Api::JINA,
            Self::Voyage => Api::VOYAGE,
            Self::JinaCompatible => Api { provider: "jina-compatible", ..Api::OPENAI_COMPATIBLE },
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Gemini => Api::GEMINI,
        }
    }
}

/// One document's place among the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its place in the list that was given.
    pub index: usize,
    /// The higher, the better: 0 to 1 by most models, -1 to 1 by cosine.
    pub score: f64,
}

/// Documents, the best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// The model, as it names itself.
    pub model: String,
    /// Those that were asked for.
    pub ranked: Vec<Ranked>,
}

#[derive(Deserialize)]
struct Answer {
    /// Voyage calls it `data`.
    #[serde(alias = "data")]
    results: Vec<Row>,
    model: Option<String>,
    /// Jina's and Voyage's.
    usage: Option<Usage>,
    /// Cohere's.
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Row {
    index: usize,
    relevance_score: f64,
}

#[derive(Deserialize)]
struct Usage {
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Meta {
    billed_units: Option<Billed>,
}

#[derive(Deserialize)]
struct Billed {
    search_units: Option<f64>,
}

/// Ranks documents, the best first, and no more than `top`.
///
/// # Errors
///
/// The provider's, and a ranking of documents that were not given.
pub fn rank(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    query: &str,
    documents: &[&str],
    top: Option<usize>,
) -> Result<Ranking, StepError> {
    let embedder = match provider {
        Provider::Openai => embed::Provider::Openai,
        Provider::OpenaiCompatible => embed::Provider::OpenaiCompatible,
        Provider::Gemini => embed::Provider::Gemini,
        _ => return by_model(provider, endpoint, query, documents, top),
    };
    by_cosine(embedder, endpoint, query, documents, top)
}

fn by_model(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    query: &str,
    documents: &[&str],
    top: Option<usize>,
) -> Result<Ranking, StepError> {
    let body = body(provider, endpoint.model(), query, documents, top);
    let response = endpoint.answered(endpoint.post("/rerank", body).send())?;
    let answer: Answer = endpoint.parse(&response)?;
    endpoint.record_if_told(answer.model.as_deref(), used(&answer));
    let ranked = answer.results.iter().map(|row| Ranked { index: row.index, score: row.relevance_score });
    let ranked = ordered(ranked.collect(), top);
    if let Some(stray) = ranked.iter().find(|row| row.index >= documents.len()) {
        let (index, count) = (stray.index, documents.len());
        return Err(endpoint.misfit(&format!("ranked the document {index}, and was sent {count}")));
    }
    Ok(Ranking { model: answer.model.unwrap_or_else(|| endpoint.model().into()), ranked })
}

fn body(provider: Provider, model: &str, query: &str, documents: &[&str], top: Option<usize>) -> Value {
    let mut body = json!({"model": model, "query": query, "documents": documents});
    if provider != Provider::Cohere {
        body["return_documents"] = false.into();
    }
    if let Some(top) = top {
        let name = if provider == Provider::Voyage { "top_k" } else { "top_n" };
        body[name] = top.min(documents.len()).into();
    }
    body
}

fn used(answer: &Answer) -> Option<Used> {
    let tokens =
        answer.usage.as_ref().map(|usage| Used { input_tokens: usage.total_tokens, ..Used::default() });
    let billed = answer.meta.as_ref().and_then(|meta| meta.billed_units.as_ref());
    let searches = billed.and_then(|billed| billed.search_units);
    tokens.or(searches.map(|units| Used { units, ..Used::default() }))
}

fn by_cosine(
    provider: embed::Provider,
    endpoint: &Endpoint<'_>,
    query: &str,
    documents: &[&str],
    top: Option<usize>,
) -> Result<Ranking, StepError> {
    let embedder =
        |purpose| Embedder { provider, endpoint, dimensions: None, purpose: Some(purpose), at_once: None };
    let asked = embedder(Purpose::Query).embed(&[query])?;
    let given = embedder(Purpose::Document).embed(documents)?;
    let query = asked.vectors.first().map(Vec::as_slice).unwrap_or_default();
    let ranked = given.vectors.iter().enumerate();
    let ranked = ranked.map(|(index, vector)| Ranked { index, score: cosine(query, vector) }).collect();
    Ok(Ranking { model: given.model, ranked: ordered(ranked, top) })
}

/// Equal scores stay in the order of the documents.
fn ordered(mut ranked: Vec<Ranked>, top: Option<usize>) -> Vec<Ranked> {
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    ranked.truncate(top.unwrap_or(usize::MAX));
    ranked
}
