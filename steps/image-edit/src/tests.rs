use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const PNG: [u8; 20] = *b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82";

fn edited(input: Value, config: Value) -> Result<Value, StepError> {
    call(image_edit, &input, &config)
}

#[test]
fn each_operation_finds_its_model_at_stability() {
    for (operation, path) in [
        ("edit", "edit/inpaint"),
        ("upscale", "upscale/fast"),
        ("remove-background", "edit/remove-background"),
    ] {
        let host = FakeHost::new();
        let image = host.put_blob("image/jpeg", "photo");
        let url = format!("https://api.stability.ai/v2beta/stable-image/{path}");
        host.answer("POST", &url, Answer::bytes(200, PNG).header("content-type", "image/png"));
        let input = json!({"image": image, "prompt": "a hat"});
        let output = edited(input, json!({"provider": "stability", "operation": operation})).unwrap();
        assert_eq!((&output["state"], &output["model"]), (&json!("done"), &json!(path)));
        assert!(host.usage()[0].cost_micro_usd.is_some(), "{path}");
    }
}

#[test]
fn a_background_is_removed_by_a_job_that_calls_back() {
    let host = FakeHost::new();
    let image = host.put_blob("image/png", "photo");
    let files = json!({"id": "f1", "urls": {"get": "https://api.replicate.com/v1/files/f1"}});
    host.answer("POST", "https://api.replicate.com/v1/files", Answer::json(201, &files));
    let prediction = json!({"id": "p1", "status": "starting", "urls": {"get": "https://api.replicate.com/v1/predictions/p1"}});
    host.answer("POST", "https://api.replicate.com/v1/predictions", Answer::json(201, &prediction));
    let config = json!({"provider": "replicate", "model": "851-labs/background-remover:a029", "operation": "remove-background", "mode": "submit"});
    let output =
        edited(json!({"image": image, "webhook": "https://stepwell.example/v1/callbacks/t"}), config)
            .unwrap();
    assert_eq!((&output["state"], &output["job"]["id"]), (&json!("submitted"), &json!("p1")));

    let posted = json!({"id": "p1", "status": "succeeded", "output": "https://replicate.delivery/a.png"});
    let done = json!({"id": "p1", "status": "succeeded", "model": "851-labs/background-remover", "output": "https://replicate.delivery/a.png", "error": null});
    host.answer("GET", "https://api.replicate.com/v1/predictions/p1", Answer::json(200, &done));
    host.answer("GET", "https://replicate.delivery/a.png", Answer::bytes(200, PNG));
    let config = json!({"provider": "replicate", "model": "851-labs/background-remover:a029", "operation": "remove-background", "mode": "collect"});
    let output = edited(json!({"job": posted}), config).unwrap();
    assert_eq!((&output["state"], output["images"].as_array().unwrap().len()), (&json!("done"), 1));
    assert_eq!(host.usage()[0].cost_micro_usd, None, "a model without a price in the table");
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_sent() {
    let host = FakeHost::new();
    let image = host.put_blob("image/png", "photo");
    let text = host.put_blob("text/html", "<html>");
    for (input, config, words) in [
        (json!({"prompt": "a"}), json!({}), "`image` is missing"),
        (json!({"image": image}), json!({}), "`prompt` is missing or empty"),
        (json!({"image": text, "prompt": "a"}), json!({}), "text/html, which is no image"),
        (
            json!({"image": image, "images": [image]}),
            json!({"provider": "remove-bg", "operation": "remove-background"}),
            "are for `edit`",
        ),
        (
            json!({"image": image}),
            json!({"operation": "upscale"}),
            "openai: the request is not accepted: it cannot upscale images",
        ),
        (
            json!({"image": image}),
            json!({"provider": "replicate", "operation": "upscale"}),
            "`config.model` is required",
        ),
    ] {
        let error = edited(input, config).unwrap_err();
        assert_ne!(error.kind, StepErrorKind::Retryable);
        assert!(error.message.contains(words), "{error}");
    }
    assert!(host.requests().is_empty());
}
