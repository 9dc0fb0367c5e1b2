mod bodies;
mod pages;

use std::time::Duration;

use serde_json::json;
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::http::ErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const URL: &str = "https://api.example.com/items";

fn send(input: Value, config: Value) -> Result<Value, StepError> {
    call(http_request, &input, &config)
}

#[test]
fn json_goes_out_and_comes_in() {
    let host = FakeHost::new();
    host.answer("POST", URL, Answer::json(201, &json!({"id": 7})).header("x-trace", "t"));
    let input = json!({"method": "post", "url": URL, "json": {"name": "a"}});
    let output = send(input, json!({"expect": [201]})).unwrap();

    assert_eq!(output["status"], 201);
    assert_eq!(output["json"], json!({"id": 7}));
    assert_eq!(output["headers"]["x-trace"], "t");
    assert_eq!(output.get("text"), None);
    let request = &host.requests()[0];
    assert_eq!(request.body, br#"{"name":"a"}"#);
    assert_eq!(request.header_value("content-type"), Some("application/json"));
}

#[test]
fn text_goes_out_and_comes_in() {
    let host = FakeHost::new();
    host.answer("PUT", URL, Answer::text(200, "fine"));
    let input = json!({"method": "PUT", "url": URL, "text": "a,b", "headers": {"Content-Type": "text/csv"}});
    assert_eq!(send(input, json!({})).unwrap()["text"], "fine");
    assert_eq!(host.requests()[0].header_value("content-type"), Some("text/csv"));
    assert_eq!(host.requests()[0].body, b"a,b");
}

#[test]
fn parameters_join_the_query_that_is_there() {
    let host = FakeHost::new();
    let query = json!({"a b": "c&d", "list": [1, true], "none": null});
    for (url, sent) in [
        ("https://a.example/x", "https://a.example/x?a+b=c%26d&list=1&list=true"),
        ("https://a.example/x?y=1#part", "https://a.example/x?y=1&a+b=c%26d&list=1&list=true#part"),
        ("https://a.example/x?", "https://a.example/x?a+b=c%26d&list=1&list=true"),
    ] {
        host.answer("GET", sent, Answer::text(200, ""));
        send(json!({"url": url, "query": query}), json!({})).unwrap();
    }
}

#[test]
fn the_inputs_headers_win_over_the_configs() {
    let host = FakeHost::new();
    host.answer("GET", URL, Answer::text(200, ""));
    let config = json!({"headers": {"Authorization": "Bearer {{secret.KEY}}", "accept": "text/html"}, "timeout_ms": 1500, "max_redirects": 0});
    send(json!({"url": URL, "headers": {"Accept": "text/csv"}}), config).unwrap();

    let request = &host.requests()[0];
    assert_eq!(request.header_value("authorization"), Some("Bearer {{secret.KEY}}"));
    assert_eq!(request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept")).count(), 1);
    assert_eq!(request.header_value("accept"), Some("text/csv"));
    assert_eq!((request.timeout, request.max_redirects), (Some(Duration::from_millis(1500)), 0));
}

#[test]
fn an_unexpected_status_is_an_error_of_the_fitting_kind() {
    for (status, kind) in [
        (200, StepErrorKind::Permanent),
        (404, StepErrorKind::Permanent),
        (429, StepErrorKind::Retryable),
        (503, StepErrorKind::Retryable),
    ] {
        let host = FakeHost::new();
        host.answer("GET", URL, Answer::text(status, "why").header("retry-after", "3"));
        let error = send(json!({"url": URL}), json!({"expect": [201, 204]})).unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        assert!(
            error.message.ends_with(&format!("answered {status} where 201 or 204 is expected")),
            "{error}"
        );
        assert_eq!(error.detail.unwrap()["body"], "why");
        let is_retryable = kind == StepErrorKind::Retryable;
        assert_eq!(error.retry_after, is_retryable.then_some(Duration::from_secs(3)));
    }
}

#[test]
fn an_expected_error_status_is_an_answer() {
    let host = FakeHost::new();
    host.answer("GET", URL, Answer::json(404, &json!({"error": "gone"})));
    assert_eq!(send(json!({"url": URL}), json!({"expect": [200, 404]})).unwrap()["json"]["error"], "gone");
}

#[test]
fn a_page_that_calls_itself_json_is_an_error() {
    let host = FakeHost::new();
    host.answer(
        "GET",
        URL,
        Answer::text(200, "<html>").header("content-type", "application/problem+json; charset=utf-8"),
    );
    let error = send(json!({"url": URL}), json!({})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert!(error.message.contains("<html>"), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_not_made_up() {
    let host = FakeHost::new();
    host.answer("GET", URL, Answer::bytes(200, [0xff, 0xfe]));
    let output = send(json!({"url": URL}), json!({})).unwrap();
    assert_eq!((output.get("text"), output.get("json")), (None, None));
}

#[test]
fn a_missing_grant_is_final_and_a_broken_line_is_not() {
    for (kind, expected) in
        [(ErrorKind::Denied, StepErrorKind::Permanent), (ErrorKind::Connection, StepErrorKind::Retryable)]
    {
        let host = FakeHost::new();
        host.answer("GET", URL, Answer::error(kind, "why"));
        assert_eq!(send(json!({"url": URL}), json!({})).unwrap_err().kind, expected);
    }
}

#[test]
fn the_workflow_says_which_statuses_another_attempt_may_mend() {
    let config = json!({"retry_status": [404, "5xx"]});
    for (status, kind) in [
        (404, StepErrorKind::Retryable),
        (502, StepErrorKind::Retryable),
        (429, StepErrorKind::Permanent),
        (400, StepErrorKind::Permanent),
    ] {
        let host = FakeHost::new();
        host.answer("GET", URL, Answer::text(status, "").header("retry-after", "7"));
        let error = send(json!({"url": URL}), config.clone()).unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        let is_retryable = kind == StepErrorKind::Retryable;
        assert_eq!(error.retry_after, is_retryable.then_some(Duration::from_secs(7)), "{status}");
    }
}

#[test]
fn work_that_is_not_done_yet_can_be_asked_for_again() {
    let host = FakeHost::new();
    host.answer("GET", URL, Answer::text(202, "").header("retry-after", "2"));
    host.answer("GET", URL, Answer::text(202, ""));
    let error = send(json!({"url": URL}), json!({"retry_status": [202]})).unwrap_err();
    assert_eq!((error.kind, error.retry_after), (StepErrorKind::Retryable, Some(Duration::from_secs(2))));
    assert!(error.message.ends_with("answered 202, which `retry_status` names"), "{error}");
    let output = send(json!({"url": URL}), json!({"retry_status": [202], "expect": [202]})).unwrap();
    assert_eq!(output["status"], 202);
}

#[test]
fn whoever_asks_is_known_by_a_secret_that_the_step_never_sees() {
    for (auth, header, value) in [
        (json!({"bearer": "KEY"}), "authorization", "Bearer {{secret.KEY}}"),
        (json!({"oauth2": "CLIENT"}), "authorization", "Bearer {{secret.CLIENT}}"),
        (json!({"basic": "PAIR"}), "authorization", "Basic {{secret.PAIR}}"),
        (json!({"header": {"name": "X-Api-Key", "secret": "KEY"}}), "x-api-key", "{{secret.KEY}}"),
    ] {
        let host = FakeHost::new();
        host.answer("GET", URL, Answer::text(200, ""));
        send(json!({"url": URL}), json!({"auth": auth})).unwrap();
        assert_eq!(host.requests()[0].header_value(header), Some(value));
    }
    let twice = json!({"auth": {"bearer": "KEY"}, "headers": {"AUTHORIZATION": "x"}});
    let error = send(json!({"url": URL}), twice).unwrap_err();
    assert!(error.message.contains("both give the header `AUTHORIZATION`"), "{error}");
}
