use std::time::Duration;

use super::*;

fn by_discord(input: &Value, answer: Answer) -> (Value, Result<Value, StepError>) {
    sent("discord", SERVICES[3].1, input, answer)
}

fn taken() -> Answer {
    Answer::json(
        200,
        &json!({"id": "1234567890", "type": 0, "content": "", "channel_id": "987", "webhook_id": "1", "embeds": []}),
    )
}

#[test]
fn a_webhook_gets_an_embed_in_which_nobody_is_mentioned() {
    let (body, result) = by_discord(&incident(), taken());
    assert_eq!(result.unwrap(), json!({"service": "discord", "channel": "987", "id": "1234567890"}));
    let expected = json!({
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": "🚨 Payments are slow",
            "description": r"p95 is \*4.2 s\* \<!channel\> \@everyone",
            "url": "https://status.example.com/i/7",
            "color": 0x0099_2d22,
            "fields": [
                {"name": "Service", "value": r"pay\_api", "inline": true},
                {"name": "Errors", "value": "17", "inline": true},
            ],
        }],
    });
    assert_eq!(body, expected);
}

#[test]
fn a_link_without_a_title_is_its_own() {
    let (body, _) = by_discord(&json!({"text": "a", "link": {"url": "https://a.example/x_y"}}), taken());
    assert_eq!(body["embeds"][0]["title"], "https://a.example/x_y");
}

#[test]
fn a_thread_is_answered_in_beside_what_the_url_has() {
    let host = FakeHost::new();
    host.answer("POST", "https://discord.com/api/webhooks/1/K?x=y&wait=true&thread_id=55", taken());
    let config = json!({"service": "discord"});
    let input = json!({"text": "a", "thread": "55", "url": "https://discord.com/api/webhooks/1/K?x=y"});
    call(notify, &input, &config).unwrap();
}

#[test]
fn discord_says_in_its_body_how_long_to_wait() {
    let limited = json!({"message": "You are being rate limited.", "retry_after": 0.65, "global": false});
    let error =
        by_discord(&incident(), Answer::json(429, &limited).header("retry-after", "1")).1.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (StepErrorKind::Retryable, Some(Duration::from_millis(650))));
    for nonsense in [json!(-1), json!(1e300)] {
        let limited = json!({"message": "", "retry_after": nonsense});
        let error =
            by_discord(&incident(), Answer::json(429, &limited).header("retry-after", "1")).1.unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
    }
}

#[test]
fn discords_reasons_are_told() {
    let invalid = json!({"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": {"0": {"_errors": [{"code": "MAX_EMBED_SIZE_EXCEEDED"}]}}}});
    for (status, answer, words) in [
        (404, json!({"message": "Unknown Webhook", "code": 10015}), "message: Unknown Webhook (status 404)"),
        (401, json!({"message": "Invalid Webhook Token", "code": 50027}), "Invalid Webhook Token"),
        (400, invalid, "MAX_EMBED_SIZE_EXCEEDED"),
    ] {
        let error = by_discord(&incident(), Answer::json(status, &answer)).1.unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn an_embed_never_outgrows_what_discord_takes() {
    let fields: Vec<Value> =
        (0..60).map(|_| json!({"name": "_".repeat(400), "value": "🚨".repeat(2000)})).collect();
    let input = json!({"title": "*".repeat(400), "text": "*".repeat(9000), "fields": fields});
    let (body, _) = by_discord(&input, taken());
    let embed = &body["embeds"][0];
    let length = |text: &Value| text.as_str().unwrap().encode_utf16().count();
    let fields = embed["fields"].as_array().unwrap();
    let in_fields: usize = fields.iter().map(|field| length(&field["name"]) + length(&field["value"])).sum();
    assert!(length(&embed["title"]) <= 256 && length(&embed["description"]) <= 4096);
    assert!(length(&embed["title"]) + length(&embed["description"]) + in_fields <= 6000);
    assert!(fields.last().unwrap()["value"].as_str().unwrap().ends_with("more fields are left out"));
}
