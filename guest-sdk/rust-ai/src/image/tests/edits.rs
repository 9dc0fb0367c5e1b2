//! Images that are made from others.

use super::*;

#[test]
fn openai_edits_with_a_mask_and_further_images() {
    let host = FakeHost::new();
    let images = [host.put_blob("image/png", "one").named("photo.png"), host.put_blob("image/jpeg", "two")];
    let mask = host.put_blob("image/png", "mask");
    host.answer("POST", "https://api.openai.com/v1/images/edits", Answer::json(200, &json!({"data": [{"b64_json": PNG_BASE64}], "usage": {"input_tokens": 400, "output_tokens": 1000, "input_tokens_details": {"image_tokens": 300}}})));
    let options = options(json!({}));
    let order = Order { task: Task::Edit, images: &images, mask: Some(&mask), ..order(&options) };
    made(edit(json!({}), &order));
    let form = form(&host, 0);
    for part in [
        "name=\"image[]\"; filename=\"photo.png\"",
        "name=\"image[]\"; filename=\"image-2.jpg\"",
        "name=\"mask\"; filename=\"mask.png\"",
        &mask.digest,
    ] {
        assert!(form.contains(part), "{form}");
    }
    assert_eq!(host.usage()[0].cost_micro_usd, Some(400 * 5 + 300 * 5 + 1000 * 40));
}

#[test]
fn replicate_gets_the_image_as_a_file_ahead_of_the_job() {
    let host = FakeHost::new();
    let image = host.put_blob("image/jpeg", "photo");
    let file = "https://api.replicate.com/v1/files/cneqzikepnug6xezperrr4z55o";
    host.answer(
        "POST",
        "https://api.replicate.com/v1/files",
        Answer::json(201, &json!({"id": "cneq", "name": "image.jpg", "urls": {"get": file}})),
    );
    host.answer(
        "POST",
        "https://api.replicate.com/v1/predictions",
        prediction("succeeded", json!({"no_bg": PICTURE}), Value::Null),
    );
    host.answer("GET", PICTURE, Answer::bytes(200, PNG));
    let options = options(json!({}));
    let order = Order {
        task: Task::RemoveBackground,
        prompt: None,
        images: std::slice::from_ref(&image),
        ..order(&options)
    };
    made(edit(json!({"provider": "replicate", "model": "851-labs/background-remover:a029dff3"}), &order));
    assert_eq!(
        body(&host, 1),
        json!({"version": "851-labs/background-remover:a029dff3", "input": {"image": file}})
    );
}

#[test]
fn remove_bg_is_paid_by_what_it_charges() {
    let host = FakeHost::new();
    let image = host.put_blob("image/jpeg", "photo");
    let url = "https://api.remove.bg/v1.0/removebg";
    host.answer(
        "POST",
        url,
        Answer::bytes(200, PNG).header("content-type", "image/png").header("x-credits-charged", "1"),
    );
    host.answer("POST", url, Answer::json(400, &json!({"errors": [{"title": "Could not identify foreground in image. For details and recommendations see https://www.remove.bg/supported-images.", "code": "unknown_foreground"}]})));
    let options = options(json!({}));
    let order = Order {
        task: Task::RemoveBackground,
        prompt: None,
        images: std::slice::from_ref(&image),
        ..order(&options)
    };
    let config = json!({"provider": "remove-bg"});
    made(edit(config.clone(), &order));
    assert_eq!(
        (host.usage()[0].cost_micro_usd, host.requests()[0].header_value("x-api-key")),
        (Some(200_000), Some("{{secret.REMOVE_BG_API_KEY}}"))
    );
    let error = edit(config, &order).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("Could not identify foreground"), "{error}");
}

#[test]
fn what_a_provider_does_not_have_is_an_error_before_anything_is_sent() {
    let host = FakeHost::new();
    let cases = [
        (generate(json!({}), Mode::Wait, |order| order.seed = Some(1)), "it has no `seed`"),
        (generate(json!({}), Mode::Submit, |_| {}), "starts no job"),
        (generate(json!({"provider": "black-forest-labs"}), Mode::Wait, |_| {}), "`mode` must be `submit`"),
        (
            generate(json!({"provider": "replicate"}), Mode::Wait, |order| {
                order.webhook = Some("https://a/")
            }),
            "needs `mode` to be `submit`",
        ),
        (
            generate(json!({"provider": "gemini"}), Mode::Wait, |order| order.task = Task::Upscale),
            "it cannot upscale images",
        ),
    ];
    for (outcome, words) in cases {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
    assert!(host.requests().is_empty());
}
