//! Changes an image as words say, makes it larger, or removes its background. Images come and go as blobs; a provider that takes its time
//! takes a job, whose result a later node collects.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use stepwell_ai::image::{self, Editor, Job, Mode, Options, Order, Output, Task};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

type Config = stepwell_ai::Config<Editor, Own>;

/// What is to be done, and what holds for all images.
#[derive(JsonSchema)]
struct Own {
    #[schemars(flatten)]
    editing: Editing,
    #[schemars(flatten)]
    options: Options,
}

/// What is to be done.
#[derive(Deserialize, JsonSchema)]
struct Editing {
    /// What is to be done.
    #[serde(default)]
    operation: Operation,
    /// What the model on Replicate calls the field that takes the image: `input_image` for `edit` where it is left out, else `image`.
    image_field: Option<String>,
}

/// As [`stepwell_ai::Config`] does it: serde's own flattening doubles the component's code.
impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Map::<String, Value>::deserialize(deserializer)?;
        let editing = Editing::deserialize(&whole).map_err(D::Error::custom)?;
        Ok(Self { editing, options: Options::deserialize(&whole).map_err(D::Error::custom)? })
    }
}

/// What is to be done with an image.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Operation {
    /// Change it as the prompt says.
    #[default]
    Edit,
    /// Make it larger.
    Upscale,
    /// Leave the foreground, on nothing.
    RemoveBackground,
}

/// The image and what to do with it, or the job to collect.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The image.
    image: Option<Blob>,
    /// Further images that the model is shown, to `edit`.
    #[serde(default)]
    images: Vec<Blob>,
    /// Where the image may change: of OpenAI, Stability and Replicate. With OpenAI the transparent pixels of a PNG of the image's size, with Stability
    /// the white ones.
    mask: Option<Blob>,
    /// How it should change. Required to `edit`.
    prompt: Option<String>,
    /// What it should not show: of Stability and Replicate.
    negative_prompt: Option<String>,
    /// The same seed gives the same image: of Stability, Replicate and Black Forest Labs.
    seed: Option<u32>,
    /// With `mode: submit`: where the provider tells that the job has ended, such as a callback's URL. Of Replicate and Black Forest Labs.
    webhook: Option<String>,
    /// With `mode: collect`: the job, as this step or the provider gave it.
    job: Option<Job>,
}

#[stepwell_sdk::step(http = "sends the image to the provider's API and fetches what came of it")]
fn image_edit(mut input: Input, mut config: Config) -> Result<Output, StepError> {
    let task = config.step.editing.operation.task();
    let editor = config.provider.provider;
    if config.provider.model.is_none() && config.step.options.mode != Mode::Collect {
        config.provider.model = editor.model_for(task)?.map(str::to_owned);
    }
    let endpoint = config.provider.endpoint()?;
    if config.step.options.mode == Mode::Collect {
        let job = input.job.ok_or_else(|| StepError::invalid_input("to collect, give the `job`"))?;
        let progress = image::collect(editor.maker(), &endpoint, &job)?;
        return config.step.options.collected(&endpoint, job, progress);
    }
    let images = images(&mut input, task)?;
    let usual_field = if task == Task::Edit { "input_image" } else { "image" };
    let order = Order {
        task,
        prompt: input.prompt.as_deref(),
        negative_prompt: input.negative_prompt.as_deref(),
        seed: input.seed,
        images: &images,
        mask: input.mask.as_ref(),
        options: &config.step.options,
        webhook: input.webhook.as_deref(),
        image_field: config.step.editing.image_field.as_deref().unwrap_or(usual_field),
    };
    image::make(editor.maker(), &endpoint, &order).map(Output::from)
}

impl Operation {
    fn task(self) -> Task {
        match self {
            Self::Edit => Task::Edit,
            Self::Upscale => Task::Upscale,
            Self::RemoveBackground => Task::RemoveBackground,
        }
    }
}

/// The image and those beside it, once it is known that they can be sent. What they are called counts for nothing: they are what their bytes are.
fn images(input: &mut Input, task: Task) -> Result<Vec<Blob>, StepError> {
    let Some(image) = input.image.take() else {
        return Err(StepError::invalid_input("`image` is missing: there is nothing to change"));
    };
    if task == Task::Edit && input.prompt.as_deref().is_none_or(|prompt| prompt.trim().is_empty()) {
        return Err(StepError::invalid_input("`prompt` is missing or empty: it says what to change"));
    }
    if task != Task::Edit && !input.images.is_empty() {
        return Err(StepError::invalid_input("`images` are for `edit`: this operation takes one `image`"));
    }
    if let Some(mask) = &mut input.mask {
        *mask = image::given_image("mask", mask)?;
    }
    let mut images = vec![image::given_image("image", &image)?];
    for (index, image) in input.images.iter().enumerate() {
        images.push(image::given_image(&format!("images/{index}"), image)?);
    }
    Ok(images)
}
