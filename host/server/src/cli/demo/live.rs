//! `demo --live`: a real model in place of the stand-in.

use clap::Args;

use super::CliError;
use super::stand_ins::Model;

/// Which model answers.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// Ask a real model: needs OPENAI_API_KEY, and OPENAI_BASE_URL for any other compatible server.
    #[arg(long)]
    live: bool,
    /// The model's API key.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true, hide = true)]
    openai_api_key: Option<String>,
    /// Where the provider's API is.
    #[arg(long, env = "OPENAI_BASE_URL", hide = true, default_value = "https://api.openai.com/v1")]
    openai_base_url: String,
    /// The model to ask with --live, instead of the one that the workflow names.
    #[arg(long, value_name = "NAME", requires = "live")]
    model: Option<String>,
    /// How the server takes a JSON Schema, with --live.
    #[arg(long, value_name = "FORMAT", requires = "live", value_parser = ["json_schema", "json_object", "prompt"])]
    response_format: Option<String>,
}

/// A real model.
pub(super) struct Live {
    base_url: String,
    model: Option<String>,
    response_format: Option<String>,
    pub(super) key: String,
}

impl Live {
    /// For the workflow.
    pub(super) fn model(&self) -> Model<'_> {
        Model {
            url: &self.base_url,
            name: self.model.as_deref(),
            response_format: self.response_format.as_deref(),
        }
    }
}

impl LiveArgs {
    /// The real model that was asked for, if one was.
    pub(super) fn model(&self) -> Result<Option<Live>, CliError> {
        if !self.live {
            return Ok(None);
        }
        let key = self.openai_api_key.clone().filter(|key| !key.is_empty()).ok_or_else(|| {
            CliError::Usage(
                "--live asks a real model and needs its key: set OPENAI_API_KEY \
                 (and OPENAI_BASE_URL for a compatible server; any word does where the server wants no key)"
                    .to_owned(),
            )
        })?;
        let base_url = self.openai_base_url.trim_end_matches('/').to_owned();
        let (model, response_format) = (self.model.clone(), self.response_format.clone());
        Ok(Some(Live { base_url, model, response_format, key }))
    }
}
