//! ElevenLabs' `/text-to-speech`. A voice goes by its id.

use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use super::{Format, Voice, heard};
use crate::{Cause, Endpoint};

/// `Rachel`, of every account.
const USUAL_VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

pub(super) fn speak(endpoint: &Endpoint<'_>, voice: &Voice<'_>, text: &str) -> Result<Blob, StepError> {
    let name = voice.name.unwrap_or(USUAL_VOICE);
    if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(endpoint.failure(Cause::BadRequest, &format!("`{name}` is no voice's id")));
    }
    let mut body = json!({"text": text, "model_id": endpoint.model()});
    if let Some(speed) = voice.speed {
        body["voice_settings"] = json!({"speed": speed});
    }
    let path = format!("/text-to-speech/{name}?output_format={}", format(voice.format));
    heard(endpoint, endpoint.post(&path, body), voice, text)
}

fn format(format: Format) -> &'static str {
    match format {
        Format::Pcm => "pcm_24000",
        Format::Opus => "opus_48000_64",
        Format::Mp3 | Format::Wav | Format::Flac | Format::Aac => "mp3_44100_128",
    }
}
