//! Black Forest Labs' FLUX: a job for each image, told of by a webhook or asked for at the address that it gives.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::http::Request;

use super::{Image, Job, Made, Order, Progress, fetch, none_made, paid_by_image};
use crate::{Cause, Endpoint, failure, media, wire};

/// What it takes of an image.
const MOST_IMAGE_BYTES: u64 = 20 << 20;
/// How long its images take, mostly.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(super) fn start(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Job, StepError> {
    if order.options.count > 1 {
        return Err(endpoint.failure(Cause::BadRequest, "it makes one image with a job: `count` must be 1"));
    }
    let body = Value::Object(body(endpoint, order)?);
    let answer = endpoint.json(&format!("/{}", endpoint.model()), body)?;
    match wire::text(&answer, "/id") {
        Some(id) => {
            let status_url = wire::text(&answer, "/polling_url").map(str::to_owned);
            Ok(Job { id: id.into(), status_url, ..Job::default() })
        }
        None => Err(endpoint.misfit("the job that was started has no id")),
    }
}

fn body(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Map<String, Value>, StepError> {
    let options = order.options;
    let (width, height) = match options.size.as_deref() {
        None => (None, None),
        Some(size) => pixels(size).ok_or_else(|| {
            endpoint.failure(Cause::BadRequest, &format!("`{size}` is no size: it wants pixels"))
        })?,
    };
    let mut body = wire::fields([
        ("prompt", order.prompt.map(Value::from)),
        ("seed", order.seed.map(Value::from)),
        ("width", width.map(Value::from)),
        ("height", height.map(Value::from)),
        ("aspect_ratio", options.aspect_ratio.clone().map(Value::from)),
        ("output_format", options.format.map(|format| format.name().into())),
        ("webhook_url", order.webhook.map(Value::from)),
    ]);
    for (index, image) in order.images.iter().enumerate() {
        let name = if index == 0 { "input_image".into() } else { format!("input_image_{}", index + 1) };
        body.insert(name, media::encoded(image, MOST_IMAGE_BYTES)?.into());
    }
    Ok(body)
}

fn pixels(size: &str) -> Option<(Option<u32>, Option<u32>)> {
    let (width, height) = size.split_once('x')?;
    Some((Some(width.parse().ok()?), Some(height.parse().ok()?)))
}

/// A job that calls back is given no address to ask at: what came of it is posted. Others are asked for.
pub(super) fn collect(endpoint: &Endpoint<'_>, job: &Job) -> Result<Progress, StepError> {
    let posted = json!({"status": job.status, "result": job.result});
    match progress(endpoint, job, &posted)? {
        Progress::Pending { .. } => progress(endpoint, job, &asked(endpoint, job)?),
        done => Ok(done),
    }
}

/// A job that the address does not know has not ended: each region has jobs of its own, and may learn of this one later.
fn progress(endpoint: &Endpoint<'_>, job: &Job, answer: &Value) -> Result<Progress, StepError> {
    if let Some(url) = sample(answer) {
        return made(endpoint, answer, url).map(Progress::Done);
    }
    let status = wire::text(answer, "/status").unwrap_or_default();
    let why = match answer.get("details") {
        None | Some(Value::Null) => status.to_owned(),
        Some(details) => format!("{status}: {details}"),
    };
    match status {
        "Request Moderated" | "Content Moderated" => Err(endpoint.failure(Cause::Refused, &why)),
        "Error" | "Failed" => {
            Err(endpoint.failure(Cause::JobFailed, &format!("the job {} ended with {why}", job.id)))
        }
        _ => Ok(Progress::Pending { status: status.into(), retry_after: Some(ASK_AGAIN) }),
    }
}

fn sample(answer: &Value) -> Option<&str> {
    wire::text(answer, "/result/sample")
}

/// That it does not know a job, it says with a 404.
fn asked(endpoint: &Endpoint<'_>, job: &Job) -> Result<Value, StepError> {
    let response = status_request(endpoint, job).send();
    let unknown = response.as_ref().ok().filter(|response| response.status == 404);
    let told = unknown.and_then(|response| failure::parsed(&response.body));
    let answer = match told.filter(|told| wire::text(told, "/status").is_some()) {
        Some(told) => told,
        None => endpoint.answer(response)?,
    };
    match wire::text(&answer, "/status") {
        None => Err(endpoint.misfit("the job has no status")),
        Some("Ready") if sample(&answer).is_none() => Err(none_made(endpoint)),
        Some(_) => Ok(answer),
    }
}

fn status_request(endpoint: &Endpoint<'_>, job: &Job) -> Request {
    match &job.status_url {
        Some(url) => endpoint.request("GET", url),
        None => endpoint.request("GET", &format!("/get_result?id={}", job.id)),
    }
}

fn made(endpoint: &Endpoint<'_>, answer: &Value, url: &str) -> Result<Made, StepError> {
    paid_by_image(endpoint, endpoint.model(), 1);
    let seed = answer.pointer("/result/seed").and_then(Value::as_u64);
    let image = Image { seed, ..Image::new(fetch(endpoint, url)?) };
    Ok(Made { model: endpoint.model().into(), images: vec![image] })
}
