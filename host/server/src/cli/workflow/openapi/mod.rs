//! `stepwell workflow openapi`: the HTTP triggers of workflows as an API of their own, in OpenAPI 3.1.
//!
//! What a trigger reads of a request is read off the expressions of its `input`, where these are plain: `{{ request.body.subject }}`.

mod asked;
mod operation;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use self::operation::Paths;
use crate::cli::lint::{self, Source};
use crate::cli::{CliError, Screen};

#[derive(Debug, Args)]
pub(crate) struct OpenApiArgs {
    /// Definitions in JSON or YAML.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the API is called.
    #[arg(long, default_value = "Workflows")]
    title: String,
    /// The API's version.
    #[arg(long = "api-version", value_name = "VERSION", default_value = "1.0.0")]
    version: String,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn openapi(args: &OpenApiArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let mut paths = Paths::default();
    for file in &args.files {
        let source = Source::read(file)?;
        let mistakes = lint::check_offline(source.definition());
        if !mistakes.is_empty() {
            screen.note(source.point_at(&mistakes));
            return Err(CliError::Mistakes { count: mistakes.len(), path: file.clone() });
        }
        paths.add(source.definition());
    }
    let text = format!("{:#}\n", document(&args.title, &args.version, &paths.into_object()));
    match &args.output {
        None => screen.line(text.trim_end())?,
        Some(path) => {
            std::fs::write(path, text).map_err(|source| CliError::file("write", path, source))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn document(title: &str, version: &str, paths: &Map<String, Value>) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Accepted": {
                    "type": "object",
                    "required": ["run_id", "status", "status_url"],
                    "properties": {
                        "run_id": {"type": "string", "format": "uuid"},
                        "status": {"type": "string"},
                        "status_url": {"type": "string"},
                    },
                },
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status"],
                    "properties": {
                        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    })
}
