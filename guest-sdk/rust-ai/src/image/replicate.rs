//! Replicate's predictions. Each model has fields of its own; those that most have are filled in, and `extra` has the rest.

use serde_json::{Map, Value, json};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http::{Multipart, Request};

use super::{Job, Made, Mode, Order, Outcome, Progress, fetched, none_made, paid_by_image};
use crate::{Cause, Endpoint, media, wire};

/// The longest that Replicate holds an answer.
const LONGEST_WAIT: &str = "wait=60";

pub(super) fn make(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Outcome, StepError> {
    let input = input(endpoint, order)?;
    let request = request(endpoint, order, &input);
    let prediction = send(endpoint, request)?;
    let job = Job {
        id: id(&prediction).into(),
        status_url: wire::text(&prediction, "/urls/get").map(str::to_owned),
        ..Job::default()
    };
    if order.options.mode == Mode::Submit {
        return Ok(Outcome::Started(job));
    }
    match progress(endpoint, &prediction)? {
        Progress::Done(made) => Ok(Outcome::Made(made)),
        Progress::Pending { status, .. } => Err(unfinished(endpoint, &job, &status)),
    }
}

pub(super) fn collect(endpoint: &Endpoint<'_>, job: &Job) -> Result<Progress, StepError> {
    // By the id alone: what was posted to a callback may name any address.
    let path = format!("/predictions/{}", job.id);
    let prediction = send(endpoint, endpoint.request("GET", &path))?;
    progress(endpoint, &prediction)
}

/// A prediction has a field `error`, which is no error of the call.
fn send(endpoint: &Endpoint<'_>, request: Request) -> Result<Value, StepError> {
    let prediction = endpoint.document(request.send())?;
    match id(&prediction).is_empty() || wire::text(&prediction, "/status").is_none() {
        true => Err(endpoint.misfit("it is no prediction: it has no `id`, or no `status`")),
        false => Ok(prediction),
    }
}

fn id(prediction: &Value) -> &str {
    wire::text(prediction, "/id").unwrap_or_default()
}

/// A version goes by its own path, an official model by the model's.
fn request(endpoint: &Endpoint<'_>, order: &Order<'_>, input: &Map<String, Value>) -> Request {
    let model = endpoint.model();
    let is_version = model.contains(':') || !model.contains('/');
    let (path, mut body) = match is_version {
        true => ("/predictions".into(), json!({"version": model, "input": input})),
        false => (format!("/models/{model}/predictions"), json!({"input": input})),
    };
    if let Some(webhook) = order.webhook {
        body["webhook"] = webhook.into();
        body["webhook_events_filter"] = json!(["completed"]);
    }
    let request = endpoint.request("POST", &path).json(&body);
    match order.options.mode {
        Mode::Wait => request.header("prefer", LONGEST_WAIT),
        Mode::Submit | Mode::Collect => request,
    }
}

fn input(endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Map<String, Value>, StepError> {
    let options = order.options;
    let mut input = wire::fields([
        ("prompt", order.prompt.map(Value::from)),
        ("negative_prompt", order.negative_prompt.map(Value::from)),
        ("seed", order.seed.map(Value::from)),
        ("num_outputs", (order.options.count > 1).then(|| order.options.count.into())),
        ("aspect_ratio", options.aspect_ratio.clone().map(Value::from)),
        ("output_format", options.format.map(|format| format.name().into())),
    ]);
    match order.images {
        [] => {}
        [image] => _ = input.insert(order.image_field.into(), uploaded(endpoint, image)?),
        images => {
            let urls = images.iter().map(|image| uploaded(endpoint, image)).collect::<Result<_, _>>()?;
            input.insert(order.image_field.into(), Value::Array(urls));
        }
    }
    if let Some(mask) = order.mask {
        input.insert("mask".into(), uploaded(endpoint, mask)?);
    }
    input.extend(endpoint.extra().clone());
    Ok(input)
}

/// Files go ahead of the prediction, which names their addresses. Replicate forgets them after a day.
fn uploaded(endpoint: &Endpoint<'_>, image: &Blob) -> Result<Value, StepError> {
    let form = Multipart::new().blob("content", &media::file_name(image, "image"), image);
    let file = endpoint.send(endpoint.request("POST", "/files").multipart(form))?;
    match wire::text(&file, "/urls/get") {
        Some(url) => Ok(url.into()),
        None => Err(endpoint.misfit("the file that was sent has no address")),
    }
}

fn progress(endpoint: &Endpoint<'_>, prediction: &Value) -> Result<Progress, StepError> {
    match wire::text(prediction, "/status").unwrap_or_default() {
        "succeeded" => {
            // An official model is paid by the image, whether it can be fetched or not.
            let model = wire::text(prediction, "/model").unwrap_or(endpoint.model());
            let urls = addresses(prediction.get("output").unwrap_or(&Value::Null));
            paid_by_image(endpoint, model, urls.len());
            let images = fetched(endpoint, &urls)?;
            match images.is_empty() {
                true => Err(none_made(endpoint)),
                false => Ok(Progress::Done(Made { model: model.into(), images })),
            }
        }
        "failed" | "canceled" | "aborted" => Err(failed(endpoint, prediction)),
        status => Ok(Progress::Pending { status: status.into(), retry_after: None }),
    }
}

/// One address, a list of them, or an object whose values are some.
fn addresses(output: &Value) -> Vec<String> {
    match output {
        Value::String(url) => vec![url.clone()],
        Value::Array(list) => list.iter().flat_map(addresses).collect(),
        Value::Object(fields) => fields.values().flat_map(addresses).collect(),
        _ => Vec::new(),
    }
}

fn failed(endpoint: &Endpoint<'_>, prediction: &Value) -> StepError {
    let told = wire::text(prediction, "/error").unwrap_or("it does not say why");
    let lower = told.to_ascii_lowercase();
    let is_refusal = ["nsfw", "sensitive", "safety", "flagged"].iter().any(|word| lower.contains(word));
    let status = wire::text(prediction, "/status").unwrap_or_default();
    let cause = if status == "failed" && is_refusal { Cause::Refused } else { Cause::JobFailed };
    endpoint.failure(cause, &format!("the prediction {} is {status}: {told}", id(prediction)))
}

/// Another attempt would buy the same image again.
fn unfinished(endpoint: &Endpoint<'_>, job: &Job, status: &str) -> StepError {
    let reason = format!(
        "the prediction {} is {status} after a minute: with `mode` `submit` it can be collected later",
        job.id
    );
    let mut error = endpoint.failure(Cause::JobUnfinished, &reason);
    if let Some(Value::Object(detail)) = &mut error.detail {
        detail.insert("job".into(), json!(job));
    }
    error
}
