use super::*;

fn by_teams(input: &Value, answer: Answer) -> (Value, Result<Value, StepError>) {
    sent("teams", SERVICES[2].1, input, answer)
}

#[test]
fn a_workflow_gets_an_adaptive_card() {
    let (body, result) = by_teams(&incident(), Answer::text(202, ""));
    assert_eq!(result.unwrap(), json!({"service": "teams"}));
    assert_eq!(body["type"], "message");
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert_eq!(card["body"][0]["style"], "attention");
    assert_eq!(card["body"][0]["items"][0]["text"], "🚨 Payments are slow");
    assert_eq!(card["body"][1]["text"], r"p95 is \*4.2 s\* \<!channel\> \@everyone");
    assert_eq!(
        card["body"][2]["facts"],
        json!([{"title": "Service", "value": r"pay\_api"}, {"title": "Errors", "value": "17"}])
    );
    assert_eq!(
        card["actions"],
        json!([{"type": "Action.OpenUrl", "title": "Incident 7", "url": "https://status.example.com/i/7"}])
    );
}

#[test]
fn teams_says_in_many_ways_that_all_is_well() {
    for answer in [Answer::text(202, ""), Answer::text(200, "1"), Answer::json(200, &json!({"id": "08585"}))]
    {
        assert!(by_teams(&incident(), answer).1.is_ok());
    }
}

#[test]
fn teams_reasons_are_told() {
    let delivery = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0";
    let too_large = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId tcid=0";
    let missing =
        json!({"error": {"code": "WorkflowNotFound", "message": "The workflow could not be found."}});
    for (answer, kind, words) in [
        (Answer::text(200, delivery), StepErrorKind::Retryable, "HTTP error 429"),
        (Answer::text(200, too_large), StepErrorKind::Permanent, "HTTP error 413"),
        (
            Answer::json(404, &missing),
            StepErrorKind::Permanent,
            "WorkflowNotFound: The workflow could not be found.",
        ),
        (
            Answer::json(429, &json!({"error": {"code": "WorkflowTriggerIsThrottled"}})),
            StepErrorKind::Retryable,
            "Throttled",
        ),
        (Answer::json(200, &json!({"error": "bad"})), StepErrorKind::Permanent, "message: bad"),
        (Answer::text(500, ""), StepErrorKind::Retryable, "it answered 500"),
    ] {
        let error = by_teams(&incident(), answer).1.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_card_never_outgrows_what_teams_takes() {
    let nasty = "\"\\\n*ü🚨";
    let fields: Vec<Value> =
        (0..60).map(|_| json!({"name": nasty.repeat(100), "value": nasty.repeat(1000)})).collect();
    let input = json!({"title": nasty.repeat(1000), "text": nasty.repeat(9000), "fields": fields, "link": {"url": "https://a.example/"}});
    let (body, result) = by_teams(&input, Answer::text(202, ""));
    result.unwrap();
    let size = body.to_string().len();
    assert!((20_000..28_000).contains(&size), "{size}");
    assert!(body.to_string().contains("more fields are left out"));
}
