//! `demo --live`: a real model in place of the stand-in.

use clap::Args;

use super::CliError;

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
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// A real model.
pub(super) struct Live {
    pub(super) base_url: String,
    pub(super) model: Option<String>,
    pub(super) key: String,
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
        Ok(Some(Live { base_url, model: self.model.clone(), key }))
    }
}
