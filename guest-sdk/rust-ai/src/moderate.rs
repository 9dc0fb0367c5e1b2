//! What is in a text or an image that should not be: scores by category, from OpenAI's or Mistral's moderation.
//!
//! Knows the providers' answers; what score is too much is the step's affair.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{self, Request, Response};

use crate::{Api, Cause, Endpoint, Used, Vendor, Work, media, wire};

/// The largest image that OpenAI takes.
const MOST_IMAGE_BYTES: u64 = 20 << 20;

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// OpenAI: texts and images, free of charge.
    #[default]
    Openai,
    /// Any server that has OpenAI's `/moderations`.
    OpenaiCompatible,
    /// Mistral: texts.
    Mistral,
}

impl Vendor for Provider {
    const WORK: Work = Work::MODERATE;

    fn api(self) -> Api {
        match self {
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Mistral => Api::MISTRAL,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The model, as it names itself.
    pub model: String,
    /// By the provider's name for it: `violence`, `harassment/threatening`, ...
    pub categories: BTreeMap<String, Finding>,
}

/// What was found of one category: of several texts and images, the worst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// 0 to 1.
    pub score: f64,
    /// Whether the provider itself would flag it.
    pub flagged: bool,
}

/// Judges texts and images together.
///
/// # Errors
///
/// The provider's; when it takes no images; and an image that is too large.
pub fn judge(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    texts: &[&str],
    images: &[Blob],
) -> Result<Findings, StepError> {
    if provider == Provider::Mistral && !images.is_empty() {
        return Err(endpoint.failure(Cause::BadRequest, "it moderates texts alone, and was given an image"));
    }
    let (inputs, requests): (Vec<usize>, Vec<Request>) =
        requests(endpoint, texts, images)?.into_iter().unzip();
    let answers = http::send_all(requests).into_iter().zip(inputs);
    let read: Vec<_> = answers.map(|(answer, inputs)| read(endpoint, answer, inputs)).collect();
    let mut findings = Findings { model: endpoint.model().into(), categories: BTreeMap::new() };
    for answer in read {
        let answer = answer?;
        if let Some(model) = wire::text(&answer, "/model") {
            findings.model = model.into();
        }
        wire::list(&answer, "/results").iter().for_each(|result| add(&mut findings.categories, result));
    }
    match findings.categories.is_empty() {
        true => Err(endpoint.misfit("it has no categories")),
        false => Ok(findings),
    }
}

/// The texts in one request, and each image in one of its own: more than one image OpenAI does not take. With each, how much it asks to judge.
fn requests(
    endpoint: &Endpoint<'_>,
    texts: &[&str],
    images: &[Blob],
) -> Result<Vec<(usize, Request)>, StepError> {
    let request =
        |input: Value| endpoint.post("/moderations", json!({"model": endpoint.model(), "input": input}));
    let mut requests = Vec::with_capacity(images.len() + 1);
    if !texts.is_empty() {
        requests.push((texts.len(), request(json!(texts))));
    }
    for (index, image) in images.iter().enumerate() {
        let image = media::given_image(&format!("images/{index}"), image)?;
        let url = media::data_url(&image, MOST_IMAGE_BYTES)?;
        requests.push((1, request(json!([{"type": "image_url", "image_url": {"url": url}}]))));
    }
    Ok(requests)
}

fn read(
    endpoint: &Endpoint<'_>,
    answer: Result<Response, http::Error>,
    inputs: usize,
) -> Result<Value, StepError> {
    let answer = endpoint.answer(answer)?;
    let used = answer
        .get("usage")
        .filter(|usage| usage.is_object())
        .map(|usage| Used { input_tokens: wire::count(usage, "/prompt_tokens"), ..Used::default() });
    endpoint.record_if_told(wire::text(&answer, "/model"), used);
    let judged = wire::list(&answer, "/results").iter().filter(|result| scores(result).next().is_some());
    match judged.count() {
        judged if judged == inputs => Ok(answer),
        judged => Err(endpoint.misfit(&format!("it judges {judged} of {inputs} texts or images"))),
    }
}

/// OpenAI has null where a category does not apply to the kind of input.
fn scores(result: &Value) -> impl Iterator<Item = (&String, f64)> {
    let all = result.get("category_scores").and_then(Value::as_object);
    all.into_iter().flatten().filter_map(|(name, score)| Some((name, score.as_f64()?)))
}

fn add(categories: &mut BTreeMap<String, Finding>, result: &Value) {
    for (name, score) in scores(result) {
        let flagged = result["categories"][name] == true;
        let worst = categories.entry(name.clone()).or_insert(Finding { score, flagged });
        worst.score = worst.score.max(score);
        worst.flagged |= flagged;
    }
}
