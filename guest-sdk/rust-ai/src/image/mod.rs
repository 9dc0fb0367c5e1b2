//! Images: made from words, or from other images.
//!
//! Some providers answer with the images, others take a job and are asked for its result later. [`make`] does either; [`collect`] asks for a
//! job's result. Each provider's own words stand in the module of its name.

mod flux;
mod gemini;
mod imagen;
mod job;
mod openai;
mod options;
mod providers;
mod remove_bg;
mod replicate;
mod stability;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;
use stepwell_sdk::http;

use crate::{Cause, Endpoint, Used, media};

pub use crate::media::given_image;
pub use job::{Job, Mode, Output, Progress, State, WhenPending};
pub use options::{Background, Format, Options, Quality};
pub use providers::{Editor, Generator};

/// Whose API makes images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// OpenAI's `/images`, or a server's that has the same.
    Openai,
    /// Gemini's image models.
    Gemini,
    /// Google's Imagen, which does not take images.
    Imagen,
    /// Replicate's predictions.
    Replicate,
    /// Black Forest Labs' FLUX.
    BlackForestLabs,
    /// Stability's stable-image.
    Stability,
    /// remove.bg.
    RemoveBg,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Makes images from words.
    Generate,
    /// Changes an image as words say.
    Edit,
    /// Makes an image larger.
    Upscale,
    /// Leaves the foreground.
    RemoveBackground,
}

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// What is to be done.
    pub task: Task,
    /// What it should show, or how it should change.
    pub prompt: Option<&'a str>,
    /// What it should not show.
    pub negative_prompt: Option<&'a str>,
    /// The same seed gives the same image, as far as the provider keeps to it.
    pub seed: Option<u32>,
    /// What is changed, or shown to the model.
    pub images: &'a [Blob],
    /// Where the first image may change.
    pub mask: Option<&'a Blob>,
    /// How it should look, how many there should be, and how they are come by.
    pub options: &'a Options,
    /// Where the provider should tell that a job has ended.
    pub webhook: Option<&'a str>,
    /// What the model on Replicate calls the field with the image.
    pub image_field: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The images.
    Made(Made),
    /// A job, whose result is to be asked for.
    Started(Job),
}

/// Images that were made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The model, as the provider names it.
    pub model: String,
    /// At least one.
    pub images: Vec<Image>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Image {
    /// Its bytes.
    pub image: Blob,
    /// What it was made with, where the provider tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The prompt as the provider rewrote it, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
}

impl Image {
    fn new(image: Blob) -> Self {
        Self { image, seed: None, revised_prompt: None }
    }
}

/// Does what is ordered, or starts a job that does.
///
/// # Errors
///
/// The provider's; when it cannot do this, or has no such option; a job that is to be waited for and did not end in time.
pub fn make(maker: Maker, endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<Outcome, StepError> {
    options::check(maker, endpoint, order)?;
    let made = match maker {
        Maker::Openai => openai::make(endpoint, order),
        Maker::Gemini => gemini::make(endpoint, order),
        Maker::Imagen => imagen::make(endpoint, order),
        Maker::RemoveBg => remove_bg::make(endpoint, order),
        Maker::Stability if stability::is_job(endpoint) => {
            return stability::start(endpoint, order).map(Outcome::Started);
        }
        Maker::Stability => stability::make(endpoint, order),
        Maker::Replicate => return replicate::make(endpoint, order),
        Maker::BlackForestLabs => return flux::start(endpoint, order).map(Outcome::Started),
    }?;
    Ok(Outcome::Made(made))
}

/// Asks for a job's result.
///
/// # Errors
///
/// The provider's; when it starts no jobs, or the job failed.
pub fn collect(maker: Maker, endpoint: &Endpoint<'_>, job: &Job) -> Result<Progress, StepError> {
    job.check(endpoint)?;
    match maker {
        Maker::Replicate => replicate::collect(endpoint, job),
        Maker::BlackForestLabs => flux::collect(endpoint, job),
        Maker::Stability => stability::collect(endpoint, job),
        Maker::Openai | Maker::Gemini | Maker::Imagen | Maker::RemoveBg => {
            Err(endpoint.failure(Cause::BadRequest, "it starts no jobs: there is nothing to collect"))
        }
    }
}

/// Images that the provider answered with addresses of. They are fetched without the key: it is not for whoever keeps them.
fn fetched(endpoint: &Endpoint<'_>, urls: &[String]) -> Result<Vec<Image>, StepError> {
    urls.iter().map(|url| fetch(endpoint, url).map(Image::new)).collect()
}

fn fetch(endpoint: &Endpoint<'_>, url: &str) -> Result<Blob, StepError> {
    let mut request = http::get(url);
    request.timeout = endpoint.timeout;
    media::checked_image(endpoint, endpoint.keep(request)?)
}

/// By the image, whatever the size.
fn paid_by_image(endpoint: &Endpoint<'_>, model: &str, count: usize) {
    endpoint.record(model, Used { units: count as f64, ..Used::default() });
}

fn none_made(endpoint: &Endpoint<'_>) -> StepError {
    endpoint.failure(Cause::Empty, "it holds no image")
}
