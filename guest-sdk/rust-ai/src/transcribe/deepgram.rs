//! Deepgram's `/listen`: the sound is the body, everything else the query.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use stepwell_sdk::StepError;

use super::{Recording, Segment, Transcript};
use crate::{Endpoint, Used, wire};

#[derive(Deserialize)]
struct Answer {
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize)]
struct Metadata {
    duration: f64,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
    #[serde(default)]
    utterances: Vec<Utterance>,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
    detected_language: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    confidence: Option<f64>,
}

#[derive(Deserialize)]
struct Utterance {
    start: f64,
    end: f64,
    transcript: String,
    speaker: Option<u64>,
}

pub(super) fn transcribe(
    endpoint: &Endpoint<'_>,
    recording: &Recording<'_>,
) -> Result<Transcript, StepError> {
    let request = endpoint
        .request("POST", &format!("/listen?{}", query(endpoint, recording)))
        .header("content-type", recording.sound.kind())
        .part(recording.sound);
    let response = endpoint.answered(request.send())?;
    let answer: Answer = endpoint.parse(&response)?;
    let seconds = answer.metadata.duration;
    endpoint.record(endpoint.model(), Used { units: seconds, ..Used::default() });
    Ok(transcript(endpoint, recording, answer))
}

/// Channels stand one below the other.
fn transcript(endpoint: &Endpoint<'_>, recording: &Recording<'_>, answer: Answer) -> Transcript {
    let language = answer.results.channels.iter().find_map(|channel| channel.detected_language.clone());
    let best = |channel: Channel| channel.alternatives.into_iter().next();
    let best: Vec<Alternative> = answer.results.channels.into_iter().filter_map(best).collect();
    let texts: Vec<&str> = best.iter().map(|alternative| alternative.transcript.as_str()).collect();
    let segment = |said: Utterance| Segment {
        start: said.start,
        end: said.end,
        text: said.transcript,
        speaker: said.speaker.map(|speaker| speaker.to_string()),
    };
    Transcript {
        text: texts.join("\n"),
        confidence: best.iter().filter_map(|alternative| alternative.confidence).reduce(f64::min),
        segments: answer.results.utterances.into_iter().map(segment).collect(),
        language: language.or_else(|| recording.language.map(str::to_owned)),
        duration_seconds: Some(answer.metadata.duration),
        model: endpoint.model().into(),
    }
}

fn query(endpoint: &Endpoint<'_>, recording: &Recording<'_>) -> String {
    let mut query = vec![
        ("model".to_owned(), endpoint.model().to_owned()),
        ("smart_format".into(), "true".into()),
        ("utterances".into(), "true".into()),
    ];
    match recording.language {
        Some(language) => query.push(("language".into(), language.into())),
        None => query.push(("detect_language".into(), "true".into())),
    }
    if recording.speakers {
        query.push(("diarize".into(), "true".into()));
    }
    if let Some(prompt) = recording.prompt {
        // Nova-3 takes words that will come up, one a parameter.
        let words = prompt.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty());
        query.extend(words.map(|word| ("keyterm".into(), word.into())));
    }
    for (name, value) in endpoint.extra() {
        query.retain(|(other, _)| other != name);
        query.extend(values(value).map(|value| (name.clone(), value)));
    }
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A list gives its name once for each item.
fn values(value: &Value) -> impl Iterator<Item = String> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().map(wire::as_text)
}
