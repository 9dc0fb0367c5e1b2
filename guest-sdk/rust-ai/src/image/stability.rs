//! Stability's stable-image: a form in, an image out; the slow ones are jobs. The model is the path: `generate/core`, `upscale/fast`,
//! `edit/remove-background`, ...

use std::time::Duration;

use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{Request, Response};

use super::{Image, Job, Made, Order, Progress, paid_by_image};
use crate::{Cause, Endpoint, media, wire};

/// As Stability asks of those who poll.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Models that answer with a job.
pub(super) fn is_job(endpoint: &Endpoint<'_>) -> bool {
    matches!(endpoint.model(), "upscale/creative" | "edit/replace-background-and-relight")
}

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Made, StepError> {
    // A request with a form is sent alone, so several images are made one after the other.
    let images = (0..order.options.count)
        .map(|index| image(endpoint, request(endpoint, order, index).header("accept", "image/*")));
    Ok(Made { model: endpoint.model().into(), images: images.collect::<Result<_, _>>()? })
}

pub(super) fn start(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Job, StepError> {
    let request = request(endpoint, order, 0).header("accept", "application/json");
    match wire::text(&endpoint.send(request)?, "/id") {
        Some(id) => Ok(Job { id: id.into(), ..Job::default() }),
        None => Err(endpoint.misfit("the job that was started has no id")),
    }
}

pub(super) fn collect(endpoint: &Endpoint<'_>, job: &Job) -> Result<Progress, StepError> {
    let request = endpoint.request("GET", &format!("/results/{}", job.id)).header("accept", "image/*");
    let (head, body) = endpoint.kept(request)?;
    if head.status == 202 {
        return Ok(Progress::Pending { status: "in-progress".into(), retry_after: Some(ASK_AGAIN) });
    }
    let image = finished(endpoint, &head, body)?;
    Ok(Progress::Done(Made { model: endpoint.model().into(), images: vec![image] }))
}

fn request(endpoint: &Endpoint<'_>, order: &Order<'_>, index: u32) -> Request {
    let options = order.options;
    // Images of the same seed would be the same.
    let seed = order.seed.map(|seed| seed.wrapping_add(index).to_string());
    let texts = [
        ("prompt", order.prompt.map(str::to_owned)),
        ("negative_prompt", order.negative_prompt.map(str::to_owned)),
        ("seed", seed),
        ("aspect_ratio", options.aspect_ratio.clone()),
        ("output_format", options.format.map(|format| format.name().to_owned())),
    ];
    let mut form = endpoint.form();
    for (name, value) in texts {
        if let Some(value) = value {
            form = form.text(name, value);
        }
    }
    let field = match endpoint.model() {
        "edit/replace-background-and-relight" => "subject_image",
        _ => "image",
    };
    if let Some(image) = order.images.first() {
        form = form.blob(field, &media::file_name(image, "image"), image);
    }
    if let Some(mask) = order.mask {
        form = form.blob("mask", &media::file_name(mask, "mask"), mask);
    }
    endpoint.request("POST", &format!("/stable-image/{}", endpoint.model())).multipart(form)
}

fn image(endpoint: &Endpoint<'_>, request: Request) -> Result<Image, StepError> {
    let (head, body) = endpoint.kept(request)?;
    finished(endpoint, &head, body)
}

/// What the filter withheld comes as an image all the same, a blurred one.
fn finished(endpoint: &Endpoint<'_>, head: &Response, body: Blob) -> Result<Image, StepError> {
    if head.header("finish-reason") == Some("CONTENT_FILTERED") {
        return Err(endpoint.failure(Cause::Refused, "its content filter withheld the image"));
    }
    let image = media::checked_image(endpoint, body)?;
    paid_by_image(endpoint, endpoint.model(), 1);
    Ok(Image { seed: head.header("seed").and_then(|seed| seed.parse().ok()), ..Image::new(image) })
}
