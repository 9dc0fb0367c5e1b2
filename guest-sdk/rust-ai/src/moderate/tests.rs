use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost};

use super::*;
use crate::ProviderConfig;

const OPENAI: &str = "https://api.openai.com/v1/moderations";

fn judged(config: Value, texts: &[&str], images: &[Blob]) -> Result<Findings, StepError> {
    let config: ProviderConfig<Provider> = serde_json::from_value(config).unwrap();
    judge(config.provider, &config.endpoint().unwrap(), texts, images)
}

/// As the API reference shows it, cut to three categories: a result for each input.
fn openai(violences: &[f64]) -> Answer {
    let result = |violence: &f64| {
        let flagged = *violence > 0.5;
        json!({
            "flagged": flagged,
            "categories": {"harassment": false, "harassment/threatening": false, "violence": flagged, "illicit": null},
            "category_scores": {"harassment": 0.001, "harassment/threatening": 0.0002, "violence": violence, "illicit": null},
            "category_applied_input_types": {"harassment": ["text"], "violence": ["text", "image"]},
        })
    };
    let results: Vec<Value> = violences.iter().map(result).collect();
    let id = "modr-0d9740456c391e43c445bf0f010940c7";
    Answer::json(200, &json!({"id": id, "model": "omni-moderation-latest", "results": results}))
}

#[test]
fn texts_and_each_image_are_judged_and_the_worst_counts() {
    let host = FakeHost::new();
    // As an upload has it that does not say what it is.
    let image = host.put_blob("application/octet-stream", b"\xff\xd8\xff");
    host.answer("POST", OPENAI, openai(&[0.1, 0.2]));
    host.answer("POST", OPENAI, openai(&[0.86]));
    let findings = judged(json!({}), &["a", "b"], std::slice::from_ref(&image)).unwrap();
    assert_eq!(findings.categories["violence"], Finding { score: 0.86, flagged: true });
    assert_eq!(findings.categories["harassment/threatening"], Finding { score: 0.0002, flagged: false });
    assert!(!findings.categories.contains_key("illicit"));
    let body = |index: usize| serde_json::from_slice::<Value>(&host.requests()[index].body).unwrap();
    assert_eq!(body(0), json!({"model": "omni-moderation-latest", "input": ["a", "b"]}));
    assert_eq!(
        body(1)["input"],
        json!([{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}}])
    );
    assert_eq!(host.usage()[0].cost_micro_usd, Some(0));
}

#[test]
fn mistral_judges_texts_alone() {
    let host = FakeHost::new();
    let answer = json!({
        "id": "mod-1", "model": "mistral-moderation-latest", "usage": {"prompt_tokens": 20, "total_tokens": 20, "completion_tokens": 0},
        "results": [{"categories": {"pii": true, "law": false}, "category_scores": {"pii": 0.97, "law": 0.01}}],
    });
    host.answer("POST", "https://api.mistral.ai/v1/moderations", Answer::json(200, &answer));
    let findings = judged(json!({"provider": "mistral"}), &["my number is 1"], &[]).unwrap();
    assert!(findings.categories["pii"].flagged);
    assert_eq!((host.usage()[0].input_tokens, host.usage()[0].cost_micro_usd), (20, Some(2)));

    let image = host.put_blob("image/png", "x");
    let error = judged(json!({}), &[], std::slice::from_ref(&image)).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(error.message.contains("`images/0` (image/png"), "{error}");
    let error = judged(json!({"provider": "mistral"}), &[], &[image]).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("texts alone"), "{error}");
}

#[test]
fn what_nobody_judged_does_not_pass() {
    let unscored =
        json!({"flagged": false, "categories": {"violence": false}, "category_scores": {"violence": null}});
    let scored =
        json!({"flagged": false, "categories": {"violence": false}, "category_scores": {"violence": 0.1}});
    for results in [json!([scored]), json!([scored, unscored])] {
        let host = FakeHost::new();
        host.answer("POST", OPENAI, Answer::json(200, &json!({"model": "m", "results": results})));
        let error = judged(json!({}), &["harmless", "harmful"], &[]).unwrap_err();
        assert_eq!(
            (error.kind, &error.detail.as_ref().unwrap()["cause"]),
            (StepErrorKind::Retryable, &json!("misfit"))
        );
        assert!(error.message.contains("it judges 1 of 2 texts or images"), "{error}");
        assert_eq!(host.usage().len(), 1);
    }
    let host = FakeHost::new();
    let image = host.put_blob("image/png", b"\x89PNG\r\n\x1a\n");
    host.answer("POST", OPENAI, openai(&[0.1]));
    host.answer("POST", OPENAI, openai(&[]));
    let error = judged(json!({}), &["harmless"], &[image]).unwrap_err();
    assert!(error.message.contains("it judges 0 of 1"), "{error}");
}

#[test]
fn an_answer_without_a_judgement_is_none() {
    for answer in [
        Answer::json(200, &json!({"model": "m", "results": []})),
        Answer::text(200, "<html>").header("content-type", "text/html"),
        Answer::json(500, &json!({"error": {"message": "Internal", "type": "server_error"}})),
    ] {
        let host = FakeHost::new();
        host.answer("POST", OPENAI, answer);
        let error = judged(json!({}), &["a"], &[]).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Retryable, "{error}");
        assert!(error.message.starts_with("openai"), "{error}");
    }
}
