//! Reads a text aloud: the sound is a blob.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_ai::speak::{self, Format, Provider, Voice};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

type Config = stepwell_ai::Config<Provider, Own>;

/// Who speaks, and how.
#[derive(Deserialize, JsonSchema)]
struct Own {
    /// The voice: OpenAI's and Gemini's by name (`alloy`, `Kore`: theirs where it is left out), ElevenLabs' by id; with Deepgram it is the model.
    voice: Option<String>,
    /// In words, how to speak: `cheerful, and slowly`. Of OpenAI's `gpt-4o-mini-tts` and Gemini.
    instructions: Option<String>,
    /// 1 is the voice's own pace. Of OpenAI (0.25 to 4) and ElevenLabs (0.7 to 1.2).
    #[schemars(range(min = 0.25, max = 4.0))]
    speed: Option<f64>,
    /// The file's format. Left out, `mp3`; of Gemini, which has `pcm` and `wav` alone, `wav`.
    format: Option<Format>,
}

/// What to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What to say.
    text: String,
}

/// What was said.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The sound.
    sound: Blob,
    /// How many characters the text has.
    characters: usize,
    /// In how many requests it was spoken.
    parts: usize,
    /// The model that spoke.
    model: String,
}

#[stepwell_sdk::step(http = "sends the text to the provider's speech API")]
fn speak(input: Input, config: Config) -> Result<Output, StepError> {
    let endpoint = config.provider.endpoint()?;
    let provider = config.provider.provider;
    let voice = Voice {
        name: config.step.voice.as_deref(),
        instructions: config.step.instructions.as_deref(),
        speed: config.step.speed,
        format: config.step.format.unwrap_or(provider.usual_format()),
    };
    let speech = speak::speak(provider, &endpoint, &voice, &input.text)?;
    Ok(Output {
        sound: speech.sound,
        characters: speech.characters,
        parts: speech.parts,
        model: endpoint.model().into(),
    })
}
