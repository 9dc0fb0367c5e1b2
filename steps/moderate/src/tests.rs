use serde_json::Value;
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

fn judged(config: Value, violence: f64, flagged: bool) -> (FakeHost, Result<Value, StepError>) {
    let host = FakeHost::new();
    let answer = json!({
        "id": "modr-1", "model": "omni-moderation-latest",
        "results": [{"flagged": flagged, "categories": {"violence": flagged, "hate": false}, "category_scores": {"violence": violence, "hate": 0.01}}],
    });
    host.answer("POST", "https://api.openai.com/v1/moderations", Answer::json(200, &answer));
    let output = call(moderate, &json!({"text": "words"}), &config);
    (host, output)
}

#[test]
fn without_thresholds_the_providers_word_counts() {
    let (host, output) = judged(json!({}), 0.93, true);
    let output = output.unwrap();
    assert_eq!((&output["flagged"], &output["verdict"]), (&json!(true), &json!("block")));
    assert_eq!(output["categories"]["violence"], json!({"score": 0.93, "flagged": true}));
    let decision = &host.decisions()[0];
    assert_eq!((&decision.decided, decision.confidence), (&json!("block"), Some(0.93)));
    assert_eq!(decision.explanation.as_deref(), Some("flagged: violence 0.93"));
    assert_eq!(decision.model_version, "openai/omni-moderation-latest");
}

#[test]
fn thresholds_are_stricter_or_laxer_than_the_provider() {
    for (config, violence, provider, verdict) in [
        (json!({"thresholds": {"violence": 0.2}}), 0.2, false, "block"),
        (json!({"thresholds": {"violence": 0.9}}), 0.8, true, "allow"),
        (json!({"thresholds": {"*": 0.5}}), 0.6, false, "block"),
        (json!({"thresholds": {"*": 0.5, "violence": 0.7}}), 0.6, false, "allow"),
        (json!({"review": {"violence": 0.3}}), 0.4, false, "review"),
        (json!({"review": {"*": 0.3}}), 0.4, true, "block"),
        (json!({}), 0.1, false, "allow"),
    ] {
        let (host, output) = judged(config.clone(), violence, provider);
        assert_eq!(output.unwrap()["verdict"], verdict, "{config}");
        assert_eq!(host.decisions()[0].decided, verdict);
    }
}

#[test]
fn what_is_allowed_is_as_sure_as_the_highest_score_is_low() {
    let (host, output) = judged(json!({}), 0.25, false);
    output.unwrap();
    assert_eq!(host.decisions()[0].confidence, Some(0.75));
}

#[test]
fn a_threshold_that_could_never_be_reached_is_an_error() {
    let (host, output) = judged(json!({"thresholds": {"voilence": 0.5}}), 0.9, true);
    let error = output.unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("`voilence`") && error.message.contains("hate, violence"), "{error}");
    assert!(host.decisions().is_empty());
}

#[test]
fn nothing_to_judge_is_no_judgement() {
    let _host = FakeHost::new();
    let error = call(moderate, &json!({"text": " "}), &json!({})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
}
