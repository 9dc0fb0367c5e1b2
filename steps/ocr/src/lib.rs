//! Reads the text of images and scans: by a vision model, or by a service that does nothing else.

mod bytes;
mod google;
mod mistral;
#[cfg(test)]
mod tests;
mod vision;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_ai::chat::{self, ResponseFormat};
use stepwell_ai::{Api, Auth, Config, Vendor, Work};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

/// Who reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Provider {
    /// A vision model of OpenAI, by chat completions.
    #[default]
    Openai,
    /// A vision model of OpenAI, by responses.
    OpenaiResponses,
    /// A model of Anthropic. Takes PDF.
    Anthropic,
    /// A model of Google's Gemini. Takes PDF.
    Gemini,
    /// A vision model on a server that speaks OpenAI's chat completions. Needs `base_url` and `model`.
    OpenaiCompatible,
    /// Mistral's OCR. Takes PDF.
    MistralOcr,
    /// Google's Cloud Vision: reads printed and written text, and says how sure it is.
    GoogleVision,
}

impl Provider {
    /// The model's provider, if it is one that is talked to.
    fn talks(self) -> Option<chat::Provider> {
        match self {
            Self::Openai => Some(chat::Provider::Openai),
            Self::OpenaiResponses => Some(chat::Provider::OpenaiResponses),
            Self::Anthropic => Some(chat::Provider::Anthropic),
            Self::Gemini => Some(chat::Provider::Gemini),
            Self::OpenaiCompatible => Some(chat::Provider::OpenaiCompatible),
            Self::MistralOcr | Self::GoogleVision => None,
        }
    }
}

impl Vendor for Provider {
    const WORK: Work = Work::OCR;

    fn api(self) -> Api {
        match self {
            Self::MistralOcr => Api::bearer("mistral-ocr", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
            Self::GoogleVision => Api {
                auth: Auth::header("x-goog-api-key"),
                ..Api::bearer("google-vision", "https://vision.googleapis.com/v1", "GOOGLE_API_KEY")
            },
            other => other.talks().unwrap_or_default().api(),
        }
    }
}

/// How it is read.
#[derive(Debug, Deserialize, JsonSchema)]
struct Reading {
    /// The language of the text, if it is known, as BCP 47 has it: `de`. It is a hint; without one the reader finds it.
    language: Option<String>,
    /// Of vision models: the most tokens to write for one document, 16,000 with Anthropic where it is left out and as many as the model can with others. A
    /// document whose text is cut there is an error.
    #[schemars(range(min = 1))]
    max_tokens: Option<u32>,
    /// Of vision models: how the server is told what to answer.
    #[serde(default)]
    response_format: ResponseFormat,
}

/// What to read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Images (PNG, JPEG, WebP, GIF) or, for those who take them, PDFs; read in this order. At most 20, of at most 20 MiB each (images 3.75 MiB with Anthropic).
    #[schemars(length(min = 1, max = 20))]
    documents: Vec<Blob>,
}

/// What was read.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The text of all pages, with an empty line between.
    text: String,
    /// Whether no page has any text.
    empty: bool,
    /// The pages, in order.
    pages: Vec<Page>,
    /// The language of most of the text, where the reader says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Who read it, as the provider names it.
    model: String,
}

/// One page.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Page {
    /// From 1, through all documents.
    number: usize,
    /// Which of the documents it is from, from 0.
    document: usize,
    /// Its text; as Markdown where the reader writes that.
    text: String,
    /// How sure the reader is of it, 0 to 1, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
}

/// What a reader makes of all documents.
struct Told {
    pages: Vec<Page>,
    language: Option<String>,
    model: String,
}

#[stepwell_sdk::step(http = "sends the images to the model or service that reads them")]
fn ocr(input: Input, config: Config<Provider, Reading>) -> Result<Output, StepError> {
    let documents = &input.documents;
    if documents.is_empty() || documents.len() > 20 {
        return Err(StepError::invalid_input(format!(
            "/documents: there are {}, and 1 to 20 are read",
            documents.len()
        )));
    }
    let Config { provider, step: reading } = config;
    let told = match provider.provider {
        Provider::MistralOcr => mistral::read(documents, &provider.endpoint()?)?,
        Provider::GoogleVision => {
            google::read(documents, &provider.endpoint()?, reading.language.as_deref())?
        }
        _ => vision::read(documents, provider, &reading)?,
    };
    Ok(output(told))
}

fn output(told: Told) -> Output {
    let Told { mut pages, language, model } = told;
    for (place, page) in pages.iter_mut().enumerate() {
        page.number = place + 1;
        page.text = page.text.trim().into();
    }
    let texts: Vec<&str> =
        pages.iter().map(|page| page.text.as_str()).filter(|text| !text.is_empty()).collect();
    let text = texts.join("\n\n");
    let empty = text.is_empty();
    if empty {
        stepwell_sdk::warn!(pages = pages.len(), "nothing to read was found on any page");
    }
    Output { text, empty, pages, language, model }
}
