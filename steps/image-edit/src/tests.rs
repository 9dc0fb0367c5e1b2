use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::http::Part;
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
        let image = host.put_blob("image/png", PNG);
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
    let image = host.put_blob("image/png", PNG);
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

/// As an upload has it that does not say what it is, and one that says it wrongly.
#[test]
fn an_image_is_sent_as_what_its_bytes_are() {
    let host = FakeHost::new();
    let unnamed = host.put_blob("application/octet-stream", PNG);
    let jpeg = host.put_blob("image/png", [0xff, 0xd8, 0xff, 0xe0]);
    let answer = json!({"data": [{"b64_json": "iVBORw0KGgoAAAAASUVORK5CYII="}]});
    host.answer("POST", "https://api.openai.com/v1/images/edits", Answer::json(200, &answer));
    let input = json!({"image": unnamed, "images": [jpeg], "mask": unnamed, "prompt": "a hat"});
    edited(input, json!({})).unwrap();
    let texts = host.requests()[0].parts.clone().into_iter().filter_map(|part| match part {
        Part::Bytes(bytes) => String::from_utf8(bytes).ok(),
        Part::Blob(_) => None,
    });
    let form: String = texts.collect();
    for part in [
        "filename=\"image-1.png\"\r\nContent-Type: image/png",
        "filename=\"image-2.jpg\"\r\nContent-Type: image/jpeg",
        "filename=\"mask.png\"\r\nContent-Type: image/png",
    ] {
        assert!(form.to_lowercase().contains(&part.to_lowercase()), "{form}");
    }
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_sent() {
    let host = FakeHost::new();
    let image = host.put_blob("image/png", PNG);
    let text = host.put_blob("text/html", "<html>");
    let page = host.put_blob("image/png", "<html>");
    for (input, config, words) in [
        (json!({"prompt": "a"}), json!({}), "`image` is missing"),
        (json!({"image": image}), json!({}), "`prompt` is missing or empty"),
        (json!({"image": text, "prompt": "a"}), json!({}), "`image` (text/html, sha256:"),
        (json!({"image": page, "prompt": "a"}), json!({}), "`image` (image/png, sha256:"),
        (
            json!({"image": image, "images": [image, page], "prompt": "a"}),
            json!({}),
            "`images/1` (image/png, sha256:",
        ),
        (json!({"image": image, "mask": page, "prompt": "a"}), json!({}), "`mask` (image/png, sha256:"),
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
