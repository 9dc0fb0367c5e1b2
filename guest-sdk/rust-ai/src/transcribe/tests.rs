use serde_json::{Value, json};
use stepwell_sdk::http::Part;
use stepwell_sdk::testing::{Answer, FakeHost};
use stepwell_sdk::{StepErrorKind, http};

use super::*;
use crate::ProviderConfig;

const OPENAI: &str = "https://api.openai.com/v1/audio/transcriptions";
const DEEPGRAM: &str = "https://api.deepgram.com/v1/listen?model=nova%2D3&smart%5Fformat=true&utterances=true&detect%5Flanguage=true";

const WAV: &[u8] = b"RIFF\x04\0\0\0WAVE";

fn written(config: Value, sound: &Blob, speakers: bool) -> Result<Transcript, StepError> {
    let config: ProviderConfig<Provider> = serde_json::from_value(config).unwrap();
    let recording = Recording { sound, language: None, prompt: None, speakers };
    transcribe(config.provider, &config.endpoint().unwrap(), &recording)
}

fn form(request: &http::Request) -> String {
    let text = |part: &Part| match part {
        Part::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        Part::Blob(digest) => digest.clone(),
    };
    request.parts.iter().map(text).collect()
}

#[test]
fn whisper_tells_segments_and_is_paid_by_the_second() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/mpeg", "ID3 sound");
    let answer = json!({
        "task": "transcribe", "language": "english", "duration": 8.470000267028809, "text": "The beach was a popular spot.",
        "segments": [{"id": 0, "seek": 0, "start": 0.0, "end": 3.319999933242798, "text": " The beach was a popular spot.", "tokens": [50364], "temperature": 0.0, "avg_logprob": -0.28, "compression_ratio": 1.23, "no_speech_prob": 0.009}],
        "usage": {"type": "duration", "seconds": 9},
    });
    host.answer("POST", OPENAI, Answer::json(200, &answer));
    let transcript = written(json!({"extra": {"temperature": 0}}), &sound, false).unwrap();
    assert_eq!(
        (transcript.segments[0].text.as_str(), transcript.language.as_deref()),
        ("The beach was a popular spot.", Some("english"))
    );
    assert_eq!(host.usage()[0].cost_micro_usd, Some(900));
    let form = form(&host.requests()[0]);
    for part in [
        "name=\"model\"\r\n\r\nwhisper-1",
        "verbose_json",
        "name=\"temperature\"\r\n\r\n0",
        "filename=\"sound.mp3\"",
        &sound.digest,
    ] {
        assert!(form.contains(part), "{form}");
    }
}

#[test]
fn newer_models_tell_the_text_and_are_paid_by_tokens() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/wav", WAV);
    let answer = json!({"text": "Imagine.", "usage": {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 4, "audio_tokens": 10}, "output_tokens": 45, "total_tokens": 59}});
    host.answer("POST", OPENAI, Answer::json(200, &answer));
    let transcript = written(json!({"model": "gpt-4o-transcribe"}), &sound, false).unwrap();
    assert!(transcript.segments.is_empty());
    assert!(form(&host.requests()[0]).contains("name=\"response_format\"\r\n\r\njson\r\n"));
    // 4 of text at 2.5, 10 of sound at 6, 45 written at 10.
    assert_eq!(host.usage()[0].cost_micro_usd, Some(10 + 60 + 450));
}

#[test]
fn deepgram_gets_the_sound_as_the_body_and_tells_speakers() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/wav", WAV);
    let answer = json!({
        "metadata": {"transaction_key": "deprecated", "request_id": "2479c8c8", "sha256": "154e", "created": "2025-11-20T10:00:00.000Z", "duration": 60.0, "channels": 1, "models": ["30089e05"]},
        "results": {
            "channels": [{"alternatives": [{"transcript": "Hello. Hi.", "confidence": 0.998, "words": []}], "detected_language": "en", "language_confidence": 0.99}],
            "utterances": [{"start": 0.5, "end": 1.0, "confidence": 0.99, "channel": 0, "transcript": "Hello.", "words": [], "speaker": 0, "id": "1"}, {"start": 1.2, "end": 1.5, "confidence": 0.99, "channel": 0, "transcript": "Hi.", "words": [], "speaker": 1, "id": "2"}],
        },
    });
    host.answer("POST", &format!("{DEEPGRAM}&diarize=true"), Answer::json(200, &answer));
    let transcript = written(json!({"provider": "deepgram"}), &sound, true).unwrap();
    assert_eq!(transcript.segments[1].speaker.as_deref(), Some("1"));
    assert_eq!((transcript.confidence, transcript.duration_seconds), (Some(0.998), Some(60.0)));
    let request = &host.requests()[0];
    assert_eq!(
        (request.header_value("authorization"), request.header_value("content-type")),
        (Some("Token {{secret.DEEPGRAM_API_KEY}}"), Some("audio/wav"))
    );
    assert_eq!(request.parts, [Part::from(&sound)]);
    assert_eq!(host.usage()[0].cost_micro_usd, Some(4300));
}

#[test]
fn what_cannot_be_heard_is_not_sent() {
    let host = FakeHost::new();
    let large = large(&host);
    for (sound, words) in [
        (host.put_blob("text/plain", "words"), "`sound` (text/plain, sha256:"),
        (host.put_blob("audio/mpeg", "<html>Sign in</html>"), "are no sound"),
        (host.put_blob("application/octet-stream", [0, 1, 2]), "are no sound"),
        (host.put_blob("audio/L16;rate=8000", [0, 1, 2]), "are no sound"),
        (host.put_blob("audio/mpeg", ""), "has no bytes"),
        (large, "openai takes 26214400"),
    ] {
        let error = written(json!({}), &sound, false).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.contains(words), "{error}");
    }
    assert!(host.requests().is_empty());
}

#[test]
fn sound_is_what_its_bytes_are_and_goes_by_that_name() {
    for (called, bytes, name) in [
        ("application/octet-stream", WAV, "sound.wav"),
        ("audio/mpeg", b"fLaC\0\0\0\x22", "sound.flac"),
        ("audio/x-m4a", b"\0\0\0\x18ftypM4A ", "sound.m4a"),
        ("video/quicktime", b"\0\0\0\x14ftypqt  ", "sound.mp4"),
        ("video/webm", b"\x1a\x45\xdf\xa3", "sound.webm"),
    ] {
        let host = FakeHost::new();
        host.answer("POST", OPENAI, Answer::json(200, &json!({"text": "Hi", "duration": 1.0})));
        written(json!({}), &host.put_blob(called, bytes), false).unwrap();
        let form = form(&host.requests()[0]);
        assert!(form.contains(&format!("filename=\"{name}\"")), "{called}: {form}");
    }
}

/// Deepgram reads many kinds, of which some have nothing to be known by.
#[test]
fn sound_without_a_known_beginning_goes_by_its_name_where_the_provider_may_read_it() {
    let host = FakeHost::new();
    let answer = json!({"metadata": {"duration": 1.0}, "results": {"channels": []}});
    host.answer("POST", DEEPGRAM, Answer::json(200, &answer));
    let samples = host.put_blob("audio/L16;rate=8000", [0, 1, 2]);
    written(json!({"provider": "deepgram"}), &samples, false).unwrap();
    assert_eq!(host.requests()[0].header_value("content-type"), Some("audio/l16"));
    let uncalled = host.put_blob("application/octet-stream", [0, 1, 2]);
    let error = written(json!({"provider": "deepgram"}), &uncalled, false).unwrap_err();
    assert!(error.message.contains("must be called `audio/...`"), "{error}");
    let page = host.put_blob("audio/L16;rate=8000", "<html>Sign in</html>");
    let error = written(json!({"provider": "deepgram"}), &page, false).unwrap_err();
    assert_eq!((error.kind, host.requests().len()), (StepErrorKind::InvalidInput, 1));
}

fn large(host: &FakeHost) -> Blob {
    let mut sound = host.put_blob("audio/wav", "x");
    sound.size = 26_214_401;
    sound
}

#[test]
fn what_the_provider_says_against_it_is_told() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/wav", WAV);
    let invalid = json!({"error": {"message": "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3']", "type": "invalid_request_error", "param": null, "code": null}});
    host.answer("POST", OPENAI, Answer::json(400, &invalid));
    let error = written(json!({}), &sound, false).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("Invalid file format"), "{error}");

    host.answer(
        "POST",
        DEEPGRAM,
        Answer::json(
            401,
            &json!({"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials.", "request_id": "1"}),
        ),
    );
    host.answer("POST", DEEPGRAM, Answer::text(200, "<html>").header("content-type", "text/html"));
    let error = written(json!({"provider": "deepgram"}), &sound, false).unwrap_err();
    assert_eq!(error.detail.as_ref().unwrap()["cause"], "bad_key");
    assert!(error.message.contains("Invalid credentials."), "{error}");
    let error = written(json!({"provider": "deepgram"}), &sound, false).unwrap_err();
    assert_eq!((error.kind, &error.detail.unwrap()["cause"]), (StepErrorKind::Retryable, &json!("not_json")));

    let error = written(json!({"model": "whisper-1"}), &sound, true).unwrap_err();
    assert!(error.message.contains("cannot tell speakers apart"), "{error}");
}
