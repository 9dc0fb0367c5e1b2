//! Puts documents in the order of how well they answer a query, and leaves out those that do not.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_ai::rerank::{self, Provider};
use stepwell_sdk::StepError;

type Config = stepwell_ai::Config<Provider, Own>;

/// Who judges, and how many documents are wanted.
#[derive(Deserialize, JsonSchema)]
struct Own {
    /// The most documents to give back; all where it is left out.
    #[schemars(range(min = 1))]
    top_n: Option<usize>,
    /// Documents with a lower score are left out. What a score means is the model's affair: 0 to 1 of models that rank, -1 to 1 by cosine.
    min_score: Option<f64>,
}

/// What is asked, and what may answer it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What is asked.
    query: String,
    /// Texts, or objects with a `text`: they come back as they are.
    documents: Vec<Value>,
}

/// Documents, the best first.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The model, as it names itself.
    model: String,
    /// The best first.
    ranked: Vec<Ranked>,
}

/// One document, and how well it answers.
#[derive(Serialize, JsonSchema)]
struct Ranked {
    /// Its place in the input's list, from 0.
    index: usize,
    /// The higher, the better.
    score: f64,
    /// The document, as it was given.
    document: Value,
}

#[stepwell_sdk::step(http = "sends the query and the documents to the provider's API")]
fn rerank(input: Input, config: Config) -> Result<Output, StepError> {
    if input.query.trim().is_empty() {
        return Err(StepError::invalid_input("`query` is empty: nothing answers it"));
    }
    let texts = input.documents.iter().enumerate().map(|(index, document)| text(index, document));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let endpoint = config.provider.endpoint()?;
    if texts.is_empty() {
        return Ok(Output { model: endpoint.model().into(), ranked: Vec::new() });
    }
    let provider = config.provider.provider;
    let ranking = rerank::rank(provider, &endpoint, &input.query, &texts, config.step.top_n)?;
    let is_good = |row: &&rerank::Ranked| config.step.min_score.is_none_or(|least| row.score >= least);
    let ranked = ranking.ranked.iter().filter(is_good).map(|row| Ranked {
        index: row.index,
        score: row.score,
        document: input.documents[row.index].clone(),
    });
    Ok(Output { model: ranking.model, ranked: ranked.collect() })
}

fn text(index: usize, document: &Value) -> Result<&str, StepError> {
    let text = document.as_str().or_else(|| document.get("text")?.as_str());
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(text),
        None => Err(StepError::invalid_input(format!(
            "/documents/{index} has no text: a document is a text, or an object with a `text`"
        ))),
    }
}
