mod discord;
mod slack;
mod teams;
mod webhook;

use serde_json::{Value, json};
use stepwell_sdk::http::ErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};
use stepwell_sdk::{StepError, StepErrorKind};

use super::*;

/// Sends a message by a service whose webhook is at the URL, and gives what went out with what came of it.
fn sent(service: &str, url: &str, input: &Value, answer: Answer) -> (Value, Result<Value, StepError>) {
    let host = FakeHost::new();
    let posted = match service {
        "discord" => format!("{url}?wait=true"),
        "slack-bot" => format!("{url}/chat.postMessage"),
        _ => url.to_owned(),
    };
    host.answer("POST", &posted, answer);
    let result = call(notify, input, &json!({"service": service, "url": url, "channel": "C0123"}));
    let body = host.requests().first().map(|request| serde_json::from_slice(&request.body).unwrap());
    (body.unwrap_or_default(), result)
}

fn incident() -> Value {
    json!({
        "title": "Payments are slow",
        "text": "p95 is *4.2 s* <!channel> @everyone",
        "fields": [{"name": "Service", "value": "pay_api"}, {"name": "Errors", "value": 17}],
        "link": {"url": "https://status.example.com/i/7", "label": "Incident 7"},
        "severity": "critical",
    })
}

const SERVICES: [(&str, &str); 5] = [
    ("slack", "https://hooks.slack.com/services/T0/B0/KEY"),
    ("slack-bot", "https://slack.com/api"),
    ("teams", "https://prod-1.westeurope.logic.azure.com/workflows/KEY"),
    ("discord", "https://discord.com/api/webhooks/1/KEY"),
    ("webhook", "https://alerts.example.com/KEY"),
];

#[test]
fn a_page_instead_of_an_answer_is_told_with_the_services_name() {
    for (service, url) in &SERVICES[..4] {
        let page = Answer::text(502, "<html>Bad gateway</html>").header("content-type", "text/html");
        let (_, result) = sent(service, url, &incident(), page);
        let error = result.unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Retryable, "{service}");
        assert!(error.message.contains("a page (HTML)") && error.message.contains("Bad gateway"), "{error}");
        let (_, result) = sent(service, url, &incident(), Answer::text(200, "<html>Sign in</html>"));
        assert_eq!(result.unwrap_err().kind, StepErrorKind::Retryable, "{service}");
    }
}

#[test]
fn an_error_never_shows_the_webhooks_url() {
    for (service, url) in SERVICES {
        for status in [400, 404, 429, 500, 302] {
            let (_, result) = sent(service, url, &incident(), Answer::text(status, "why_not"));
            let error = result.unwrap_err();
            let told = format!("{error} {}", error.detail.clone().unwrap_or_default());
            assert!(!told.contains("KEY"), "{service}: {told}");
            assert_eq!(
                error.kind == StepErrorKind::Retryable,
                matches!(status, 429 | 500),
                "{service} {status}"
            );
        }
    }
}

#[test]
fn no_answer_is_tried_again_and_no_grant_is_not() {
    for (kind, expected) in
        [(ErrorKind::Timeout, StepErrorKind::Retryable), (ErrorKind::Denied, StepErrorKind::Permanent)]
    {
        let (_, result) = sent("teams", SERVICES[2].1, &incident(), Answer::error(kind, "why"));
        assert_eq!(result.unwrap_err().kind, expected);
    }
}

#[test]
fn a_message_that_cannot_be_sent_is_refused_before_it_leaves() {
    for (service, input, words) in [
        ("slack", json!({}), "the message is empty"),
        ("slack", json!({"title": " ", "text": "\n"}), "the message is empty"),
        ("slack", json!({"text": "a", "body": {}}), "/body: only `webhook`"),
        ("teams", json!({"text": "a", "thread": "1"}), "/thread: only `slack-bot` and `discord`"),
        ("discord", json!({"text": "a", "channel": "C1"}), "/channel: only `slack-bot`"),
        ("discord", json!({"text": "a", "thread": "1&x=y"}), "/thread: `1&x=y` is not the id"),
        ("slack", json!({"text": "a", "link": {"url": "javascript:alert(1)"}}), "/link/url: a link begins"),
        ("slack", json!({"text": "a", "severity": "fatal"}), "unknown variant `fatal`"),
    ] {
        let (body, result) = sent(service, SERVICES[0].1, &input, Answer::text(200, "ok"));
        let error = result.unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(body, Value::Null);
    }
    let _host = FakeHost::new();
    for (config, words) in [
        (json!({"service": "slack"}), "Give the webhook's `url`"),
        (json!({"service": "slack-bot"}), "Give `channel`"),
    ] {
        let error = call(notify, &json!({"text": "a"}), &config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
}
