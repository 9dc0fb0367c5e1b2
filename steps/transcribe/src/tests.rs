use serde_json::json;
use stepwell_sdk::http::Part;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

#[test]
fn language_and_words_to_expect_go_along() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/ogg", "OggS").named("call.ogg");
    let answer = json!({"text": " Guten Tag. ", "language": "german", "duration": 2.4, "segments": []});
    host.answer("POST", "https://api.openai.com/v1/audio/transcriptions", Answer::json(200, &answer));
    let input = json!({"sound": sound, "language": "de", "prompt": "Stepwell"});
    let output = call(transcribe, &input, &json!({})).unwrap();
    let expected = json!({"text": "Guten Tag.", "segments": [], "language": "german", "duration_seconds": 2.4, "model": "whisper-1"});
    assert_eq!(output, expected);

    let texts = host.requests()[0].parts.clone().into_iter().filter_map(|part| match part {
        Part::Bytes(bytes) => String::from_utf8(bytes).ok(),
        Part::Blob(_) => None,
    });
    let form: String = texts.collect();
    for part in ["name=\"language\"\r\n\r\nde", "name=\"prompt\"\r\n\r\nStepwell", "filename=\"call.ogg\""] {
        assert!(form.contains(part), "{form}");
    }
}

#[test]
fn a_server_of_ones_own_needs_no_key_and_costs_nothing_that_is_known() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/wav", b"RIFF\x04\0\0\0WAVE");
    let url = "http://localhost:8000/v1/audio/transcriptions";
    host.answer("POST", url, Answer::json(200, &json!({"text": "Hi.", "duration": 1.5})));
    let config =
        json!({"provider": "openai-compatible", "base_url": "http://localhost:8000/v1", "model": "large-v3"});
    assert_eq!(call(transcribe, &json!({"sound": sound}), &config).unwrap()["text"], "Hi.");
    assert_eq!(host.requests()[0].header_value("authorization"), None);
    assert_eq!(host.usage()[0].cost_micro_usd, None);
}
