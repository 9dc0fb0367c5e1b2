//! Who makes images, and who changes them: what a config may name.

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;

use super::{Maker, Task};
use crate::{Api, Vendor, Work};

/// Who makes images from words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// OpenAI.
    #[default]
    Openai,
    /// Any server that has OpenAI's `/images/generations`.
    OpenaiCompatible,
    /// Google's Gemini and Imagen.
    Gemini,
    /// Replicate: a model (`owner/name`) or a version of one.
    Replicate,
    /// Black Forest Labs: always a job.
    BlackForestLabs,
    /// Stability AI.
    Stability,
}

/// Who changes images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Editor {
    /// OpenAI: edits.
    #[default]
    Openai,
    /// Any server that has OpenAI's `/images/edits`.
    OpenaiCompatible,
    /// Google's Gemini: edits.
    Gemini,
    /// Replicate: whatever its models do.
    Replicate,
    /// Black Forest Labs: edits, always as a job.
    BlackForestLabs,
    /// Stability AI: edits, upscales, removes backgrounds.
    Stability,
    /// remove.bg: removes backgrounds.
    RemoveBg,
}

impl Generator {
    /// Whose API that is, with that model.
    #[must_use]
    pub fn maker(self, model: &str) -> Maker {
        match self {
            Self::Openai | Self::OpenaiCompatible => Maker::Openai,
            Self::Gemini if model.starts_with("imagen") => Maker::Imagen,
            Self::Gemini => Maker::Gemini,
            Self::Replicate => Maker::Replicate,
            Self::BlackForestLabs => Maker::BlackForestLabs,
            Self::Stability => Maker::Stability,
        }
    }
}

impl Vendor for Generator {
    const WORK: Work = Work::IMAGE_GENERATE;

    fn api(self) -> Api {
        match self {
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Gemini => Api::GEMINI,
            Self::Replicate => Api::REPLICATE,
            Self::BlackForestLabs => Api::BLACK_FOREST_LABS,
            Self::Stability => Api::STABILITY,
        }
    }
}

impl Editor {
    /// Whose API that is.
    #[must_use]
    pub fn maker(self) -> Maker {
        match self {
            Self::Openai | Self::OpenaiCompatible => Maker::Openai,
            Self::Gemini => Maker::Gemini,
            Self::Replicate => Maker::Replicate,
            Self::BlackForestLabs => Maker::BlackForestLabs,
            Self::Stability => Maker::Stability,
            Self::RemoveBg => Maker::RemoveBg,
        }
    }

    /// The model for a task, where the table's default of the provider is not it.
    ///
    /// # Errors
    ///
    /// Where the provider has none that everybody would take.
    pub fn model_for(self, task: Task) -> Result<Option<&'static str>, StepError> {
        match (self, task) {
            (Self::Stability, Task::Upscale) => Ok(Some("upscale/fast")),
            (Self::Stability, Task::RemoveBackground) => Ok(Some("edit/remove-background")),
            (Self::Replicate, Task::Upscale | Task::RemoveBackground) => Err(StepError::permanent(
                "`config.model` is required with the provider `replicate` for this operation: a version, such as `nightmareai/real-esrgan:<version>`",
            )),
            _ => Ok(None),
        }
    }
}

impl Vendor for Editor {
    const WORK: Work = Work::IMAGE_EDIT;

    fn api(self) -> Api {
        match self {
            Self::Openai => Api::OPENAI,
            Self::OpenaiCompatible => Api::OPENAI_COMPATIBLE,
            Self::Gemini => Api::GEMINI,
            Self::Replicate => Api::REPLICATE,
            Self::BlackForestLabs => Api::BLACK_FOREST_LABS,
            Self::Stability => Api::STABILITY,
            Self::RemoveBg => Api::REMOVE_BG,
        }
    }
}
