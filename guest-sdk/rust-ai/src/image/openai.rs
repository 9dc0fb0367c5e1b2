//! OpenAI's `/images/generations` and `/images/edits`.

use serde_json::{Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::Request;

use super::{Image, Made, Order, Task, fetch, none_made};
use crate::{Endpoint, Used, media, wire};

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    let request = match order.task {
        Task::Generate => endpoint.post("/images/generations", body(endpoint, order)),
        _ => edit(endpoint, order),
    };
    let answer = endpoint.send(request)?;
    let items = wire::list(&answer, "/data");
    record(endpoint, &answer, items.len());
    let images: Vec<Image> = items.iter().map(|item| image(endpoint, item)).collect::<Result<_, _>>()?;
    match images.is_empty() {
        true => Err(none_made(endpoint)),
        false => Ok(Made { model: endpoint.model().into(), images }),
    }
}

fn body(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Value {
    let mut body = json!({"model": endpoint.model(), "prompt": order.prompt.unwrap_or_default()});
    for (name, value) in fields(endpoint, order) {
        body[name] = if name == "n" { order.options.count.into() } else { value.into() };
    }
    body
}

/// Everything but model, prompt and images.
fn fields(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Vec<(&'static str, String)> {
    let options = order.options;
    let fields = [
        ("n", (order.options.count > 1).then(|| order.options.count.to_string())),
        ("size", options.size.clone()),
        ("quality", options.quality.map(|quality| quality.name().into())),
        ("output_format", options.format.map(|format| format.name().into())),
        ("background", options.background.map(|background| background.name().into())),
        // The newer models know no other answer, and refuse the field.
        ("response_format", endpoint.model().starts_with("dall-e").then(|| "b64_json".into())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn edit(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Request {
    let mut form =
        endpoint.form().text("model", endpoint.model()).text("prompt", order.prompt.unwrap_or_default());
    for (name, value) in fields(endpoint, order) {
        form = form.text(name, value);
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
fn record(endpoint: &Endpoint<'_>, answer: &Value, made: usize) {
    let input_tokens = wire::count(answer, "/usage/input_tokens");
    let of_images = wire::count(answer, "/usage/input_tokens_details/image_tokens").min(input_tokens);
    let units =
        if answer.get("usage").is_some_and(Value::is_object) { of_images as f64 } else { made as f64 };
    let output_tokens = wire::count(answer, "/usage/output_tokens");
    endpoint.record(endpoint.model(), Used { input_tokens, output_tokens, units, ..Used::default() });
}

fn image(endpoint: &Endpoint<'_>, item: &Value) -> Result<Image, StepError> {
    let blob = match (wire::text(item, "/b64_json"), wire::text(item, "/url")) {
        (Some(text), _) => media::kept_image(endpoint, text)?,
        (None, Some(url)) => fetch(endpoint, url)?,
        (None, None) => return Err(none_made(endpoint)),
    };
    let revised_prompt = wire::text(item, "/revised_prompt").map(str::to_owned);
    Ok(Image { revised_prompt, ..Image::new(blob) })
}
