//! OpenAI's `/images/generations` and `/images/edits`.

use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::{Multipart, Request};

use super::{Image, Made, Order, Task, fetch, none_made};
use crate::{Endpoint, Used, media, wire};

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    b64_json: Option<String>,
    url: Option<String>,
    revised_prompt: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    input_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    image_tokens: u64,
}

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    let request = match order.task {
        Task::Generate => endpoint.post("/images/generations", body(endpoint, order)),
        _ => edit(endpoint, order),
    };
    let response = endpoint.answered(request.send())?;
    let answer: Answer = endpoint.parse(&response)?;
    drop(response);
    record(endpoint, &answer);
    let images: Vec<Image> =
        answer.data.into_iter().map(|item| image(endpoint, item)).collect::<Result<_, _>>()?;
    match images.is_empty() {
        true => Err(none_made(endpoint)),
        false => Ok(Made { model: endpoint.model().into(), images }),
    }
}

fn body(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Value {
    let mut body = json!({"model": endpoint.model(), "prompt": order.prompt.unwrap_or_default()});
    for (name, value) in fields(endpoint, order) {
        body[name] = if name == "n" { order.count.into() } else { value.into() };
    }
    body
}

/// Everything but model, prompt and images.
fn fields(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Vec<(&'static str, String)> {
    let look = order.look;
    let fields = [
        ("n", (order.count > 1).then(|| order.count.to_string())),
        ("size", look.size.clone()),
        ("quality", look.quality.map(|quality| quality.name().into())),
        ("output_format", look.format.map(|format| format.name().into())),
        ("background", look.background.map(|background| background.name().into())),
        // The newer models know no other answer, and refuse the field.
        ("response_format", endpoint.model().starts_with("dall-e").then(|| "b64_json".into())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn edit(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Request {
    let mut form =
        Multipart::new().text("model", endpoint.model()).text("prompt", order.prompt.unwrap_or_default());
    for (name, value) in fields(endpoint, order) {
        form = form.text(name, value);
    }
    for (name, value) in endpoint.extra() {
        form = form.text(name, wire::as_text(value));
    }
    let field = if order.images.len() == 1 { "image" } else { "image[]" };
    for (index, image) in order.images.iter().enumerate() {
        form = form.blob(field, &media::file_name(image, &format!("image-{}", index + 1)), image);
    }
    if let Some(mask) = order.mask {
        form = form.blob("mask", &media::file_name(mask, "mask"), mask);
    }
    endpoint.request("POST", "/images/edits").multipart(form)
}

/// Newer models are paid by tokens, of which those of images that were read have a price of their own; older ones by the image.
fn record(endpoint: &Endpoint<'_>, answer: &Answer) {
    let used = match &answer.usage {
        None => Used { units: answer.data.len() as f64, ..Used::default() },
        Some(usage) => {
            let of_images = usage.input_tokens_details.as_ref().map_or(0, |details| details.image_tokens);
            Used {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                units: of_images.min(usage.input_tokens) as f64,
                ..Used::default()
            }
        }
    };
    endpoint.record(endpoint.model(), used);
}

fn image(endpoint: &Endpoint<'_>, item: Item) -> Result<Image, StepError> {
    let blob = match (&item.b64_json, &item.url) {
        (Some(text), _) => media::checked_image(endpoint, media::kept(endpoint, text, "image/png")?)?,
        (None, Some(url)) => fetch(endpoint, url)?,
        (None, None) => return Err(none_made(endpoint)),
    };
    Ok(Image { revised_prompt: item.revised_prompt, ..Image::new(blob) })
}
