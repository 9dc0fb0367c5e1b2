//! Gemini's image models (`generateContent`), which also take images, and Imagen (`predict`), which does not.

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{self, Request, Response};

use super::{Image, Made, Order, Task, none_made, paid_by_image};
use crate::{Cause, Endpoint, Used, media};

/// What Gemini takes in one request.
const MOST_IMAGE_BYTES: u64 = 20 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    inline_data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    mime_type: String,
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    #[serde(default)]
    prompt_token_count: u64,
    #[serde(default)]
    candidates_token_count: u64,
}

#[derive(Deserialize)]
struct Predicted {
    #[serde(default)]
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prediction {
    bytes_base64_encoded: Option<String>,
    rai_filtered_reason: Option<String>,
}

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    if endpoint.model().starts_with("imagen") {
        return predict(endpoint, order);
    }
    let body = body(order)?;
    let path = format!("/models/{}:generateContent", endpoint.model());
    let requests: Vec<Request> = (0..order.count).map(|_| endpoint.post(&path, body.clone())).collect();
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
    if let Some(ratio) = &order.look.aspect_ratio {
        body["generationConfig"]["imageConfig"] = json!({"aspectRatio": ratio});
    }
    Ok(body)
}

fn read(endpoint: &Endpoint<'_>, answer: Result<Response, http::Error>) -> Result<Vec<Image>, StepError> {
    let response = endpoint.answered(answer)?;
    let answer: Answer = endpoint.parse(&response)?;
    drop(response);
    let used = answer.usage_metadata.as_ref().map(|usage| Used {
        input_tokens: usage.prompt_token_count,
        output_tokens: usage.candidates_token_count,
        ..Used::default()
    });
    endpoint.record_if_told(None, used);
    let withheld = withheld(endpoint, &answer);
    let parts = answer.candidates.into_iter().filter_map(|candidate| candidate.content);
    let data = parts.flat_map(|content| content.parts).filter_map(|part| part.inline_data);
    let image = |data: Data| {
        let kept = media::kept(endpoint, &data.data, &data.mime_type)?;
        media::checked_image(endpoint, kept).map(Image::new)
    };
    let images: Vec<Image> = data.map(image).collect::<Result<_, _>>()?;
    match images.is_empty() {
        true => Err(withheld),
        false => Ok(images),
    }
}

/// Why there is no image: the prompt is blocked, the image is, or the model talks instead.
fn withheld(endpoint: &Endpoint<'_>, answer: &Answer) -> StepError {
    if let Some(Feedback { block_reason: Some(reason), block_reason_message }) = &answer.prompt_feedback {
        let words = block_reason_message.as_deref().unwrap_or("the prompt is blocked");
        return endpoint.failure(Cause::Refused, &format!("{reason}: {words}"));
    }
    let Some(candidate) = answer.candidates.first() else { return none_made(endpoint) };
    let parts = candidate.content.iter().flat_map(|content| &content.parts);
    let said: String = parts.filter_map(|part| part.text.as_deref()).collect();
    let words = candidate.finish_message.as_deref().unwrap_or(&said);
    match candidate.finish_reason.as_deref() {
        None | Some("STOP" | "MAX_TOKENS" | "NO_IMAGE" | "OTHER") if words.is_empty() => none_made(endpoint),
        None | Some("STOP" | "MAX_TOKENS" | "NO_IMAGE" | "OTHER") => {
            endpoint.failure(Cause::Empty, &format!("it holds no image, but says: {words}"))
        }
        Some(reason) => endpoint.failure(Cause::Refused, &format!("{reason}: {words}")),
    }
}

fn predict(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    if order.task != Task::Generate {
        return Err(
            endpoint.failure(Cause::BadRequest, "Imagen edits no images: choose a Gemini image model")
        );
    }
    let mut parameters = json!({"sampleCount": order.count});
    if let Some(ratio) = &order.look.aspect_ratio {
        parameters["aspectRatio"] = ratio.as_str().into();
    }
    endpoint.extend(&mut parameters);
    let body = json!({"instances": [{"prompt": order.prompt}], "parameters": parameters});
    let path = format!("/models/{}:predict", endpoint.model());
    let response = endpoint.answered(endpoint.request("POST", &path).json(&body).send())?;
    let answer: Predicted = endpoint.parse(&response)?;
    drop(response);
    let made = answer.predictions.iter().filter(|one| one.bytes_base64_encoded.is_some()).count();
    paid_by_image(endpoint, endpoint.model(), made);
    if made == 0 {
        let reason = answer.predictions.iter().find_map(|one| one.rai_filtered_reason.as_deref());
        return Err(endpoint.failure(Cause::Refused, reason.unwrap_or("every image was filtered out")));
    }
    let texts = answer.predictions.into_iter().filter_map(|one| one.bytes_base64_encoded);
    let image = |text: String| {
        media::checked_image(endpoint, media::kept(endpoint, &text, "image/png")?).map(Image::new)
    };
    Ok(Made { model: endpoint.model().into(), images: texts.map(image).collect::<Result<_, _>>()? })
}
