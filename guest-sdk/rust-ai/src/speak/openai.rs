//! OpenAI's `/audio/speech`.

use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use super::{Voice, heard};
use crate::Endpoint;

const USUAL_VOICE: &str = "alloy";

pub(super) fn speak(endpoint: &Endpoint<'_>, voice: &Voice<'_>, text: &str) -> Result<Blob, StepError> {
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
    heard(endpoint, endpoint.post("/audio/speech", body), voice, text)
}
