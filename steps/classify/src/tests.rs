use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const URL: &str = "https://api.openai.com/v1/chat/completions";

fn answering(contents: &[Value]) -> FakeHost {
    let host = FakeHost::new();
    for content in contents {
        let body = json!({
            "model": "gpt-5.6-luna-2026-06-30",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content.to_string()}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        });
        host.answer("POST", URL, Answer::json(200, &body));
    }
    host
}

fn classified(config: Value) -> Result<Value, StepError> {
    let mut whole = json!({"labels": [{"name": "Billing", "description": "money"}, {"name": "Technical"}]});
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    call(classify, &json!({"text": "I was charged twice."}), &whole)
}

fn billing(confidence: f64) -> Value {
    json!({"because": "It is about a charge.", "choice": "Billing", "confidence": confidence})
}

#[test]
fn a_label_is_chosen_explained_and_recorded() {
    let host = answering(&[billing(0.9)]);
    let expected = json!({
        "label": "Billing", "labels": [{"label": "Billing", "confidence": 0.9}], "confidence": 0.9,
        "explanation": "It is about a charge.", "abstained": false, "model": "gpt-5.6-luna-2026-06-30",
    });
    assert_eq!(classified(json!({})).unwrap(), expected);
    let verdict = &host.decisions()[0];
    assert_eq!((&verdict.decided, verdict.confidence), (&json!("Billing"), Some(0.9)));
    assert_eq!(verdict.model_version, "openai/gpt-5.6-luna-2026-06-30");
    assert_eq!(verdict.explanation.as_deref(), Some("It is about a charge."));
    assert_eq!(host.usage().len(), 1);
}

#[test]
fn the_model_is_held_to_the_labels_and_reasons_before_it_chooses() {
    let host = answering(&[billing(0.9)]);
    let examples =
        json!([{"text": "It crashes", "labels": ["Technical"], "explanation": "Something is broken."}]);
    classified(json!({"examples": examples, "instructions": "Texts are in German."})).unwrap();
    let body: Value = serde_json::from_slice(&host.requests()[0].body).unwrap();
    let format = &body["response_format"]["json_schema"];
    assert_eq!(format["strict"], true);
    assert_eq!(format["schema"]["properties"]["choice"]["enum"], json!(["Billing", "Technical"]));
    let written = body["response_format"].to_string();
    let at = |name: &str| written.find(&format!("\"{name}\":{{")).unwrap();
    assert!(at("because") < at("choice") && at("choice") < at("confidence"));
    let system = body["messages"][0]["content"].as_str().unwrap();
    assert!(system.contains("- Billing: money\n- Technical\n\nTexts are in German."), "{system}");
    assert_eq!(
        body["messages"][2]["content"],
        r#"{"because":"Something is broken.","choice":"Technical","confidence":1}"#
    );
    assert_eq!(body.get("temperature"), None, "newer models refuse it");
}

#[test]
fn what_the_model_is_not_sure_of_is_not_taken() {
    let host = answering(&[billing(0.69), billing(0.7), billing(0.2)]);
    let unsure = classified(json!({"threshold": 0.7})).unwrap();
    assert_eq!((&unsure["label"], &unsure["abstained"]), (&Value::Null, &json!(true)));
    assert_eq!((&unsure["confidence"], &unsure["labels"]), (&json!(0.69), &json!([])));
    assert_eq!(classified(json!({"threshold": 0.7})).unwrap()["label"], "Billing");
    let fallback = classified(json!({"threshold": 0.7, "fallback_label": "General"})).unwrap();
    assert_eq!((&fallback["label"], &fallback["abstained"]), (&json!("General"), &json!(true)));
    let decided: Vec<Value> = host.decisions().into_iter().map(|verdict| verdict.decided).collect();
    assert_eq!(decided, [Value::Null, json!("Billing"), json!("General")]);
}

#[test]
fn a_text_may_have_several_labels_or_none() {
    let choices =
        json!([{"choice": "Technical", "confidence": 0.6}, {"choice": "Billing", "confidence": 0.9}]);
    let none = json!({"because": "Small talk.", "choices": []});
    let host = answering(&[json!({"because": "Both.", "choices": choices}), none]);
    let output = classified(json!({"multiple": true, "threshold": 0.5})).unwrap();
    assert_eq!(output["label"], "Billing");
    assert_eq!(output["labels"][1], json!({"label": "Technical", "confidence": 0.6}));
    assert_eq!(host.decisions()[0].decided, json!(["Billing", "Technical"]));
    let output = classified(json!({"multiple": true})).unwrap();
    assert_eq!((&output["label"], &output["confidence"]), (&Value::Null, &Value::Null));
    assert_eq!(output["abstained"], true);
}

#[test]
fn a_label_that_is_given_twice_is_taken_once_as_the_surer() {
    let choices = json!([
        {"choice": "Billing", "confidence": 0.6}, {"choice": "Technical", "confidence": 0.7}, {"choice": "Billing", "confidence": 0.9},
        {"choice": "Technical", "confidence": 0.2}, {"choice": "Billing", "confidence": 0.9},
    ]);
    let host = answering(&[json!({"because": "Both.", "choices": choices})]);
    let output = classified(json!({"multiple": true})).unwrap();
    let expected =
        json!([{"label": "Billing", "confidence": 0.9}, {"label": "Technical", "confidence": 0.7}]);
    assert_eq!(output["labels"], expected);
    assert_eq!(host.decisions()[0].decided, json!(["Billing", "Technical"]));
}

#[test]
fn a_label_that_does_not_exist_is_asked_for_again_and_then_an_error() {
    let spam = json!({"because": "?", "choice": "Spam", "confidence": 1});
    let host = answering(&[spam.clone(), billing(0.9), spam.clone(), spam]);
    assert_eq!(classified(json!({})).unwrap()["label"], "Billing");
    let error = classified(json!({})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert!(error.message.contains("/choice is \"Spam\""), "{error}");
    assert_eq!(host.usage().len(), 4, "every call is paid for");
    assert_eq!(host.decisions().len(), 1);
}

#[test]
fn a_config_that_contradicts_itself_is_refused_before_anything_is_paid() {
    let host = answering(&[]);
    for (config, words) in [
        (json!({"labels": [{"name": "a"}, {"name": "a"}]}), "`a` stands there twice"),
        (
            json!({"examples": [{"text": "x", "labels": ["Spam"]}]}),
            "examples/0/labels: there is no label `Spam`",
        ),
        (json!({"examples": [{"text": "x", "labels": []}]}), "one label"),
    ] {
        let error = classified(config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
    let blank = call(classify, &json!({"text": " \n"}), &json!({"labels": [{"name": "a"}]})).unwrap_err();
    assert_eq!(blank.kind, StepErrorKind::InvalidInput);
    assert!(host.requests().is_empty());
}
