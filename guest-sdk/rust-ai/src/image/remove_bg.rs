//! remove.bg: an image in, its foreground out.

use stepwell_sdk::StepError;

use super::{Image, Made, Order};
use crate::{Endpoint, Used, media};

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    let format = match order.options.format.map(|format| format.name()) {
        // Its own word for it.
        Some("jpeg") => "jpg",
        Some(format) => format,
        None => "png",
    };
    let mut form = endpoint.form().text("size", "auto").text("format", format);
    if let Some(image) = order.images.first() {
        form = form.blob("image_file", &media::file_name(image, "image"), image);
    }
    let request = endpoint.request("POST", "/removebg").header("accept", "image/*").multipart(form);
    let (head, body) = endpoint.kept(request)?;
    let charged = head.header("x-credits-charged").and_then(|credits| serde_json::from_str(credits).ok());
    endpoint.record(endpoint.model(), Used { units: charged.unwrap_or(1.0), ..Used::default() });
    let image = media::checked_image(endpoint, body)?;
    Ok(Made { model: endpoint.model().into(), images: vec![Image::new(image)] })
}
