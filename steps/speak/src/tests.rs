use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const URL: &str = "https://api.openai.com/v1/audio/speech";

#[test]
fn voice_pace_and_mood_go_along() {
    let host = FakeHost::new();
    host.answer("POST", URL, Answer::bytes(200, "OggS").header("content-type", "audio/ogg"));
    let config = json!({"model": "gpt-4o-mini-tts", "voice": "coral", "instructions": "cheerful", "speed": 1.5, "format": "opus"});
    let output = call(speak, &json!({"text": "Hello."}), &config).unwrap();
    assert_eq!((&output["sound"]["media_type"], &output["characters"]), (&json!("audio/ogg"), &json!(6)));
    let body: Value = serde_json::from_slice(&host.requests()[0].body).unwrap();
    let expected = json!({
        "model": "gpt-4o-mini-tts", "input": "Hello.", "voice": "coral", "response_format": "opus",
        "instructions": "cheerful", "speed": 1.5,
    });
    assert_eq!(body, expected);
}

#[test]
fn what_a_provider_does_not_have_is_an_error_before_anything_is_sent() {
    let host = FakeHost::new();
    for (config, words) in [
        (json!({"provider": "deepgram", "voice": "thalia"}), "it has no `voice`"),
        (json!({"provider": "elevenlabs", "instructions": "x"}), "it has no `instructions`"),
        (json!({"provider": "gemini", "speed": 2}), "it has no `speed`"),
        (json!({"provider": "elevenlabs", "format": "flac"}), "it has no `format` `flac`"),
        (json!({"provider": "elevenlabs", "voice": "../user"}), "is no voice's id"),
    ] {
        let error = call(speak, &json!({"text": "Hi"}), &config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
    assert!(host.requests().is_empty());
}
