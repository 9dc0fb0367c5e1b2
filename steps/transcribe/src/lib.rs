//! Writes down what is said in a recording. The sound goes from its blob to the provider without entering the step.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_ai::transcribe::{self, Provider, Recording, Transcript};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

type Config = stepwell_ai::Config<Provider, Own>;

/// Who listens.
#[derive(Deserialize, JsonSchema)]
struct Own {
    /// Whether to tell speakers apart: of Deepgram, and of OpenAI's `gpt-4o-transcribe-diarize`.
    #[serde(default)]
    speakers: bool,
}

/// What to listen to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The recording: sound, or a video's.
    sound: Blob,
    /// What is spoken, as ISO 639-1 has it: `de`. Found out where it is left out.
    language: Option<String>,
    /// Names and words that will come up. Deepgram takes them separated by commas.
    prompt: Option<String>,
}

#[stepwell_sdk::step(http = "sends the recording to the provider's transcription API")]
fn transcribe(input: Input, config: Config) -> Result<Transcript, StepError> {
    let recording = Recording {
        sound: &input.sound,
        language: input.language.as_deref(),
        prompt: input.prompt.as_deref(),
        speakers: config.step.speakers,
    };
    transcribe::transcribe(config.provider.provider, &config.provider.endpoint()?, &recording)
}
