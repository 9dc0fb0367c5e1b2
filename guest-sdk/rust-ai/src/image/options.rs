//! What can be asked of an image, and which provider has which option. What a provider does not have is an error, and not left out in silence.

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use super::{Maker, Mode, Order, Task, WhenPending};
use crate::{Cause, Endpoint};

/// What a config says of the images and how they are come by. What is left out is the provider's choice.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Options {
    /// Width and height in pixels, `1024x1536`, or `auto`: of OpenAI and Black Forest Labs.
    #[schemars(regex(pattern = "^(auto|[0-9]{2,5}x[0-9]{2,5})$"))]
    pub size: Option<String>,
    /// Width to height, `16:9`: of the other providers.
    #[schemars(regex(pattern = "^[0-9]{1,3}:[0-9]{1,3}$"))]
    pub aspect_ratio: Option<String>,
    /// OpenAI's, which decides on the price.
    pub quality: Option<Quality>,
    /// The file's format.
    pub format: Option<Format>,
    /// OpenAI's.
    pub background: Option<Background>,
    /// How many images to make. 1 where it is left out.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10))]
    pub count: u32,
    /// Whether the node gets images, starts a job, or collects what came of one.
    #[serde(default)]
    pub mode: Mode,
    /// What a job that has not ended means when it is collected.
    #[serde(default)]
    pub when_pending: WhenPending,
    /// Milliseconds until a job that has not ended is asked for again, where the provider does not say. 5,000 where it is left out.
    #[serde(default = "five_seconds")]
    pub ask_again_ms: u64,
}

fn one() -> u32 {
    1
}

fn five_seconds() -> u64 {
    5000
}

/// How much work goes into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The model's choice.
    Auto,
    /// Quick and cheap.
    Low,
    /// In between.
    Medium,
    /// The best.
    High,
    /// Of DALL-E 2 and 3.
    Standard,
    /// The better one of DALL-E 3.
    Hd,
}

/// The file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

/// What is behind what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// The model's choice.
    Auto,
    /// Nothing: the format must be PNG or WebP.
    Transparent,
    /// Something.
    Opaque,
}

impl Quality {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Standard => "standard",
            Self::Hd => "hd",
        }
    }
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }
}

impl Background {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Transparent => "transparent",
            Self::Opaque => "opaque",
        }
    }
}

/// Whether the provider can do what is ordered, with everything that is asked for.
pub(super) fn check(maker: Maker, endpoint: &Endpoint<'_>, order: &Order<'_>) -> Result<(), StepError> {
    let mode = order.options.mode;
    let refuse = |reason: &str| Err(endpoint.failure(Cause::BadRequest, reason));
    if !can(maker, order.task) {
        return refuse(&format!("it cannot {}", verb(order.task)));
    }
    if let Some((name, _)) = options(order).into_iter().find(|(name, is_set)| *is_set && !has(maker, name)) {
        return refuse(&format!(
            "it has no `{name}`: leave it out, or say it in `extra` as its own API calls it"
        ));
    }
    if order.webhook.is_some() && mode != Mode::Submit {
        return refuse("a `webhook` is told of a job's end: it needs `mode` to be `submit`");
    }
    match mode {
        Mode::Submit if !starts_jobs(maker, endpoint) => {
            refuse("it answers with the image and starts no job: `mode` must be `wait`")
        }
        Mode::Wait if starts_jobs(maker, endpoint) && maker != Maker::Replicate => refuse(
            "it starts a job and does not wait for it: `mode` must be `submit`, and a later node collects the result",
        ),
        Mode::Wait | Mode::Submit | Mode::Collect => Ok(()),
    }
}

fn starts_jobs(maker: Maker, endpoint: &Endpoint<'_>) -> bool {
    match maker {
        Maker::Replicate | Maker::BlackForestLabs => true,
        Maker::Stability => super::stability::is_job(endpoint),
        Maker::Openai | Maker::Gemini | Maker::Imagen | Maker::RemoveBg => false,
    }
}

fn can(maker: Maker, task: Task) -> bool {
    match maker {
        Maker::Replicate | Maker::Stability => true,
        Maker::Openai | Maker::Gemini | Maker::BlackForestLabs => matches!(task, Task::Generate | Task::Edit),
        Maker::Imagen => task == Task::Generate,
        Maker::RemoveBg => task == Task::RemoveBackground,
    }
}

fn verb(task: Task) -> &'static str {
    match task {
        Task::Generate => "make images from words",
        Task::Edit => "edit images",
        Task::Upscale => "upscale images",
        Task::RemoveBackground => "remove backgrounds",
    }
}

fn options(order: &Order<'_>) -> [(&'static str, bool); 9] {
    let options = order.options;
    [
        ("negative_prompt", order.negative_prompt.is_some()),
        ("seed", order.seed.is_some()),
        ("mask", order.mask.is_some()),
        ("size", options.size.is_some()),
        ("aspect_ratio", options.aspect_ratio.is_some()),
        ("quality", options.quality.is_some()),
        ("format", options.format.is_some()),
        ("background", options.background.is_some()),
        ("webhook", order.webhook.is_some()),
    ]
}

fn has(maker: Maker, option: &str) -> bool {
    let options: &[&str] = match maker {
        Maker::Openai => &["mask", "size", "quality", "format", "background"],
        Maker::Gemini | Maker::Imagen => &["aspect_ratio"],
        Maker::Replicate => &["negative_prompt", "seed", "aspect_ratio", "format", "mask", "webhook"],
        Maker::BlackForestLabs => &["seed", "size", "aspect_ratio", "format", "webhook"],
        Maker::Stability => &["negative_prompt", "seed", "aspect_ratio", "format", "mask"],
        Maker::RemoveBg => &["format"],
    };
    options.contains(&option)
}
