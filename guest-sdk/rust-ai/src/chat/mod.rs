//! Talks with a language model, whoever serves it: one question and one answer for all providers.
//!
//! Each provider's own shapes stand in a file of their own, behind one trait; nothing else knows them. What went wrong is told apart here, once for all.
//!
//! ```
//! use stepwell_ai::chat::{Ask, Chat, Message, Provider};
//! use stepwell_ai::ProviderConfig;
//! use stepwell_sdk::StepError;
//!
//! fn greet(config: &ProviderConfig<Provider>) -> Result<String, StepError> {
//!     let ask = Ask { system: Some("Be brief.".into()), messages: vec![Message::user("Hello!")], ..Ask::default() };
//!     Ok(Chat::new(config)?.complete(&ask)?.text)
//! }
//! ```

mod anthropic;
mod ask;
mod completions;
mod draft;
mod fit;
mod gemini;
mod image;
mod responses;
mod sse;
mod stream;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use stepwell_sdk::StepError;
use stepwell_sdk::http;

use crate::{Api, Endpoint, ProviderConfig, Used, Vendor, Work, failure};

pub use ask::{Ask, Example, Format, Message, ResponseFormat, Role};
pub use fit::Fitting;
pub use image::Image;

use draft::Draft;

/// Who is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// OpenAI's chat completions.
    #[default]
    Openai,
    /// OpenAI's responses.
    OpenaiResponses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// A server that speaks OpenAI's chat completions: Ollama, vLLM, llama.cpp, ... Needs `base_url` and `model`.
    OpenaiCompatible,
}

impl Vendor for Provider {
    const WORK: Work = Work::CHAT;

    fn api(self) -> Api {
        match self {
            Self::Openai | Self::OpenaiResponses => Api::OPENAI,
            Self::Anthropic => Api::ANTHROPIC,
            Self::Gemini => Api::GEMINI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
        }
    }
}

/// How a provider is asked, and how it answers.
trait Dialect {
    /// What is added to the API's address.
    fn path(&self, model: &str, stream: bool) -> String;

    /// The request's JSON, but for what the config adds.
    fn body(&self, model: &str, ask: &Ask<'_>, stream: bool) -> Value;

    /// Takes a whole answer in.
    fn read(&self, answer: &Value, draft: &mut Draft);

    /// Takes one event of a stream in; whether it is known to be the last.
    fn event(&self, event: &Value, draft: &mut Draft) -> bool;

    /// What images it takes.
    fn images(&self) -> image::Limits;

    /// Whether a request must say how many tokens to write at most. Others go on to the most that the model can.
    fn wants_max_tokens(&self) -> bool {
        false
    }
}

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// What it says.
    pub text: String,
    /// The model as it names itself: often more exact than what was asked for.
    pub model: String,
    /// Why it ended, in the provider's word; empty where it gives none.
    pub finish: String,
    /// What it used up, if the provider told.
    pub used: Option<Used>,
}

/// News of an answer that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// The next piece of its text.
    Text(&'a str),
    /// The text so far does not count: another answer follows.
    Again,
}

/// A model to talk to.
#[derive(Clone, Copy)]
pub struct Chat<'a> {
    endpoint: Endpoint<'a>,
    dialect: &'static dyn Dialect,
}

impl std::fmt::Debug for Chat<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chat").field(&self.endpoint).finish()
    }
}

impl<'a> Chat<'a> {
    /// The model that a config names.
    ///
    /// # Errors
    ///
    /// When the config leaves out what its provider cannot do without.
    pub fn new(config: &'a ProviderConfig<Provider>) -> Result<Self, StepError> {
        let dialect: &'static dyn Dialect = match config.provider {
            Provider::Openai => &completions::OPENAI,
            Provider::OpenaiCompatible => &completions::COMPATIBLE,
            Provider::OpenaiResponses => &responses::Responses,
            Provider::Anthropic => &anthropic::Anthropic,
            Provider::Gemini => &gemini::Gemini,
        };
        Ok(Self { endpoint: config.endpoint()?, dialect })
    }

    /// Where it is asked.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint<'a> {
        &self.endpoint
    }

    /// Who answered, as records of decisions name it: `openai/gpt-4o-2024-08-06`.
    #[must_use]
    pub fn model_version(&self, completion: &Completion) -> String {
        [self.endpoint.provider(), "/", &completion.model].concat()
    }

    /// What to ask for as [`Ask::max_tokens`] where nobody says and the answer may be long: so many, of a provider that would else stop early.
    #[must_use]
    pub fn room(&self, tokens: u32) -> Option<u32> {
        self.dialect.wants_max_tokens().then_some(tokens)
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// When there is none that can be used: see [`Cause`](crate::Cause). What the call cost is recorded all the same.
    pub fn complete(&self, ask: &Ask<'_>) -> Result<Completion, StepError> {
        self.whole(self.request(ask, false).send())
    }

    /// Asks several questions at once, and waits for all answers: they stand in the order of the questions.
    #[must_use]
    pub fn complete_all(&self, asks: &[Ask<'_>]) -> Vec<Result<Completion, StepError>> {
        let answers = http::send_all(asks.iter().map(|ask| self.request(ask, false)));
        answers.into_iter().map(|answer| self.whole(answer)).collect()
    }

    /// Asks, and tells of the answer's text while it comes.
    ///
    /// # Errors
    ///
    /// As [`Chat::complete`] has them; and when the answer breaks off.
    pub fn stream(&self, ask: &Ask<'_>, news: &mut dyn FnMut(News<'_>)) -> Result<Completion, StepError> {
        let incoming = self.endpoint.open(self.request(ask, true))?;
        stream::read(self, incoming, news)
    }

    fn request(&self, ask: &Ask<'_>, stream: bool) -> http::Request {
        let model = self.endpoint.model();
        self.endpoint.post(&self.dialect.path(model, stream), self.dialect.body(model, ask, stream))
    }

    fn whole(&self, answer: Result<http::Response, http::Error>) -> Result<Completion, StepError> {
        let response = self.endpoint.answered(answer)?;
        let document = failure::parsed(&response.body);
        let mut draft = Draft::default();
        if let Some(document) = &document {
            self.dialect.read(document, &mut draft);
        }
        self.record(&draft);
        let not_json = || failure::not_json(self.endpoint.provider(), &response);
        self.endpoint.without_error(document.ok_or_else(not_json)?)?;
        draft.finish(&self.endpoint)
    }

    /// A call that was answered was paid for, whatever the answer is.
    fn record(&self, draft: &Draft) {
        self.endpoint.record_if_told(draft.model.as_deref(), draft.used);
    }
}

/// A JSON object of those fields that have a value. (Collecting would bring a sort of its own into the component for each number of fields.)
fn object(fields: &mut [(&str, Option<Value>)]) -> Value {
    let mut object = Map::new();
    for (name, value) in fields {
        if let Some(value) = value.take() {
            object.insert((*name).to_owned(), value);
        }
    }
    Value::Object(object)
}

/// The text at a place of a document; empty if there is none.
fn text<'a>(document: &'a Value, place: &str) -> &'a str {
    document.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list in a document.
fn items<'a>(document: &'a Value, place: &str) -> &'a [Value] {
    document.pointer(place).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
