//! Work that a provider does after it has answered. A step does not wait for it by asking again and again: it hands the job on, and whoever
//! is told of its end, or comes back later, collects the result.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwell_sdk::StepError;

use super::{Image, Made, Options, Outcome};
use crate::{Cause, Endpoint};

/// What becomes of a provider's job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The output has the images: of providers that answer with them, and of Replicate, which holds its answer for up to a minute.
    #[default]
    Wait,
    /// The output has the job, once the provider has taken it.
    Submit,
    /// The output has the images of a job that was submitted before: it stands in the input's `job`.
    Collect,
}

/// What a job that has not ended means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenPending {
    /// An error that the node's `retry` tries again.
    #[default]
    Retry,
    /// An output whose `state` is `pending`, for the node's `until`.
    Report,
}

/// A job at a provider. What a provider posts to a callback is one, too: other fields are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// As the provider knows it.
    #[serde(alias = "task_id")]
    pub id: String,
    /// Where the provider tells of the job; made from the id where it is left out.
    #[serde(default, alias = "polling_url", skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
    /// How it ended, of what Black Forest Labs posts to a callback.
    #[serde(default, skip_serializing)]
    pub status: Option<String>,
    /// What came of it, of what Black Forest Labs posts to a callback.
    #[serde(default, skip_serializing)]
    pub result: Option<Value>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// It has ended well.
    Done(Made),
    /// It has not ended.
    Pending {
        /// As the provider calls it.
        status: String,
        /// When to ask again, where the provider says so.
        retry_after: Option<Duration>,
    },
}

/// What an image step answers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Whether there are images.
    pub state: State,
    /// The images, once there are some.
    pub images: Vec<Image>,
    /// The model that made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The job, until there are images: what a node that collects wants as its input's `job`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// How far the job is, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Whether there are images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There are.
    Done,
    /// The provider has taken the job.
    Submitted,
    /// The job has not ended.
    Pending,
}

impl Job {
    pub(super) fn check(&self, endpoint: &Endpoint<'_>) -> Result<(), StepError> {
        let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match !self.id.is_empty() && self.id.chars().all(is_id) {
            true => Ok(()),
            false => Err(endpoint.failure(Cause::BadRequest, &format!("`{}` is no job's id", self.id))),
        }
    }
}

impl Options {
    /// What a job that was asked for comes to.
    ///
    /// # Errors
    ///
    /// Where it has not ended and that is to be tried again.
    pub fn collected(
        &self,
        endpoint: &Endpoint<'_>,
        job: Job,
        progress: Progress,
    ) -> Result<Output, StepError> {
        let (status, retry_after) = match progress {
            Progress::Done(made) => return Ok(Output::from(Outcome::Made(made))),
            Progress::Pending { status, retry_after } => (status, retry_after),
        };
        if self.when_pending == WhenPending::Report {
            return Ok(Output {
                state: State::Pending,
                images: Vec::new(),
                model: None,
                job: Some(job),
                status: Some(status),
            });
        }
        let message = format!("{}: the job {} has not ended: {status}", endpoint.provider(), job.id);
        let after = retry_after.unwrap_or(Duration::from_millis(self.ask_again_ms));
        let detail = json!({"provider": endpoint.provider(), "cause": "job_pending", "job": job});
        Err(StepError::retryable_after(message, after).detail(detail))
    }
}

impl From<Outcome> for Output {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Made(Made { model, images }) => {
                Self { state: State::Done, images, model: Some(model), job: None, status: None }
            }
            Outcome::Started(job) => Self {
                state: State::Submitted,
                images: Vec::new(),
                model: None,
                job: Some(job),
                status: None,
            },
        }
    }
}
