//! Deepgram's `/speak`: voice and language are the model.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use super::{Format, Voice, heard};
use crate::{Endpoint, wire};

pub(super) fn speak(endpoint: &Endpoint<'_>, voice: &Voice<'_>, text: &str) -> Result<Blob, StepError> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/speak?model={}&{}", encoded(endpoint.model()), format(voice.format));
    // What else it takes stands in the query, too.
    for (name, value) in endpoint.extra() {
        path.push_str(&format!("&{}={}", encoded(name), encoded(&wire::as_text(value))));
    }
    let request = endpoint.request("POST", &path).json(&json!({"text": text}));
    heard(endpoint, request, voice, text)
}

fn format(format: Format) -> &'static str {
    match format {
        Format::Mp3 => "encoding=mp3",
        Format::Pcm => "encoding=linear16&sample_rate=24000&container=none",
        Format::Wav => "encoding=linear16&sample_rate=24000&container=wav",
        Format::Opus => "encoding=opus&container=ogg",
        Format::Flac => "encoding=flac",
        Format::Aac => "encoding=aac",
    }
}
