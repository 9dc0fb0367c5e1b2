use super::*;

#[test]
fn a_webhook_gets_the_message_as_json() {
    let answer = Answer::json(201, &json!({"id": 7})).header("location", "https://alerts.example.com/7");
    let (body, result) = sent("webhook", SERVICES[4].1, &incident(), answer);
    assert_eq!(body, {
        let mut expected = incident();
        expected["fields"] =
            json!([{"name": "Service", "value": "pay_api"}, {"name": "Errors", "value": 17}]);
        expected
    });
    assert_eq!(
        result.unwrap(),
        json!({"service": "webhook", "id": "7", "url": "https://alerts.example.com/7"})
    );
}

#[test]
fn a_body_and_headers_of_ones_own_go_out_as_they_are() {
    let host = FakeHost::new();
    host.answer("POST", "https://a.example/hook", Answer::text(204, ""));
    let config = json!({
        "service": "webhook", "url": "https://a.example/hook",
        "headers": {"X-Api-Key": "{{secret.KEY}}", "Content-Type": "application/vnd.alert+json"},
    });
    assert_eq!(
        call(notify, &json!({"body": [1, {"a": null}]}), &config).unwrap(),
        json!({"service": "webhook"})
    );
    let request = &host.requests()[0];
    assert_eq!(request.body, br#"[1,{"a":null}]"#);
    assert_eq!(request.header_value("x-api-key"), Some("{{secret.KEY}}"));
    assert_eq!(request.header_value("content-type"), Some("application/vnd.alert+json"));
    assert_eq!(request.headers.len(), 2);
}

#[test]
fn a_webhooks_own_reason_is_told() {
    for (body, words) in [
        (json!({"title": "Bad", "detail": "no such route"}), "no such route"),
        (json!({"message": "nope"}), "nope"),
        (json!({"code": 1}), "{\"code\":1}"),
    ] {
        let (_, result) = sent("webhook", SERVICES[4].1, &incident(), Answer::json(422, &body));
        let error = result.unwrap_err();
        assert_eq!(error.message, format!("the webhook did not take the message: {words} (status 422)"));
    }
}
