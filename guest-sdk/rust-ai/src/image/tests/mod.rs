//! Images: what each provider is asked and what becomes of its answer, by shapes as they were recorded.

mod edits;
mod jobs;

use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost};

use super::*;
use crate::ProviderConfig;

const OPENAI: &str = "https://api.openai.com/v1/images/generations";
const GEMINI: &str =
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash-image:generateContent";
const REPLICATE: &str = "https://api.replicate.com/v1/models/black-forest-labs/flux-schnell/predictions";
const PICTURE: &str = "https://replicate.delivery/xezq/abc/out-0.webp";

/// The beginning of a PNG and its end, and the same in base64.
const PNG: [u8; 20] = *b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82";
const PNG_BASE64: &str = "iVBORw0KGgoAAAAASUVORK5CYII=";

fn order(options: &Options) -> Order<'_> {
    Order {
        task: Task::Generate,
        prompt: Some("a red fox"),
        negative_prompt: None,
        seed: None,
        images: &[],
        mask: None,
        options,
        webhook: None,
        image_field: "image",
    }
}

fn options(config: Value) -> Options {
    serde_json::from_value(config).unwrap()
}

fn generate(config: Value, mode: Mode, change: impl Fn(&mut Order<'_>)) -> Result<Outcome, StepError> {
    let options = Options { mode, ..options(config.clone()) };
    let config: ProviderConfig<Generator> = serde_json::from_value(config).unwrap();
    let mut order = order(&options);
    change(&mut order);
    let endpoint = config.endpoint().unwrap();
    make(config.provider.maker(endpoint.model()), &endpoint, &order)
}

fn edit(config: Value, order: &Order<'_>) -> Result<Outcome, StepError> {
    let config: ProviderConfig<Editor> = serde_json::from_value(config).unwrap();
    make(config.provider.maker(), &config.endpoint().unwrap(), order)
}

fn collected(config: Value, id: &str) -> Result<Progress, StepError> {
    collected_of(config, json!({"id": id}))
}

/// Of a job as it stands in an input.
fn collected_of(config: Value, job: Value) -> Result<Progress, StepError> {
    let config: ProviderConfig<Generator> = serde_json::from_value(config).unwrap();
    let endpoint = config.endpoint().unwrap();
    let job = serde_json::from_value(job).unwrap();
    collect(config.provider.maker(endpoint.model()), &endpoint, &job)
}

fn made(outcome: Result<Outcome, StepError>) -> Made {
    match outcome.unwrap() {
        Outcome::Made(made) => made,
        Outcome::Started(job) => panic!("a job: {job:?}"),
    }
}

fn body(host: &FakeHost, index: usize) -> Value {
    serde_json::from_slice(&host.requests()[index].body).unwrap()
}

/// The form of a request as text, with blobs by their digests.
fn form(host: &FakeHost, index: usize) -> String {
    let text = |part: &http::Part| match part {
        http::Part::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        http::Part::Blob(digest) => digest.clone(),
    };
    host.requests()[index].parts.iter().map(text).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "a test writes what it means, not a reference to it")]
fn prediction(status: &str, output: Value, error: Value) -> Answer {
    Answer::json(
        201,
        &json!({
            "id": "gm3qorzdhgbfurvjtvhg6dckhu", "model": "black-forest-labs/flux-schnell", "version": "hidden",
            "input": {"prompt": "a red fox"}, "logs": "", "output": output, "data_removed": false, "error": error, "status": status,
            "created_at": "2025-11-20T10:00:00.000Z", "metrics": {"predict_time": 0.6},
            "urls": {
                "cancel": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu/cancel",
                "get": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu",
            },
        }),
    )
}

#[test]
fn openais_image_becomes_a_blob_and_is_paid_by_tokens() {
    let host = FakeHost::new();
    let answer = json!({
        "created": 1713833628, "background": "opaque", "output_format": "png", "size": "1024x1024", "quality": "high",
        "data": [{"b64_json": PNG_BASE64}],
        "usage": {"total_tokens": 4210, "input_tokens": 50, "output_tokens": 4160, "input_tokens_details": {"text_tokens": 50, "image_tokens": 0}},
    });
    host.answer("POST", OPENAI, Answer::json(200, &answer));
    let config = json!({
        "size": "1024x1024", "quality": "high", "background": "opaque", "extra": {"moderation": "low"},
    });
    let made = made(generate(config, Mode::Wait, |_| {}));
    assert_eq!(host.blob(&made.images[0].image), PNG);
    assert_eq!(made.images[0].image.media_type, "image/png");
    let expected = json!({"model": "gpt-image-1", "prompt": "a red fox", "size": "1024x1024", "quality": "high", "background": "opaque", "moderation": "low"});
    assert_eq!(body(&host, 0), expected);
    let usage = &host.usage()[0];
    assert_eq!((usage.output_tokens, usage.cost_micro_usd), (4160, Some(50 * 5 + 4160 * 40)));
}

#[test]
fn an_image_that_comes_as_an_address_is_fetched_without_the_key() {
    let host = FakeHost::new();
    let url = "https://oaidalleapiprodscus.blob.core.windows.net/private/img.png?sig=x";
    let answer = json!({"created": 1, "data": [{"url": url, "revised_prompt": "A red fox in snow"}]});
    host.answer("POST", OPENAI, Answer::json(200, &answer));
    host.answer("GET", url, Answer::bytes(200, PNG).header("content-type", "application/octet-stream"));
    let made = made(generate(json!({"model": "dall-e-3"}), Mode::Wait, |_| {}));
    assert_eq!(made.images[0].image.media_type, "image/png");
    assert_eq!(made.images[0].revised_prompt.as_deref(), Some("A red fox in snow"));
    assert_eq!(body(&host, 0)["response_format"], "b64_json");
    assert_eq!(host.requests()[1].header_value("authorization"), None);
}

#[test]
fn an_image_that_is_none_is_an_error_that_shows_what_came() {
    for (item, words) in [
        (json!({"b64_json": "PGh0bWw+"}), "are no image: <html>"),
        (json!({"b64_json": "%%%"}), "no base64"),
        (json!({}), "no image"),
    ] {
        let host = FakeHost::new();
        host.answer("POST", OPENAI, Answer::json(200, &json!({"data": [item]})));
        let error = generate(json!({}), Mode::Wait, |_| {}).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Retryable);
        assert!(error.message.starts_with("openai") && error.message.contains(words), "{error}");
        assert_eq!(host.usage().len(), 1, "it is paid for all the same");
    }
}

#[test]
fn what_the_safety_systems_refuse_is_final() {
    let openai = json!({"error": {"message": "Your request was rejected by the safety system. safety_violations=[violence].", "type": "image_generation_user_error", "param": null, "code": "moderation_blocked"}});
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}});
    let filtered = json!({"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Unable to show the generated image.", "index": 0}], "usageMetadata": {"promptTokenCount": 9}});
    let cases = [
        (json!({}), OPENAI, 400, openai, "rejected by the safety system"),
        (json!({"provider": "gemini"}), GEMINI, 200, blocked, "PROHIBITED_CONTENT"),
        (json!({"provider": "gemini"}), GEMINI, 200, filtered, "IMAGE_SAFETY: Unable to show"),
    ];
    for (config, url, status, answer, words) in cases {
        let host = FakeHost::new();
        host.answer("POST", url, Answer::json(status, &answer));
        let error = generate(config, Mode::Wait, |_| {}).unwrap_err();
        assert_eq!(
            (error.kind, error.detail.as_ref().unwrap()["cause"].as_str()),
            (StepErrorKind::Permanent, Some("refused"))
        );
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn gemini_makes_each_image_with_a_request_of_its_own() {
    let host = FakeHost::new();
    let answer = json!({
        "candidates": [{"content": {"parts": [{"text": "Here it is."}, {"inlineData": {"mimeType": "image/png", "data": PNG_BASE64}}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1290, "totalTokenCount": 1300}, "modelVersion": "gemini-2.5-flash-image",
    });
    let mut thoughtful = answer.clone();
    thoughtful["usageMetadata"]["thoughtsTokenCount"] = 100.into();
    host.answer("POST", GEMINI, Answer::json(200, &thoughtful));
    host.answer("POST", GEMINI, Answer::json(200, &answer));
    let made = made(generate(json!({"provider": "gemini", "count": 2}), Mode::Wait, |_| {}));
    assert_eq!(host.usage()[0].output_tokens, 1390, "what it thinks is paid, too");
    assert_eq!(made.images.len(), 2);
    assert_eq!(body(&host, 0)["contents"][0]["parts"], json!([{"text": "a red fox"}]));
    assert_eq!(host.usage()[1].cost_micro_usd, Some(38_703));
}

#[test]
fn an_image_that_is_given_is_what_its_bytes_are() {
    let host = FakeHost::new();
    for (called, bytes, kind) in [
        ("application/octet-stream", &PNG[..], "image/png"),
        ("image/png", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("image/heic", b"\0\0\0\x18ftypheic", "image/heic"),
    ] {
        let given = host.put_blob(called, bytes).named("photo");
        let image = given_image("image", &given).unwrap();
        assert_eq!(
            (image.media_type.as_str(), &image.name, &image.digest),
            (kind, &given.name, &given.digest)
        );
    }
    let error = given_image("images/2", &host.put_blob("image/png", "<html>")).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(
        error.message.contains("`images/2` (image/png, sha256:") && error.message.contains("are no image"),
        "{error}"
    );
}

#[test]
fn a_model_that_talks_instead_of_painting_is_asked_again() {
    let host = FakeHost::new();
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "Which fox?"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}});
    host.answer("POST", GEMINI, Answer::json(200, &answer));
    let error = generate(json!({"provider": "gemini"}), Mode::Wait, |_| {}).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert!(error.message.contains("but says: Which fox?"), "{error}");
}

#[test]
fn imagen_is_asked_in_its_own_way() {
    let host = FakeHost::new();
    let url = "https://generativelanguage.googleapis.com/v1beta/models/imagen-4.0-generate-001:predict";
    host.answer(
        "POST",
        url,
        Answer::json(
            200,
            &json!({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": PNG_BASE64}]}),
        ),
    );
    host.answer(
        "POST",
        url,
        Answer::json(
            200,
            &json!({"predictions": [{"raiFilteredReason": "Unable to show generated images."}]}),
        ),
    );
    let config = json!({"provider": "gemini", "model": "imagen-4.0-generate-001"});
    assert_eq!(made(generate(config.clone(), Mode::Wait, |_| {})).images.len(), 1);
    assert_eq!(
        body(&host, 0),
        json!({"instances": [{"prompt": "a red fox"}], "parameters": {"sampleCount": 1}})
    );
    assert_eq!(host.usage()[0].cost_micro_usd, Some(40_000));
    let error = generate(config, Mode::Wait, |_| {}).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("Unable to show"), "{error}");
}

#[test]
fn replicate_holds_its_answer_and_its_image_is_fetched() {
    let host = FakeHost::new();
    host.answer("POST", REPLICATE, prediction("succeeded", json!([PICTURE]), Value::Null));
    host.answer(
        "GET",
        PICTURE,
        Answer::bytes(200, b"RIFF\x08\0\0\0WEBPVP8 ".to_vec()).header("content-type", "image/webp"),
    );
    let made =
        made(generate(json!({"provider": "replicate", "extra": {"go_fast": true}}), Mode::Wait, |order| {
            order.seed = Some(7)
        }));
    assert_eq!(made.images[0].image.media_type, "image/webp");
    assert_eq!(body(&host, 0), json!({"input": {"prompt": "a red fox", "seed": 7, "go_fast": true}}));
    assert_eq!(host.requests()[0].header_value("prefer"), Some("wait=60"));
    assert_eq!(host.usage()[0].cost_micro_usd, Some(3000));
}

#[test]
fn stability_answers_a_form_with_the_image_itself() {
    let host = FakeHost::new();
    let url = "https://api.stability.ai/v2beta/stable-image/generate/core";
    let image = || {
        Answer::bytes(200, PNG)
            .header("content-type", "image/png")
            .header("finish-reason", "SUCCESS")
            .header("seed", "343940597")
    };
    host.answer("POST", url, image());
    host.answer("POST", url, image().header("finish-reason", "CONTENT_FILTERED"));
    host.answer("POST", url, Answer::json(403, &json!({"id": "ed14db44362126aab3cbd25cca51ffe3", "name": "content_moderation", "errors": ["Your request was flagged by our content moderation system"]})));
    let config = json!({"provider": "stability"});
    let made = made(generate(config.clone(), Mode::Wait, |order| order.negative_prompt = Some("text")));
    assert_eq!(made.images[0].seed, Some(343_940_597));
    assert!(form(&host, 0).contains("name=\"negative_prompt\"\r\n\r\ntext\r\n"));
    assert_eq!(host.requests()[0].header_value("accept"), Some("image/*"));
    for words in ["withheld the image", "flagged by our content moderation system"] {
        let error = generate(config.clone(), Mode::Wait, |_| {}).unwrap_err();
        assert_eq!(
            (error.kind, &error.detail.as_ref().unwrap()["cause"]),
            (StepErrorKind::Permanent, &json!("refused")),
            "{error}"
        );
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!(host.usage().len(), 1);
}

#[test]
fn an_image_that_breaks_off_is_none() {
    let jpeg = [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 40]].concat();
    let webp = [&b"RIFF\xff\0\0\0WEBP"[..], &[7; 40]].concat();
    for (bytes, kind) in [(PNG[..12].to_vec(), "png"), (jpeg, "jpeg"), (webp, "webp")] {
        let host = FakeHost::new();
        host.answer("POST", REPLICATE, prediction("succeeded", json!([PICTURE]), Value::Null));
        host.answer("GET", PICTURE, Answer::bytes(200, bytes));
        let error = generate(json!({"provider": "replicate"}), Mode::Wait, |_| {}).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Retryable);
        assert!(error.message.contains(&format!("an image (image/{kind}) that breaks off")), "{error}");
    }
}
