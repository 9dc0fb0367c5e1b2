//! Google's Imagen (`predict`).

use serde_json::json;
use stepwell_sdk::StepError;

use super::{Image, Made, Order, paid_by_image};
use crate::{Cause, Endpoint, media, wire};

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    let mut parameters = json!({"sampleCount": order.options.count});
    if let Some(ratio) = &order.options.aspect_ratio {
        parameters["aspectRatio"] = ratio.as_str().into();
    }
    endpoint.extend(&mut parameters);
    let body = json!({"instances": [{"prompt": order.prompt}], "parameters": parameters});
    let path = format!("/models/{}:predict", endpoint.model());
    let answer = endpoint.send(endpoint.request("POST", &path).json(&body))?;
    let predictions = wire::list(&answer, "/predictions");
    let images: Vec<&str> =
        predictions.iter().filter_map(|one| wire::text(one, "/bytesBase64Encoded")).collect();
    paid_by_image(endpoint, endpoint.model(), images.len());
    if images.is_empty() {
        let reason = predictions.iter().find_map(|one| wire::text(one, "/raiFilteredReason"));
        return Err(endpoint.failure(Cause::Refused, reason.unwrap_or("every image was filtered out")));
    }
    let image = |text: &str| media::kept_image(endpoint, text).map(Image::new);
    let images = images.into_iter().map(image).collect::<Result<_, _>>()?;
    Ok(Made { model: endpoint.model().into(), images })
}
