use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";
const PDF: &[u8] = b"%PDF-1.7\nrest";
const MISTRAL: &str = "https://api.mistral.ai/v1/ocr";
const GOOGLE: &str = "https://vision.googleapis.com/v1/images:annotate";

fn read(host: &FakeHost, documents: &[&[u8]], config: Value) -> Result<Value, StepError> {
    let documents: Vec<Blob> =
        documents.iter().map(|bytes| host.put_blob("application/octet-stream", *bytes)).collect();
    call(ocr, &json!({"documents": documents}), &config)
}

fn sent(host: &FakeHost) -> Value {
    serde_json::from_slice(&host.requests()[0].body).unwrap()
}

#[test]
fn mistral_reads_the_pages_of_a_pdf() {
    let host = FakeHost::new();
    let answer = json!({
        "pages": [
            {"index": 0, "markdown": "# Lease\n", "images": [], "dimensions": {"dpi": 200, "height": 2200, "width": 1700}},
            {"index": 1, "markdown": "", "images": [], "dimensions": {"dpi": 200, "height": 2200, "width": 1700}},
        ],
        "model": "mistral-ocr-2512", "document_annotation": null,
        "usage_info": {"pages_processed": 2, "doc_size_bytes": 13},
    });
    host.answer("POST", MISTRAL, Answer::json(200, &answer));
    let output = read(&host, &[PDF], json!({"provider": "mistral-ocr"})).unwrap();
    assert_eq!((&output["text"], &output["empty"]), (&json!("# Lease"), &json!(false)));
    assert_eq!(output["pages"][1], json!({"number": 2, "document": 0, "text": ""}));
    assert_eq!(sent(&host)["document"]["document_url"], "data:application/pdf;base64,JVBERi0xLjcKcmVzdA==");
    assert_eq!(host.requests()[0].header_value("authorization"), Some("Bearer {{secret.MISTRAL_API_KEY}}"));
    let usage = &host.usage()[0];
    assert_eq!(
        (usage.provider.as_str(), usage.model.as_str(), usage.cost_micro_usd),
        ("mistral-ocr", "mistral-ocr-2512", Some(4_000))
    );
}

#[test]
fn google_says_how_sure_it_is_and_in_which_language_it_read() {
    let host = FakeHost::new();
    let page = json!({
        "property": {"detectedLanguages": [{"languageCode": "de", "confidence": 0.9}, {"languageCode": "en", "confidence": 0.1}]},
        "width": 10, "height": 10,
        "blocks": [{"blockType": "TEXT", "confidence": 0.9, "paragraphs": []}, {"blockType": "TEXT", "confidence": 0.7}],
    });
    let answer = json!({"responses": [{"textAnnotations": [], "fullTextAnnotation": {"text": "Miete\n", "pages": [page]}}]});
    host.answer("POST", GOOGLE, Answer::json(200, &answer));
    host.answer("POST", GOOGLE, Answer::json(200, &json!({"responses": [{}]})));
    let output = read(&host, &[PNG, PNG], json!({"provider": "google-vision", "language": "de"})).unwrap();
    assert_eq!((&output["text"], &output["language"]), (&json!("Miete"), &json!("de")));
    assert!((output["pages"][0]["confidence"].as_f64().unwrap() - 0.8).abs() < 1e-9);
    assert_eq!(output["pages"][1], json!({"number": 2, "document": 1, "text": ""}));
    assert_eq!(sent(&host)["requests"][0]["imageContext"]["languageHints"], json!(["de"]));
    assert_eq!(host.usage().len(), 2);
}

#[test]
fn an_error_inside_a_good_answer_is_one() {
    let host = FakeHost::new();
    let answer = json!({"responses": [{"error": {"code": 3, "message": "Bad image data."}}]});
    host.answer("POST", GOOGLE, Answer::json(200, &answer));
    let error = read(&host, &[PNG], json!({"provider": "google-vision"})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("google-vision") && error.message.contains("Bad image data."), "{error}");
}

#[test]
fn a_vision_model_answers_page_by_page() {
    let host = FakeHost::new();
    let content = json!({"pages": ["Rent"], "language": "en"}).to_string();
    let answer = json!({
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 10},
    });
    host.answer("POST", "https://api.openai.com/v1/chat/completions", Answer::json(200, &answer));
    let output = read(&host, &[PNG], json!({"model": "gpt-4o"})).unwrap();
    let expected = json!({
        "text": "Rent", "empty": false, "language": "en", "model": "gpt-4o-2024-08-06",
        "pages": [{"number": 1, "document": 0, "text": "Rent"}],
    });
    assert_eq!(output, expected);
    assert_eq!(host.usage()[0].input_tokens, 900);
}

#[test]
fn a_pdf_goes_to_those_who_take_it() {
    let host = FakeHost::new();
    let content = json!({"pages": [""], "language": ""}).to_string();
    let answer = json!({
        "id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": content}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 9},
    });
    host.answer("POST", "https://api.anthropic.com/v1/messages", Answer::json(200, &answer));
    let output = read(&host, &[PDF], json!({"provider": "anthropic"})).unwrap();
    assert_eq!((&output["empty"], &output["text"], output.get("language")), (&json!(true), &json!(""), None));
    let part = &sent(&host)["messages"][0]["content"][0];
    assert_eq!(
        (&part["type"], &part["source"]["media_type"]),
        (&json!("document"), &json!("application/pdf"))
    );
    assert!(host.logs().iter().any(|line| line.message.contains("nothing to read")));
    assert_eq!(sent(&host)["max_tokens"], 16_000, "a scan has more to say than a chat");
}

#[test]
fn how_much_is_written_and_how_the_server_is_told_can_be_said() {
    let cut = |reason: &str| {
        json!({
            "model": "gemma",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "{\"pages\": [\"Re"}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 300},
        })
    };
    let url = "http://localhost:8080/v1/chat/completions";
    let config = json!({
        "provider": "openai-compatible", "base_url": "http://localhost:8080/v1", "model": "gemma",
        "max_tokens": 300, "response_format": "prompt",
    });
    let host = FakeHost::new();
    host.answer("POST", url, Answer::json(200, &cut("length")));
    let error = read(&host, &[PNG], config).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("raise `max_tokens`"), "{error}");
    let sent = sent(&host);
    assert_eq!((&sent["max_tokens"], sent.get("response_format")), (&json!(300), None));
    assert!(sent["messages"][0]["content"].as_str().unwrap().contains("fits this JSON Schema"));

    let host = FakeHost::new();
    host.answer("POST", "https://api.openai.com/v1/chat/completions", Answer::json(200, &cut("length")));
    read(&host, &[PNG], json!({})).unwrap_err();
    assert_eq!(self::sent(&host).get("max_completion_tokens"), None, "as much as the model can");
}

#[test]
fn a_page_count_that_is_not_told_is_a_call_without_a_price() {
    for answer in [json!({"pages": [{"index": 0, "markdown": "Rent"}]}), json!({"sheets": []})] {
        let host = FakeHost::new();
        host.answer("POST", MISTRAL, Answer::json(200, &answer));
        let _ = read(&host, &[PNG], json!({"provider": "mistral-ocr"}));
        let [call] = host.usage().try_into().unwrap();
        assert_eq!((call.model.as_str(), call.cost_micro_usd), ("mistral-ocr-latest", None));
    }
}

#[test]
fn what_is_no_image_is_the_inputs_fault_and_nothing_is_asked() {
    for (provider, bytes) in
        [("mistral-ocr", &b"text"[..]), ("google-vision", PDF), ("openai", PDF), ("gemini", b"text")]
    {
        let host = FakeHost::new();
        let error = read(&host, &[bytes], json!({"provider": provider})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput, "{provider}: {error}");
        assert!(host.requests().is_empty());
    }
    assert_eq!(read(&FakeHost::new(), &[], json!({})).unwrap_err().kind, StepErrorKind::InvalidInput);
}

#[test]
fn a_busy_service_is_asked_again_later_and_a_bad_key_is_not() {
    for (status, kind) in [(429, StepErrorKind::Retryable), (401, StepErrorKind::Permanent)] {
        let host = FakeHost::new();
        host.answer("POST", MISTRAL, Answer::json(status, &json!({"message": "no"})));
        assert_eq!(read(&host, &[PNG], json!({"provider": "mistral-ocr"})).unwrap_err().kind, kind);
    }
}
