use std::time::Duration;

use super::*;

fn by_bot(input: &Value, answer: Answer) -> (Value, Result<Value, StepError>) {
    sent("slack-bot", SERVICES[1].1, input, answer)
}

#[test]
fn a_webhook_gets_blocks_in_which_nobody_is_mentioned() {
    let (body, result) = sent("slack", SERVICES[0].1, &incident(), Answer::text(200, "ok"));
    assert_eq!(result.unwrap(), json!({"service": "slack"}));
    let plain = |text: &str| json!({"type": "plain_text", "emoji": false, "text": text});
    let expected = json!([
        {"type": "header", "text": plain("🚨 Payments are slow")},
        {"type": "section", "text": plain("p95 is *4.2 s* <!channel> @everyone")},
        {"type": "section", "fields": [plain("Service\npay_api"), plain("Errors\n17")]},
        {"type": "section", "text": {"type": "mrkdwn", "text": "<https://status.example.com/i/7|Incident 7>"}},
    ]);
    assert_eq!(body["blocks"], expected);
    assert_eq!(body["text"], "🚨 Payments are slow\np95 is *4.2 s* &lt;!channel&gt; @everyone");
}

#[test]
fn markup_is_sent_where_the_workflow_wants_it() {
    let host = FakeHost::new();
    host.answer("POST", SERVICES[0].1, Answer::text(200, "ok"));
    let config = json!({"service": "slack", "url": SERVICES[0].1, "markup": true});
    call(notify, &json!({"text": "*hi* <!here>"}), &config).unwrap();
    let body: Value = serde_json::from_slice(&host.requests()[0].body).unwrap();
    assert_eq!(
        body["blocks"],
        json!([{"type": "section", "text": {"type": "mrkdwn", "text": "*hi* <!here>"}}])
    );
}

#[test]
fn the_bot_answers_in_a_thread_and_tells_where() {
    let answer = json!({
        "ok": true, "channel": "C123ABC456", "ts": "1503435956.000247",
        "message": {"text": "Here's a message for you", "type": "message", "subtype": "bot_message", "ts": "1503435956.000247"},
    });
    let mut input = incident();
    input["thread"] = json!("1503435900.000100");
    let (body, result) = by_bot(&input, Answer::json(200, &answer));
    assert_eq!(
        result.unwrap(),
        json!({"service": "slack-bot", "channel": "C123ABC456", "id": "1503435956.000247"})
    );
    assert_eq!((&body["channel"], &body["thread_ts"]), (&json!("C0123"), &json!("1503435900.000100")));
}

#[test]
fn the_token_goes_by_its_name() {
    let host = FakeHost::new();
    host.answer("POST", "https://slack.com/api/chat.postMessage", Answer::json(200, &json!({"ok": true})));
    let config = json!({"service": "slack-bot", "token_secret": "BOT"});
    call(notify, &json!({"text": "hi", "channel": "#ops"}), &config).unwrap();
    assert_eq!(host.requests()[0].header_value("authorization"), Some("Bearer {{secret.BOT}}"));
}

#[test]
fn a_200_with_an_error_inside_is_an_error() {
    for (answer, kind, words) in [
        (
            json!({"ok": false, "error": "channel_not_found"}),
            StepErrorKind::Permanent,
            "message: channel_not_found (status 200)",
        ),
        (
            json!({"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "identify"}),
            StepErrorKind::Permanent,
            "lacks the scope `chat:write`",
        ),
        (
            json!({"ok": false, "error": "invalid_blocks", "response_metadata": {"messages": ["[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]"]}}),
            StepErrorKind::Permanent,
            "json-pointer:/blocks/0/text/text",
        ),
        (json!({"ok": false, "error": "internal_error"}), StepErrorKind::Retryable, "internal_error"),
    ] {
        let error = by_bot(&incident(), Answer::json(200, &answer)).1.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    let limited =
        Answer::json(429, &json!({"ok": false, "error": "ratelimited"})).header("retry-after", "30");
    let error = by_bot(&incident(), limited).1.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (StepErrorKind::Retryable, Some(Duration::from_secs(30))));
}

#[test]
fn a_webhook_gives_its_reasons_in_bare_words() {
    for (status, text, kind) in [
        (200, "no_service", StepErrorKind::Permanent),
        (404, "no_service", StepErrorKind::Permanent),
        (403, "invalid_token", StepErrorKind::Permanent),
        (410, "channel_is_archived", StepErrorKind::Permanent),
        (500, "rollup_error", StepErrorKind::Retryable),
        (429, "rate_limited", StepErrorKind::Retryable),
    ] {
        let (_, result) = sent("slack", SERVICES[0].1, &incident(), Answer::text(status, text));
        let error = result.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(error.message, format!("Slack did not take the message: {text} (status {status})"));
    }
}

#[test]
fn what_is_too_long_for_slack_is_cut_and_says_so() {
    let fields: Vec<Value> =
        (0..60).map(|n| json!({"name": "n".repeat(400), "value": format!("{n}").repeat(2000)})).collect();
    let input = json!({"title": "ü".repeat(400), "text": "x".repeat(9000), "fields": fields});
    let (body, _) = sent("slack", SERVICES[0].1, &input, Answer::text(200, "ok"));
    let blocks = body["blocks"].as_array().unwrap();
    let length = |text: &Value| text.as_str().unwrap().chars().count();
    assert!(length(&blocks[0]["text"]["text"]) <= 150 && length(&blocks[1]["text"]["text"]) <= 3000);
    assert!(blocks[1]["text"]["text"].as_str().unwrap().contains("more characters)"));
    let all: Vec<&Value> = blocks[2..].iter().flat_map(|block| block["fields"].as_array().unwrap()).collect();
    assert_eq!((blocks.len(), all.len()), (6, 40));
    assert!(all.iter().all(|field| length(&field["text"]) <= 2000));
    assert_eq!(all[39]["text"], "…\n21 more fields are left out");
}
