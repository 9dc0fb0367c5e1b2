//! Sound of words: OpenAI's speech and that of servers like it, ElevenLabs', Deepgram's Aura, and Gemini's.
//!
//! A text that is longer than the provider takes at once is cut at the ends of sentences, and what comes of its parts is joined, in the formats
//! that stay whole when one file is written behind another.

mod deepgram;
mod elevenlabs;
mod gemini;
mod openai;
pub mod parts;
#[cfg(test)]
mod tests;

use std::io;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::{self, Blob};
use stepwell_sdk::http::Request;

use crate::{Api, Cause, Endpoint, Used, Vendor, Work, media};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// OpenAI.
    #[default]
    Openai,
    /// Any server that has OpenAI's `/audio/speech`: Kokoro, Speaches, ...
    OpenaiCompatible,
    /// ElevenLabs.
    Elevenlabs,
    /// Deepgram's Aura: the model is the voice.
    Deepgram,
    /// Google's Gemini.
    Gemini,
}

impl Vendor for Provider {
    const WORK: Work = Work::SPEAK;

    fn api(self) -> Api {
        match self {
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Elevenlabs => Api::ELEVENLABS,
            Self::Deepgram => Api::DEEPGRAM,
            Self::Gemini => Api::GEMINI,
        }
    }
}

/// The file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// MP3. Not of Gemini.
    Mp3,
    /// Samples without a header: 24,000 a second, 16 bits, one channel.
    Pcm,
    /// The same samples as a WAV file.
    Wav,
    /// Opus in Ogg. Not of Gemini.
    Opus,
    /// FLAC. Of OpenAI and Deepgram.
    Flac,
    /// AAC. Of OpenAI and Deepgram.
    Aac,
}

impl Provider {
    /// What it makes where nobody says: MP3, where it can.
    #[must_use]
    pub fn usual_format(self) -> Format {
        match self {
            Self::Gemini => Format::Wav,
            _ => Format::Mp3,
        }
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Pcm => "pcm",
            Self::Wav => "wav",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Aac => "aac",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Pcm => "audio/L16;rate=24000;channels=1",
            Self::Wav => "audio/wav",
            Self::Opus => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Aac => "audio/aac",
        }
    }

    /// Whether two files of it, one behind the other, are one.
    fn can_be_joined(self) -> bool {
        matches!(self, Self::Mp3 | Self::Pcm)
    }
}

/// How to speak.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    /// As the provider calls it; its usual one where it is left out.
    pub name: Option<&'a str>,
    /// In words: the mood, the pace. Of OpenAI's newer models and Gemini.
    pub instructions: Option<&'a str>,
    /// 1 is the voice's own pace.
    pub speed: Option<f64>,
    /// The file's format.
    pub format: Format,
}

/// What was spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// The sound.
    pub sound: Blob,
    /// How many characters were spoken.
    pub characters: usize,
    /// In how many requests.
    pub parts: usize,
}

/// Speaks a text.
///
/// # Errors
///
/// The provider's; when it does not have what is asked for; and a long text in a format that cannot be joined.
pub fn speak(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    voice: &Voice<'_>,
    text: &str,
) -> Result<Speech, StepError> {
    check(provider, endpoint, voice)?;
    let parts = parts::cut(text, most_characters(provider, endpoint.model()));
    if parts.is_empty() {
        return Err(StepError::invalid_input("`text` says nothing"));
    }
    if parts.len() > 1 && !voice.format.can_be_joined() {
        return Err(too_long(provider, endpoint, voice, text));
    }
    let sounds = parts.iter().map(|part| spoken(provider, endpoint, voice, part));
    let sound = joined(sounds.collect::<Result<_, _>>()?, voice.format)?;
    Ok(Speech { sound, characters: text.chars().count(), parts: parts.len() })
}

/// What each provider takes at once, in characters.
fn most_characters(provider: Provider, model: &str) -> usize {
    match provider {
        // 2,000 tokens.
        Provider::Openai if model.starts_with("gpt-") => 4000,
        Provider::Openai | Provider::OpenaiCompatible => 4096,
        Provider::Elevenlabs if model.contains("flash") || model.contains("turbo") => 40_000,
        Provider::Elevenlabs if model.contains("v3") => 5000,
        Provider::Elevenlabs => 10_000,
        Provider::Deepgram => 2000,
        // It takes more, and gets worse.
        Provider::Gemini => 4000,
    }
}

fn check(provider: Provider, endpoint: &Endpoint<'_>, voice: &Voice<'_>) -> Result<(), StepError> {
    let lacks = |option: &str| {
        let reason =
            format!("it has no `{option}`: leave it out, or say it in `extra` as its own API calls it");
        Err(endpoint.failure(Cause::BadRequest, &reason))
    };
    let takes_words = matches!(provider, Provider::Openai | Provider::OpenaiCompatible | Provider::Gemini);
    let has_speed = matches!(provider, Provider::Openai | Provider::OpenaiCompatible | Provider::Elevenlabs);
    match provider {
        _ if voice.instructions.is_some() && !takes_words => lacks("instructions"),
        _ if voice.speed.is_some() && !has_speed => lacks("speed"),
        Provider::Deepgram if voice.name.is_some() => lacks("voice"),
        Provider::Gemini if !matches!(voice.format, Format::Pcm | Format::Wav) => {
            lacks(&format!("format` `{}", voice.format.name()))
        }
        Provider::Elevenlabs if matches!(voice.format, Format::Flac | Format::Aac | Format::Wav) => {
            lacks(&format!("format` `{}", voice.format.name()))
        }
        _ => Ok(()),
    }
}

fn too_long(provider: Provider, endpoint: &Endpoint<'_>, voice: &Voice<'_>, text: &str) -> StepError {
    StepError::invalid_input(format!(
        "`text` has {} characters and {} takes {} at once: parts of {} cannot be joined, so choose the format `mp3` or `pcm`, or speak it in several nodes",
        text.chars().count(),
        endpoint.provider(),
        most_characters(provider, endpoint.model()),
        voice.format.name()
    ))
}

/// Speaks one part, and records what it cost: it is paid for, whatever comes back and whatever becomes of the next.
fn spoken(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    voice: &Voice<'_>,
    text: &str,
) -> Result<Blob, StepError> {
    match provider {
        Provider::Openai | Provider::OpenaiCompatible => openai::speak(endpoint, voice, text),
        Provider::Elevenlabs => elevenlabs::speak(endpoint, voice, text),
        Provider::Deepgram => deepgram::speak(endpoint, voice, text),
        Provider::Gemini => gemini::speak(endpoint, voice, text),
    }
}

/// What a provider answers that answers with sound alone and is paid by the character.
fn heard(
    endpoint: &Endpoint<'_>,
    request: Request,
    voice: &Voice<'_>,
    text: &str,
) -> Result<Blob, StepError> {
    let sound = endpoint.keep(request)?;
    endpoint.record(endpoint.model(), Used { units: text.chars().count() as f64, ..Used::default() });
    media::checked_sound(endpoint, sound, voice.format.media_type())
}

fn joined(sounds: Vec<Blob>, format: Format) -> Result<Blob, StepError> {
    let mut sounds = sounds.into_iter();
    match (sounds.next(), sounds.len()) {
        (Some(only), 0) => Ok(only),
        (first, _) => {
            let mut whole = blob::create()?;
            for sound in first.into_iter().chain(sounds) {
                io::copy(&mut blob::open(&sound)?, &mut whole).map_err(blob::Error::from)?;
            }
            Ok(whole.finish(format.media_type())?)
        }
    }
}
