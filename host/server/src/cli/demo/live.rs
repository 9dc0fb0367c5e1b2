//! `demo --live`: a real model in place of the stand-in.

use clap::Args;

use serde_json::{Value, json};

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
    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.base_url
    }

    /// Lets the node that classifies ask it, as the example's page says how to.
    pub(super) fn point_at(&self, workflow: &mut Value) {
        let Some(classify) = workflow.pointer_mut("/nodes/classify") else { return };
        let (host, path) = host_and_path(&self.base_url);
        let config = &mut classify["config"];
        config["base_url"] = json!(self.base_url);
        if host != "api.openai.com" {
            config["provider"] = json!("openai-compatible");
            config["api_key_secret"] = json!("OPENAI_API_KEY");
        }
        if let Some(name) = &self.model {
            config["model"] = json!(name);
        }
        if let Some(format) = &self.response_format {
            config["response_format"] = json!(format);
        }
        classify["grants"] = json!({
            "http": [{"host": host, "methods": ["POST"], "paths": [format!("{path}/chat/completions")]}],
            "secrets": {"OPENAI_API_KEY": [host]},
        });
    }
}

impl LiveArgs {
    /// An example's own page says which lines to change for a real model.
    pub(super) fn refuse_for(&self, example: &str) -> Result<(), CliError> {
        if !self.live {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "--live is for the demo without an example: examples/{example}/README.md says which lines to change for a real model"
        )))
    }

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

/// `http://127.0.0.1:8080/v1` is at `127.0.0.1:8080`, below `/v1`.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(slash) => (&rest[..slash], rest[slash..].trim_end_matches('/')),
        None => (rest, ""),
    }
}
