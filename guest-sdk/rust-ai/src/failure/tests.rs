use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost};

use super::*;
use crate::{Api, Endpoint, Work};

const URL: &str = "https://api.openai.com/v1/x";

fn asked(answer: Answer) -> Result<Value, StepError> {
    let host = FakeHost::new();
    host.answer("POST", URL, answer);
    let extra = serde_json::Map::new();
    let endpoint = Endpoint {
        api: Api::OPENAI,
        work: Work::CHAT,
        model: "gpt-4o",
        base_url: "https://api.openai.com/v1",
        key_secret: Some("OPENAI_API_KEY"),
        timeout: None,
        price: None,
        extra: &extra,
    };
    endpoint.json("/x", json!({}))
}

fn cause(error: &StepError) -> &str {
    error.detail.as_ref().unwrap()["cause"].as_str().unwrap()
}

/// Each as its provider answers it.
#[test]
fn what_each_provider_says_of_its_failure_is_understood() {
    let openai = |message: &str, kind: &str, code: Value| json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    let anthropic = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
    let google = |code: u16, message: &str, status: &str| json!({"error": {"code": code, "message": message, "status": status}});
    let cases = [
        (
            429,
            openai("Rate limit reached for gpt-4o", "tokens", json!("rate_limit_exceeded")),
            "rate_limited",
        ),
        (
            429,
            openai("You exceeded your current quota", "insufficient_quota", json!("insufficient_quota")),
            "no_credit",
        ),
        (
            401,
            openai("Incorrect API key provided: sk-1***2", "invalid_request_error", json!("invalid_api_key")),
            "bad_key",
        ),
        (
            404,
            openai(
                "The model `gpt-9` does not exist or you do not have access to it.",
                "invalid_request_error",
                json!("model_not_found"),
            ),
            "unknown_model",
        ),
        (
            400,
            openai(
                "This model's maximum context length is 128000 tokens.",
                "invalid_request_error",
                json!("context_length_exceeded"),
            ),
            "input_too_long",
        ),
        (
            400,
            openai("Unsupported parameter", "invalid_request_error", json!("unsupported_parameter")),
            "bad_request",
        ),
        (500, openai("The server had an error", "server_error", Value::Null), "provider_failed"),
        (503, openai("That model is currently overloaded", "server_error", Value::Null), "provider_failed"),
        (529, anthropic("overloaded_error", "Overloaded"), "overloaded"),
        (429, anthropic("rate_limit_error", "This request would exceed your rate limit"), "rate_limited"),
        (401, anthropic("authentication_error", "invalid x-api-key"), "bad_key"),
        (403, anthropic("permission_error", "Your API key does not have permission"), "forbidden"),
        (404, anthropic("not_found_error", "model: claude-9"), "unknown_model"),
        (
            400,
            anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            "input_too_long",
        ),
        (
            400,
            anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API"),
            "no_credit",
        ),
        (413, anthropic("request_too_large", "Request exceeds the maximum size"), "input_too_long"),
        (429, google(429, "You exceeded your current quota", "RESOURCE_EXHAUSTED"), "rate_limited"),
        (503, google(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"), "overloaded"),
        (
            400,
            google(
                400,
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                "INVALID_ARGUMENT",
            ),
            "input_too_long",
        ),
        (
            404,
            google(404, "models/gemini-9 is not found for API version v1beta", "NOT_FOUND"),
            "unknown_model",
        ),
        (400, json!([google(400, "Invalid value", "INVALID_ARGUMENT")]), "bad_request"),
        (404, json!({"error": "model 'llama9' not found"}), "unknown_model"),
        (
            400,
            json!({"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}),
            "input_too_long",
        ),
        (
            400,
            json!({"object": "error", "message": "This model's maximum context length is 2048 tokens. However, you requested 3000", "type": "BadRequestError", "code": 400}),
            "input_too_long",
        ),
        (422, json!({"detail": [{"loc": ["body"], "msg": "field required"}]}), "bad_request"),
    ];
    for (status, body, expected) in cases {
        let error = asked(Answer::json(status, &body)).unwrap_err();
        assert_eq!(cause(&error), expected, "{body}");
        let told = error_inside(&body).unwrap_or(&body);
        assert!(error.message.contains(reason(told).unwrap()), "{error}");
        assert!(error.message.starts_with(&format!("openai answered {status}")), "{error}");
    }
}

#[test]
fn a_bad_key_is_googles_bad_request() {
    let body = json!({"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}});
    let error = asked(Answer::json(400, &body)).unwrap_err();
    assert_eq!((cause(&error), error.kind), ("bad_key", StepErrorKind::Permanent));
}

#[test]
fn what_passes_is_tried_again_when_the_provider_says_so() {
    let body = json!({"error": {"message": "slow down"}});
    let after = |answer: Answer| asked(answer).unwrap_err().retry_after;
    assert_eq!(after(Answer::json(429, &body).header("retry-after", "20")), Some(Duration::from_secs(20)));
    let exact = Answer::json(429, &body).header("retry-after", "2").header("retry-after-ms", "1300");
    assert_eq!(after(exact), Some(Duration::from_millis(1300)));
    assert_eq!(after(Answer::json(401, &body).header("retry-after", "20")), None);

    let google = json!({"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}});
    assert_eq!(after(Answer::json(429, &google)), Some(Duration::from_millis(34_500)));
}

#[test]
fn an_error_inside_a_good_answer_is_an_error() {
    let cases = [
        (json!({"error": {"code": 429, "message": "Provider returned error"}}), "rate_limited"),
        (json!({"error": {"message": "out of memory"}}), "provider_failed"),
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            "overloaded",
        ),
        (json!({"object": "error", "message": "no", "code": 40401}), "provider_failed"),
        (json!({"error": "model 'a' not found"}), "unknown_model"),
    ];
    for (body, expected) in cases {
        let error = asked(Answer::json(200, &body)).unwrap_err();
        assert_eq!(cause(&error), expected, "{body}");
        assert!(error.message.starts_with("openai answered with an error inside"), "{error}");
    }
    assert!(asked(Answer::json(200, &json!({"error": null, "object": "list"}))).is_ok());
}

#[test]
fn a_page_instead_of_json_is_shown() {
    let page = || Answer::text(200, "<html>Bad gateway</html>").header("content-type", "text/html");
    let error = asked(page()).unwrap_err();
    assert_eq!((error.kind, cause(&error)), (StepErrorKind::Retryable, "not_json"));
    assert_eq!(
        error.message,
        "openai answered 200, the answer is not JSON but text/html: <html>Bad gateway</html>"
    );
    let gateway = Answer::text(502, "<html>Bad gateway</html>").header("content-type", "text/html");
    let error = asked(gateway).unwrap_err();
    assert_eq!((error.kind, cause(&error)), (StepErrorKind::Retryable, "provider_failed"));
    assert!(error.message.contains("<html>Bad gateway"), "{error}");
}

#[test]
fn no_answer_names_the_provider_too() {
    let error = asked(Answer::error(http::ErrorKind::Denied, "no grant covers it")).unwrap_err();
    assert_eq!((error.kind, cause(&error)), (StepErrorKind::Permanent, "denied"));
    assert_eq!(error.message, "openai: no grant covers it");
    let error = asked(Answer::error(http::ErrorKind::Timeout, "no answer in time")).unwrap_err();
    assert_eq!((error.kind, cause(&error)), (StepErrorKind::Retryable, "timeout"));
}
