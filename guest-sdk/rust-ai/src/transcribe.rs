//! Words of sound: OpenAI's transcriptions and those of servers like it, and Deepgram's.

mod deepgram;
mod openai;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use crate::{Api, Endpoint, Vendor, Work, media};

/// Who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// OpenAI: up to 25 MB.
    #[default]
    Openai,
    /// Any server that has OpenAI's `/audio/transcriptions`: whisper.cpp, faster-whisper, vLLM, ...
    OpenaiCompatible,
    /// Deepgram: up to 2 GB.
    Deepgram,
}

impl Vendor for Provider {
    const WORK: Work = Work::TRANSCRIBE;

    fn api(self) -> Api {
        match self {
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Deepgram => Api::DEEPGRAM,
        }
    }
}

impl Provider {
    /// The largest file that it takes, in bytes, where it says so.
    fn most_bytes(self) -> Option<u64> {
        match self {
            Self::Openai => Some(25 << 20),
            Self::OpenaiCompatible => None,
            Self::Deepgram => Some(2 << 30),
        }
    }
}

/// What to listen to, and how.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// The sound.
    pub sound: &'a Blob,
    /// What is spoken, as ISO 639-1 has it: `de`. Found out where it is left out.
    pub language: Option<&'a str>,
    /// Names and words that will come up, or the text before.
    pub prompt: Option<&'a str>,
    /// Whether to tell speakers apart, where the provider can.
    pub speakers: bool,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Transcript {
    /// All of it.
    pub text: String,
    /// Its parts with their times; empty where the model gives none.
    pub segments: Vec<Segment>,
    /// The language, as the provider names it: `en`, `english`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How long the recording is, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// 0 to 1, where the provider gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The model that listened.
    pub model: String,
}

/// A part of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Segment {
    /// Seconds from the recording's beginning.
    pub start: f64,
    /// Seconds from the recording's beginning.
    pub end: f64,
    /// What was said.
    pub text: String,
    /// Who said it, where speakers are told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
}

/// Writes down what is said.
///
/// # Errors
///
/// The provider's, and a recording that is empty, too large or none.
pub fn transcribe(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    recording: &Recording<'_>,
) -> Result<Transcript, StepError> {
    let sound = &checked(provider, endpoint, recording.sound)?;
    let recording = &Recording { sound, ..*recording };
    match provider {
        Provider::Openai | Provider::OpenaiCompatible => openai::transcribe(provider, endpoint, recording),
        Provider::Deepgram => deepgram::transcribe(endpoint, recording),
    }
}

/// The sound as what it is, before anything is sent: megabytes that are refused cost time.
fn checked(provider: Provider, endpoint: &Endpoint<'_>, sound: &Blob) -> Result<Blob, StepError> {
    if sound.size == 0 {
        return Err(StepError::invalid_input("`sound` has no bytes"));
    }
    match provider.most_bytes() {
        Some(most) if sound.size > most => Err(StepError::invalid_input(format!(
            "`sound` has {} bytes and {} takes {most}: cut it, or encode it with fewer bits a second",
            sound.size,
            endpoint.provider()
        ))),
        // OpenAI reads no kind but those that are known.
        _ => media::given_sound("sound", sound, provider != Provider::Openai),
    }
}
