//! `stepwell step`: from an empty folder to a published component.

mod page;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use stepwell_core::digest::Digest;
use stepwell_toolchain::{BuildOptions, Component, build};

use super::toolchain::{self, blocking};
use super::workflow::escape;
use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum StepCommand {
    /// Make a folder that builds, tests and publishes as it is.
    New {
        /// The folder to make; its name becomes the step's.
        path: PathBuf,
    },
    /// Compile a step into a component.
    Build {
        /// The step's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Run a step's unit tests on this machine, without a sandbox.
    Test {
        /// The step's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Write a step's documentation from what it says of itself, its example and its `about.md`.
    Page {
        /// The step's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Write to this file instead of standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Publish a component, or a step's folder, which is built first.
    Publish {
        /// A component's file, or a step's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the published steps.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what a published step says of itself.
    Show {
        /// `name` or `name@version`.
        step: String,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn step(command: StepCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        StepCommand::New { path } => new(&path, screen)?,
        StepCommand::Build { path } => show_built(&build_folder(path, screen).await?, screen)?,
        StepCommand::Test { path } => return test(path, screen).await,
        StepCommand::Page { path, output } => page::page(&path, output.as_ref(), screen).await?,
        StepCommand::Publish { path, connection } => {
            publish(path, &Client::new(&connection)?, screen).await?
        }
        StepCommand::List { connection } => list(&Client::new(&connection)?, screen).await?,
        StepCommand::Show { step, connection } => show(&step, &Client::new(&connection)?, screen).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new(path: &Path, screen: &Screen) -> Result<(), CliError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new(""));
    let made = stepwell_toolchain::new_step(parent, &name)
        .map_err(|source| CliError::failed("making the step", source))?;
    screen.data(&json!({"name": name, "path": made}), || {
        let path = made.display();
        format!("{path} is a step. Next:\n\n  stepwell step test {path}\n  stepwell step publish {path}")
    })
}

pub(super) async fn build_folder(path: PathBuf, screen: &Screen) -> Result<Component, CliError> {
    let toolchain = toolchain::ready(screen).await?;
    let task = screen.task(format!("Building {}", path.display()));
    let (task, component) = blocking(task, move |task| {
        build(&toolchain, &path, &BuildOptions::default(), task)
            .map_err(|source| CliError::failed(format!("building `{}`", path.display()), source))
    })
    .await?;
    task.done(format_args!("{}@{}", component.name, component.version));
    Ok(component)
}

fn show_built(component: &Component, screen: &Screen) -> Result<(), CliError> {
    let built = json!({
        "name": component.name,
        "version": component.version.to_string(),
        "path": component.path,
        "size": component.bytes.len(),
        "digest": Digest::of(&component.bytes),
    });
    screen.data(&built, || component.path.display().to_string())
}

async fn test(path: PathBuf, screen: &Screen) -> Result<ExitCode, CliError> {
    let task = screen.task(format!("Testing {}", path.display()));
    let (task, ()) = blocking(task, move |task| {
        stepwell_toolchain::test(&path, task)
            .map_err(|source| CliError::failed(format!("testing `{}`", path.display()), source))
    })
    .await?;
    task.done("passed");
    screen.data(&json!({"passed": true}), String::new)?;
    Ok(ExitCode::SUCCESS)
}

async fn publish(path: PathBuf, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let component = if path.is_dir() { build_folder(path, screen).await?.bytes } else { read(&path)? };
    let step = publish_bytes(client, component).await?;
    screen.data(&step, || describe_published(&step))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::file("read", path, source))
}

fn describe_published(step: &Value) -> String {
    let effects =
        if step["effect_free"] == true { "free of effects, as its imports prove" } else { "with effects" };
    let (name, version) = (screen::cell(&step["name"]), screen::cell(&step["version"]));
    format!("{name}@{version} is published, {effects}\n{}", screen::cell(&step["digest"]))
}

/// Publishes a component; the same one again changes nothing.
pub(super) async fn publish_bytes(client: &Client, component: Vec<u8>) -> Result<Value, CliError> {
    client.post_bytes("/v1/steps", "application/wasm", component).await
}

async fn list(client: &Client, screen: &Screen) -> Result<(), CliError> {
    let steps = client.get("/v1/steps").await?;
    screen.data(&steps, || {
        let rows = steps["steps"].as_array().into_iter().flatten();
        let row = |step: &Value| {
            ["name", "version", "effect_free", "summary"].map(|field| screen::cell(&step[field]))
        };
        screen::table(["NAME", "VERSION", "EFFECT-FREE", "SUMMARY"], rows.map(row))
    })
}

async fn show(step: &str, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let path = match step.split_once('@') {
        Some((name, version)) => format!("/v1/steps/{}/{}", escape(name), escape(version)),
        None => format!("/v1/steps/{}", escape(step)),
    };
    let manifest = client.get(&path).await?;
    screen.data(&manifest, || format!("{manifest:#}"))
}
