use std::time::Duration;

use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const STATUS: &str = "https://api.replicate.com/v1/predictions/p1";

fn made(input: Value, config: Value) -> Result<Value, StepError> {
    call(image_generate, &input, &config)
}

#[test]
fn the_options_of_the_config_reach_the_provider() {
    let host = FakeHost::new();
    let answer = json!({"data": [{"b64_json": "iVBORw0KGgoAAAAASUVORK5CYII="}, {"b64_json": "iVBORw0KGgoAAAAASUVORK5CYII="}], "usage": {"input_tokens": 1, "output_tokens": 2}});
    host.answer("POST", "https://api.openai.com/v1/images/generations", Answer::json(200, &answer));
    let config = json!({"size": "1024x1536", "quality": "low", "format": "webp", "background": "transparent", "count": 2});
    let output = made(json!({"prompt": "a fox"}), config).unwrap();
    assert_eq!((&output["state"], output["images"].as_array().unwrap().len()), (&json!("done"), 2));
    assert_eq!(output["images"][0]["image"]["media_type"], "image/png");
    let body: Value = serde_json::from_slice(&host.requests()[0].body).unwrap();
    let expected = json!({
        "model": "gpt-image-1", "prompt": "a fox", "n": 2, "size": "1024x1536", "quality": "low",
        "output_format": "webp", "background": "transparent",
    });
    assert_eq!(body, expected);
}

#[test]
fn a_job_is_submitted_and_collected_by_retries() {
    let host = FakeHost::new();
    let prediction = |status: &str| {
        Answer::json(
            200,
            &json!({"id": "p1", "status": status, "output": null, "error": null, "urls": {"get": STATUS}}),
        )
    };
    let config = |mode: &str| json!({"provider": "replicate", "model": "acme/painter:1a", "mode": mode, "ask_again_ms": 7000});
    host.answer("POST", "https://api.replicate.com/v1/predictions", prediction("starting"));
    let submitted =
        made(json!({"prompt": "a fox", "webhook": "https://stepwell.example/cb"}), config("submit")).unwrap();
    assert_eq!((&submitted["state"], &submitted["job"]["id"]), (&json!("submitted"), &json!("p1")));

    host.answer("GET", STATUS, prediction("processing"));
    let error = made(json!({"job": submitted["job"]}), config("collect")).unwrap_err();
    assert_eq!((error.kind, error.retry_after), (StepErrorKind::Retryable, Some(Duration::from_secs(7))));
    assert_eq!(error.detail.unwrap()["cause"], "job_pending");
}

#[test]
fn a_job_that_has_not_ended_can_be_an_output_for_until() {
    let host = FakeHost::new();
    host.answer("GET", STATUS, Answer::json(200, &json!({"id": "p1", "status": "processing"})));
    let config = json!({"provider": "replicate", "mode": "collect", "when_pending": "report"});
    let output = made(json!({"job": {"id": "p1"}}), config).unwrap();
    assert_eq!(
        output,
        json!({"state": "pending", "images": [], "job": {"id": "p1"}, "status": "processing"})
    );
}

#[test]
fn what_is_missing_is_named() {
    let _host = FakeHost::new();
    for (input, config, words) in [
        (json!({}), json!({}), "`prompt` is missing"),
        (json!({"prompt": " "}), json!({}), "`prompt` is missing or empty"),
        (json!({"prompt": "a"}), json!({"provider": "replicate", "mode": "collect"}), "give the `job`"),
    ] {
        let error = made(input, config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.contains(words), "{error}");
    }
}
