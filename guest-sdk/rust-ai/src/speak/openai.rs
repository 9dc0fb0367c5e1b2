//! OpenAI's `/audio/speech`.

use serde_json::json;
use stepwell_sdk::StepError;

use super::{Part, Voice, by_characters};
use crate::{Endpoint, media};

const USUAL_VOICE: &str = "alloy";

pub(super) fn speak(endpoint: &Endpoint<'_>, voice: &Voice<'_>, text: &str) -> Result<Part, StepError> {
    let mut body = json!({
        "model": endpoint.model(),
        "input": text,
        "voice": voice.name.unwrap_or(USUAL_VOICE),
        "response_format": voice.format.name(),
    });
    if let Some(instructions) = voice.instructions {
        body["instructions"] = instructions.into();
    }
    if let Some(speed) = voice.speed {
        body["speed"] = speed.into();
    }
    let sound = endpoint.keep(endpoint.post("/audio/speech", body))?;
    let sound = media::checked_sound(endpoint, sound, voice.format.media_type())?;
    Ok(Part { sound, used: by_characters(text) })
}
