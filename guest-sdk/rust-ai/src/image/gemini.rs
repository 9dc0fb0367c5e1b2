//! Gemini's image models (`generateContent`), which also take images.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use super::{Image, Made, Order, none_made};
use crate::{Cause, Endpoint, gemini, media, wire};

/// What Gemini takes in one request.
const MOST_IMAGE_BYTES: u64 = 20 << 20;

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    let body = body(order)?;
    let path = format!("/models/{}:generateContent", endpoint.model());
    let requests: Vec<Request> =
        (0..order.options.count).map(|_| endpoint.post(&path, body.clone())).collect();
    // All are read before the first error is returned: each image is paid for.
    let read: Vec<_> = http::send_all(requests).into_iter().map(|answer| read(endpoint, answer)).collect();
    let images = read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    Ok(Made { model: endpoint.model().into(), images })
}

fn body(order: &Order<'_>) -> Result<Value, StepError> {
    let mut parts = vec![json!({"text": order.prompt.unwrap_or_default()})];
    for image in order.images {
        let data = media::encoded(image, MOST_IMAGE_BYTES)?;
        parts.push(json!({"inlineData": {"mimeType": image.kind(), "data": data}}));
    }
    let mut body = json!({
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
    });
    if let Some(ratio) = &order.options.aspect_ratio {
        body["generationConfig"]["imageConfig"] = json!({"aspectRatio": ratio});
    }
    Ok(body)
}

fn read(endpoint: &Endpoint<'_>, answer: Result<Response, http::Error>) -> Result<Vec<Image>, StepError> {
    let answer = endpoint.document(answer)?;
    endpoint.record_if_told(None, answer.get("usageMetadata").map(gemini::used));
    let answer = endpoint.without_error(answer)?;
    let candidates = wire::list(&answer, "/candidates");
    let parts = candidates.iter().flat_map(|candidate| wire::list(candidate, "/content/parts"));
    let data = parts.filter_map(|part| wire::text(part, "/inlineData/data"));
    let image = |text: &str| media::kept_image(endpoint, text).map(Image::new);
    let images: Vec<Image> = data.map(image).collect::<Result<_, _>>()?;
    match images.is_empty() {
        true => Err(withheld(endpoint, &answer)),
        false => Ok(images),
    }
}

/// Why there is no image: the prompt is blocked, the image is, or the model talks instead.
fn withheld(endpoint: &Endpoint<'_>, answer: &Value) -> StepError {
    if let Some(reason) = wire::text(answer, "/promptFeedback/blockReason") {
        let words =
            wire::text(answer, "/promptFeedback/blockReasonMessage").unwrap_or("the prompt is blocked");
        return endpoint.failure(Cause::Refused, &format!("{reason}: {words}"));
    }
    let parts = wire::list(answer, "/candidates/0/content/parts");
    let said: String = parts.iter().filter_map(|part| wire::text(part, "/text")).collect();
    let words = wire::text(answer, "/candidates/0/finishMessage").unwrap_or(&said);
    match wire::text(answer, "/candidates/0/finishReason") {
        None | Some("STOP" | "MAX_TOKENS" | "NO_IMAGE" | "OTHER") if words.is_empty() => none_made(endpoint),
        None | Some("STOP" | "MAX_TOKENS" | "NO_IMAGE" | "OTHER") => {
            endpoint.failure(Cause::Empty, &format!("it holds no image, but says: {words}"))
        }
        Some(reason) => endpoint.failure(Cause::Refused, &format!("{reason}: {words}")),
    }
}
