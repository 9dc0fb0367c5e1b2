//! Gemini's speech: `generateContent` that answers with samples.

use std::io::{self, Write as _};

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::{self, Blob};

use super::{Format, Voice};
use crate::{Cause, Endpoint, gemini, media};

const USUAL_VOICE: &str = "Kore";
/// Samples a second, each of two bytes.
const RATE: u32 = 24_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    usage_metadata: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Piece>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece {
    inline_data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    mime_type: String,
    data: String,
}

pub(super) fn speak(endpoint: &Endpoint<'_>, voice: &Voice<'_>, text: &str) -> Result<Blob, StepError> {
    let text = match voice.instructions {
        Some(instructions) => format!("{instructions}: {text}"),
        None => text.to_owned(),
    };
    let body = json!({
        "contents": [{"parts": [{"text": text}]}],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice.name.unwrap_or(USUAL_VOICE)}}},
        },
    });
    let request = endpoint.post(&format!("/models/{}:generateContent", endpoint.model()), body);
    let response = endpoint.answered(request.send())?;
    let answer: Answer = endpoint.parse(&response)?;
    endpoint.record_if_told(None, answer.usage_metadata.as_ref().map(gemini::used));
    let samples = samples(endpoint, answer)?;
    match voice.format {
        Format::Wav => as_wav(&samples),
        _ => Ok(samples),
    }
}

fn samples(endpoint: &Endpoint<'_>, answer: Answer) -> Result<Blob, StepError> {
    let Some(candidate) = answer.candidates.into_iter().next() else {
        return Err(endpoint.failure(Cause::Empty, "it holds no sound"));
    };
    let parts = candidate.content.into_iter().flat_map(|content| content.parts);
    let Some(data) = parts.filter_map(|part| part.inline_data).next() else {
        return Err(match candidate.finish_reason.as_deref() {
            None | Some("STOP" | "OTHER") => endpoint.failure(Cause::Empty, "it holds no sound"),
            Some(reason) => endpoint.failure(Cause::Refused, reason),
        });
    };
    if !data.mime_type.contains(&format!("rate={RATE}")) {
        return Err(
            endpoint.misfit(&format!("`{}` where {RATE} samples a second are expected", data.mime_type))
        );
    }
    media::kept(endpoint, &data.data, Format::Pcm.media_type())
}

/// The header that makes a file of samples.
fn as_wav(samples: &Blob) -> Result<Blob, StepError> {
    let size = u32::try_from(samples.size).unwrap_or(u32::MAX);
    let mut file = blob::create()?;
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend(size.saturating_add(36).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend([1, 0, 1, 0]);
    header.extend(RATE.to_le_bytes());
    header.extend((2 * RATE).to_le_bytes());
    header.extend([2, 0, 16, 0]);
    header.extend(b"data");
    header.extend(size.to_le_bytes());
    file.write_all(&header).map_err(blob::Error::from)?;
    io::copy(&mut blob::open(samples)?, &mut file).map_err(blob::Error::from)?;
    Ok(file.finish(Format::Wav.media_type())?)
}
