//! `stepwell workflow`: definitions from files to the server, and back.

mod diff;
mod graph;
mod openapi;
mod release;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use stepwell_core::split::Percent;

use self::release::CanaryArgs;
use super::lint::{self, Source};
use super::{CliError, Client, Connection, Screen, screen, workflow_test};

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Check a definition without a server: everything but what only the published steps can tell.
    Lint {
        /// A definition in JSON or YAML.
        file: PathBuf,
    },
    /// Show what follows on what; with --svg, as a picture.
    Graph(graph::GraphArgs),
    /// Write the OpenAPI document of workflows' HTTP triggers.
    Openapi(openapi::OpenApiArgs),
    /// Run a workflow against a test file, in this process and without a network; with --chaos, through crashes and faults.
    Test(workflow_test::TestArgs),
    /// Check a definition against the published steps and make it the workflow's current version.
    Apply {
        /// A definition in JSON or YAML.
        file: PathBuf,
        /// Make it the canary instead, with so many percent of new runs, 1 to 99.
        #[arg(long, value_name = "PERCENT")]
        canary: Option<Percent>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what changes from one definition to another, new permissions first.
    ///
    /// Each is `NAME` (its current version), `NAME@VERSION` or a file. A file is compared by the ranges of its steps, applied
    /// versions by what they are locked to. Exits with 0 if nothing changes, 1 if something does, 2 if that cannot be told.
    Diff {
        /// What it was.
        #[arg(value_name = "A")]
        from: String,
        /// What it is.
        #[arg(value_name = "B")]
        to: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Make an older version the current one again, as it was kept.
    Rollback {
        /// The workflow.
        name: String,
        /// Which version; without it, the one that was current before.
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Try a version that was applied on a share of new runs.
    Canary(CanaryArgs),
    /// Make the canary the current version.
    Promote {
        /// The workflow.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the workflows.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Show a workflow's definition and what its steps are locked to.
    Show {
        /// The workflow.
        name: String,
        /// Which version; without it, the current one.
        #[arg(long)]
        version: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn workflow(command: WorkflowCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        WorkflowCommand::Lint { file } => lint_file(&file, screen),
        WorkflowCommand::Graph(args) => graph::graph(&args, screen),
        WorkflowCommand::Openapi(args) => openapi::openapi(&args, screen),
        WorkflowCommand::Test(args) => workflow_test::test(args, screen).await,
        WorkflowCommand::Apply { file, canary, connection } => {
            apply(&file, canary, &Client::new(&connection)?, screen).await
        }
        WorkflowCommand::Diff { from, to, connection } => {
            Ok(diff::diff(&from, &to, &Client::new(&connection)?, screen).await)
        }
        WorkflowCommand::Rollback { name, to, connection } => {
            release::rollback(&name, to, &Client::new(&connection)?, screen).await
        }
        WorkflowCommand::Canary(args) => {
            release::canary(&args, &Client::new(&args.connection)?, screen).await
        }
        WorkflowCommand::Promote { name, connection } => {
            release::promote(&name, &Client::new(&connection)?, screen).await
        }
        WorkflowCommand::List { connection } => list(&Client::new(&connection)?, screen).await,
        WorkflowCommand::Show { name, version, connection } => {
            show(&name, version, &Client::new(&connection)?, screen).await
        }
    }
}

fn lint_file(file: &Path, screen: &Screen) -> Result<ExitCode, CliError> {
    let source = Source::read(file)?;
    let mistakes = lint::check_offline(source.definition());
    if mistakes.is_empty() {
        let verdict = json!({"file": file, "mistakes": []});
        screen.data(&verdict, || format!("{}: no mistakes", file.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if screen.is_json() {
        screen.data(&json!({"file": file, "mistakes": mistakes}), String::new)?;
        return Ok(ExitCode::FAILURE);
    }
    screen.note(source.point_at(&mistakes));
    Err(CliError::Mistakes { count: mistakes.len(), path: file.to_owned() })
}

async fn apply(
    file: &Path,
    canary: Option<Percent>,
    client: &Client,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let source = Source::read(file)?;
    let name = source.definition()["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(CliError::Usage(format!(
            "`{}` has no name: add \"name\": \"my-workflow\"",
            file.display()
        )));
    }
    let share = canary.map(|percent| format!("?canary={}", u64::from(percent))).unwrap_or_default();
    let path = format!("/v1/workflows/{}{share}", escape(&name));
    let applied = match client.put(&path, source.definition()).await {
        Err(CliError::Problem(problem)) if problem["mistakes"].is_array() && !screen.is_json() => {
            return Err(show_mistakes(&source, file, &problem, screen));
        }
        other => other?,
    };
    screen.data(&applied, || {
        let share = canary.map(|percent| format!(" to {percent} of new runs")).unwrap_or_default();
        format!("{}@{} is applied{share}", screen::cell(&applied["name"]), screen::cell(&applied["version"]))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The server's mistakes, shown where they stand in the file.
fn show_mistakes(source: &Source, file: &Path, problem: &Value, screen: &Screen) -> CliError {
    match serde_json::from_value::<Vec<_>>(problem["mistakes"].clone()) {
        Ok(mistakes) => {
            screen.note(source.point_at(&mistakes));
            CliError::Mistakes { count: mistakes.len(), path: file.to_owned() }
        }
        Err(_) => CliError::Problem(Box::new(problem.clone())),
    }
}

async fn list(client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let workflows = client.get("/v1/workflows").await?;
    screen.data(&workflows, || {
        let rows = workflows["workflows"].as_array().into_iter().flatten();
        let row = |w: &Value| {
            let [name, version, since] =
                ["name", "current", "applied_at"].map(|field| screen::cell(&w[field]));
            [name, version, since, canary_cell(&w["canary"])]
        };
        screen::table(["NAME", "VERSION", "SINCE", "CANARY"], rows.map(row))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn canary_cell(canary: &Value) -> String {
    match canary.is_null() {
        true => String::new(),
        false => format!("{} ({} %)", screen::cell(&canary["version"]), canary["percent"]),
    }
}

async fn show(
    name: &str,
    version: Option<String>,
    client: &Client,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let query: Vec<_> = version.into_iter().map(|version| ("version", version)).collect();
    let workflow = client.get_with(&format!("/v1/workflows/{}", escape(name)), &query).await?;
    screen.data(&workflow, || format!("{workflow:#}"))?;
    Ok(ExitCode::SUCCESS)
}

/// A name as one segment of a path, whatever was typed.
pub(super) fn escape(segment: &str) -> String {
    url::form_urlencoded::byte_serialize(segment.as_bytes()).collect::<String>().replace('+', "%20")
}
