use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost};

use super::*;
use crate::ProviderConfig;

const OPENAI: &str = "https://api.openai.com/v1/audio/speech";

fn spoken_as(config: Value, format: Format, text: &str) -> Result<Speech, StepError> {
    let config: ProviderConfig<Provider> = serde_json::from_value(config).unwrap();
    let voice = Voice { name: None, instructions: None, speed: None, format };
    speak(config.provider, &config.endpoint().unwrap(), &voice, text)
}

fn mp3(rest: &str) -> Answer {
    let bytes: Vec<u8> = [0xff, 0xfb, 0x90].into_iter().chain(rest.bytes()).collect();
    Answer::bytes(200, bytes).header("content-type", "audio/mpeg")
}

fn body(host: &FakeHost, index: usize) -> Value {
    serde_json::from_slice(&host.requests()[index].body).unwrap()
}

#[test]
fn openai_speaks_and_is_paid_by_the_character() {
    let host = FakeHost::new();
    host.answer("POST", OPENAI, mp3("hello"));
    let speech = spoken_as(json!({}), Format::Mp3, "Grüße!").unwrap();
    assert_eq!((speech.sound.media_type.as_str(), speech.characters, speech.parts), ("audio/mpeg", 6, 1));
    assert_eq!(
        body(&host, 0),
        json!({"model": "tts-1", "input": "Grüße!", "voice": "alloy", "response_format": "mp3"})
    );
    assert_eq!(host.usage()[0].cost_micro_usd, Some(90));
}

#[test]
fn a_long_text_is_spoken_in_parts_that_become_one_file() {
    let host = FakeHost::new();
    host.answer("POST", OPENAI, mp3("1"));
    host.answer("POST", OPENAI, mp3("2"));
    let text = format!("{}. {}.", "a".repeat(3000), "b".repeat(2000));
    let speech = spoken_as(json!({}), Format::Mp3, &text).unwrap();
    assert_eq!(host.blob(&speech.sound), b"\xff\xfb\x901\xff\xfb\x902");
    assert_eq!((speech.parts, host.usage().len()), (2, 2));
    assert_eq!(body(&host, 1)["input"], format!("{}.", "b".repeat(2000)));

    let error = spoken_as(json!({}), Format::Flac, &text).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(error.message.contains("has 5003 characters and openai takes 4096 at once"), "{error}");
    assert_eq!(spoken_as(json!({}), Format::Mp3, " ").unwrap_err().kind, StepErrorKind::InvalidInput);
}

#[test]
fn elevenlabs_and_deepgram_are_asked_in_their_own_way() {
    let host = FakeHost::new();
    host.answer(
        "POST",
        "https://api.elevenlabs.io/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM?output_format=mp3_44100_128",
        mp3(""),
    );
    host.answer(
        "POST",
        "https://api.deepgram.com/v1/speak?model=aura%2D2%2Dthalia%2Den&encoding=mp3",
        mp3(""),
    );
    spoken_as(json!({"provider": "elevenlabs"}), Format::Mp3, "Hi").unwrap();
    spoken_as(json!({"provider": "deepgram"}), Format::Mp3, "Hi").unwrap();
    assert_eq!(body(&host, 0), json!({"text": "Hi", "model_id": "eleven_multilingual_v2"}));
    assert_eq!(body(&host, 1), json!({"text": "Hi"}));
    assert_eq!(host.requests()[0].header_value("xi-api-key"), Some("{{secret.ELEVENLABS_API_KEY}}"));
    // ElevenLabs' price is the subscription's.
    assert_eq!((host.usage()[0].cost_micro_usd, host.usage()[1].cost_micro_usd), (None, Some(60)));
}

#[test]
fn geminis_samples_become_a_wav_file() {
    let host = FakeHost::new();
    let url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash-preview-tts:generateContent";
    let answer = json!({
        "candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AAECAw=="}}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 40, "totalTokenCount": 44}, "modelVersion": "gemini-2.5-flash-preview-tts",
    });
    host.answer("POST", url, Answer::json(200, &answer));
    let speech = spoken_as(json!({"provider": "gemini"}), Format::Wav, "Hi").unwrap();
    let file = host.blob(&speech.sound);
    assert_eq!((&file[..4], &file[8..16], &file[44..]), (&b"RIFF"[..], &b"WAVEfmt "[..], &[0, 1, 2, 3][..]));
    assert_eq!((u32::from_le_bytes(file[24..28].try_into().unwrap()), file.len()), (24_000, 48));
    assert_eq!(host.usage()[0].cost_micro_usd, Some(402));
    let error = spoken_as(json!({"provider": "gemini"}), Format::Mp3, "Hi").unwrap_err();
    assert!(error.message.contains("it has no `format` `mp3`"), "{error}");
}

#[test]
fn gemini_is_paid_for_what_it_thinks_and_for_an_answer_without_sound() {
    let url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash-preview-tts:generateContent";
    let silent = json!({
        "candidates": [{"finishReason": "OTHER", "index": 0}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 10, "thoughtsTokenCount": 30, "totalTokenCount": 44},
    });
    let blocked =
        json!({"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": {"promptTokenCount": 4}});
    let untold = json!({"candidates": []});
    let page = Answer::text(200, "<html>Oops</html>").header("content-type", "text/html");
    for (answer, output_tokens, cost) in [
        (Answer::json(200, &silent), 40, Some(402)),
        (Answer::json(200, &blocked), 0, Some(2)),
        (Answer::json(200, &untold), 0, None),
        (page, 0, None),
    ] {
        let host = FakeHost::new();
        host.answer("POST", url, answer);
        spoken_as(json!({"provider": "gemini"}), Format::Wav, "Hi").unwrap_err();
        let [call] = host.usage().try_into().unwrap();
        assert_eq!((call.output_tokens, call.cost_micro_usd), (output_tokens, cost));
    }
}

#[test]
fn sound_that_is_none_is_an_error_that_shows_what_came() {
    for (answer, words, kind) in [
        (
            Answer::text(200, "<html>Oops</html>").header("content-type", "text/html"),
            "are no sound: <html>Oops",
            StepErrorKind::Retryable,
        ),
        (
            Answer::json(
                200,
                &json!({"error": {"message": "Voice not allowed", "code": "content_policy_violation"}}),
            ),
            "Voice not allowed",
            StepErrorKind::Permanent,
        ),
        (Answer::bytes(200, "").header("content-type", "audio/mpeg"), "0 bytes", StepErrorKind::Retryable),
        (Answer::bytes(200, "RIFX").header("content-type", "audio/mpeg"), "RIFX", StepErrorKind::Retryable),
    ] {
        let host = FakeHost::new();
        host.answer("POST", OPENAI, answer);
        let error = spoken_as(json!({}), Format::Mp3, "Hi").unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.starts_with("openai") && error.message.contains(words), "{error}");
        assert_eq!(host.usage().len(), 1, "it is paid for all the same");
    }
}

#[test]
fn each_providers_refusal_is_told_in_its_own_words() {
    let host = FakeHost::new();
    let url = "https://api.elevenlabs.io/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM?output_format=mp3_44100_128";
    for (status, told, cause) in [
        (401, json!({"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}), "bad_key"),
        (
            401,
            json!({"detail": {"status": "quota_exceeded", "message": "This request exceeds your quota of 10000."}}),
            "no_credit",
        ),
        (
            404,
            json!({"detail": {"status": "voice_not_found", "message": "A voice with the voice_id nope was not found."}}),
            "bad_request",
        ),
    ] {
        host.answer("POST", url, Answer::json(status, &told));
        let error = spoken_as(json!({"provider": "elevenlabs"}), Format::Mp3, "Hi").unwrap_err();
        assert_eq!(error.detail.as_ref().unwrap()["cause"], cause, "{error}");
        assert!(error.message.contains(told["detail"]["message"].as_str().unwrap()), "{error}");
    }
}
