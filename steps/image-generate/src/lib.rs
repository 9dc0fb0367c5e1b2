//! Makes images from words. They travel as blobs; a provider that takes its time takes a job, whose result a later node collects.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_ai::image::{self, Generator, Job, Mode, Options, Order, Output, Task};
use stepwell_sdk::StepError;

type Config = stepwell_ai::Config<Generator, Options>;

/// What the image should show, or the job to collect.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What it should show.
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

#[stepwell_sdk::step(http = "sends the prompt to the provider's image API and fetches the images")]
fn image_generate(input: Input, config: Config) -> Result<Output, StepError> {
    let endpoint = config.provider.endpoint()?;
    let maker = config.provider.provider.maker(endpoint.model());
    if config.step.mode == Mode::Collect {
        let job = input.job.ok_or_else(|| StepError::invalid_input("to collect, give the `job`"))?;
        let progress = image::collect(maker, &endpoint, &job)?;
        return config.step.collected(&endpoint, job, progress);
    }
    let Some(prompt) = input.prompt.as_deref().filter(|prompt| !prompt.trim().is_empty()) else {
        return Err(StepError::invalid_input("`prompt` is missing or empty: there is nothing to show"));
    };
    let order = Order {
        task: Task::Generate,
        prompt: Some(prompt),
        negative_prompt: input.negative_prompt.as_deref(),
        seed: input.seed,
        images: &[],
        mask: None,
        options: &config.step,
        webhook: input.webhook.as_deref(),
        image_field: "image",
    };
    image::make(maker, &endpoint, &order).map(Output::from)
}
