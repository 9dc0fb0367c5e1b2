//! OpenAI's `/audio/transcriptions`. Whisper tells segments and times, the newer models the text alone (or speakers).

use serde::Deserialize;
use stepwell_sdk::StepError;
use stepwell_sdk::http::Multipart;

use super::{Provider, Recording, Segment, Transcript};
use crate::{Cause, Endpoint, Used, media};

#[derive(Deserialize)]
struct Answer {
    text: String,
    language: Option<String>,
    duration: Option<f64>,
    #[serde(default)]
    segments: Vec<Piece>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Piece {
    start: f64,
    end: f64,
    text: String,
    speaker: Option<String>,
}

/// Whisper is paid by the second, the newer models by tokens.
#[derive(Deserialize)]
struct Usage {
    seconds: Option<f64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_token_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    audio_tokens: u64,
}

pub(super) fn transcribe(
    provider: Provider,
    endpoint: &Endpoint<'_>,
    recording: &Recording<'_>,
) -> Result<Transcript, StepError> {
    let format = format(endpoint.model());
    if recording.speakers && format != "diarized_json" {
        let reason = "it cannot tell speakers apart with this model: choose `gpt-4o-transcribe-diarize`";
        return Err(endpoint.failure(Cause::BadRequest, reason));
    }
    let request =
        endpoint.request("POST", "/audio/transcriptions").multipart(form(endpoint, recording, format));
    let response = endpoint.answered(request.send())?;
    let answer: Answer = endpoint.parse(&response)?;
    endpoint.record_if_told(None, used(provider, &answer));
    let segment = |piece: Piece| Segment {
        start: piece.start,
        end: piece.end,
        text: piece.text.trim().into(),
        speaker: piece.speaker,
    };
    let seconds = answer.usage.as_ref().and_then(|usage| usage.seconds);
    Ok(Transcript {
        text: answer.text.trim().into(),
        segments: answer.segments.into_iter().map(segment).collect(),
        language: answer.language.or_else(|| recording.language.map(str::to_owned)),
        duration_seconds: answer.duration.or(seconds),
        confidence: None,
        model: endpoint.model().into(),
    })
}

/// The most that the model tells.
fn format(model: &str) -> &'static str {
    match model {
        model if model.ends_with("-diarize") => "diarized_json",
        model if model.starts_with("gpt-") => "json",
        _ => "verbose_json",
    }
}

fn form(endpoint: &Endpoint<'_>, recording: &Recording<'_>, format: &str) -> Multipart {
    let mut form = endpoint.form().text("model", endpoint.model()).text("response_format", format);
    if format == "diarized_json" {
        // Without it, more than 30 seconds are refused.
        form = form.text("chunking_strategy", "auto");
    }
    if let Some(language) = recording.language {
        form = form.text("language", language);
    }
    if let Some(prompt) = recording.prompt {
        form = form.text("prompt", prompt);
    }
    form.blob("file", &media::file_name(recording.sound, "sound"), recording.sound)
}

fn used(provider: Provider, answer: &Answer) -> Option<Used> {
    let usage = answer.usage.as_ref();
    if let Some(input_tokens) = usage.and_then(|usage| usage.input_tokens) {
        let details = usage.and_then(|usage| usage.input_token_details.as_ref());
        return Some(Used {
            input_tokens,
            output_tokens: usage.and_then(|usage| usage.output_tokens).unwrap_or_default(),
            // Those of sound have a price of their own.
            units: details.map_or(0, |details| details.audio_tokens) as f64,
            ..Used::default()
        });
    }
    let seconds = usage.and_then(|usage| usage.seconds).or(answer.duration);
    let seconds = seconds.map(|seconds| if provider == Provider::Openai { seconds.ceil() } else { seconds });
    seconds.map(|units| Used { units, ..Used::default() })
}
