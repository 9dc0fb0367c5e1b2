//! `stepwell workflow rollback`, `canary`, `promote`: which version new runs get.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize as _;
use serde_json::{Value, json};
use stepwell_core::diff::Difference;
use stepwell_core::split::Percent;

use super::{diff, escape};
use crate::cli::{CliError, Client, Connection, Screen, screen};

/// What is tried, and on how many.
#[derive(Debug, Args)]
pub(crate) struct CanaryArgs {
    /// The workflow.
    name: String,
    /// A version that was applied and is not the current one.
    #[arg(required_unless_present = "off", conflicts_with = "off", requires = "percent")]
    version: Option<String>,
    /// Its share of new runs, 1 to 99.
    #[arg(long, value_name = "N", conflicts_with = "off")]
    percent: Option<Percent>,
    /// End the canary: every new run gets the current version.
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Goes back to a version, or to the one before.
pub(super) async fn rollback(
    name: &str,
    to: Option<String>,
    client: &Client,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let body = to.map_or_else(|| json!({}), |version| json!({"version": version}));
    let released = client.post(&path(name, "rollback"), &body).await?;
    show(&released, screen)
}

/// Makes the canary the current version.
pub(super) async fn promote(name: &str, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let released = client.post_nothing(&path(name, "promote")).await?;
    show(&released, screen)
}

/// Begins, changes or ends a canary.
pub(super) async fn canary(
    args: &CanaryArgs,
    client: &Client,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let path = path(&args.name, "canary");
    let rollout = match &args.version {
        Some(version) => client.put(&path, &json!({"version": version, "percent": args.percent})).await?,
        None => client.delete(&path).await?,
    };
    screen.data(&rollout, || {
        let (name, current) = (screen::cell(&rollout["name"]), screen::cell(&rollout["current"]));
        let canary = &rollout["canary"];
        match canary.is_null() {
            true => format!("every new run of {name} gets {current}"),
            false => format!(
                "{} % of new runs of {name} get {}, the others {current}",
                canary["percent"],
                screen::cell(&canary["version"])
            ),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn show(released: &Value, screen: &Screen) -> Result<ExitCode, CliError> {
    let difference = Difference::deserialize(&released["difference"])
        .map_err(|source| CliError::failed("reading what changes", source))?;
    screen.data(released, || {
        let [name, before, current] =
            ["name", "before", "current"].map(|field| screen::cell(&released[field]));
        if before == current {
            return format!("{name}@{current} is the current version already");
        }
        format!("new runs of {name} get {current} instead of {before}\n{}", diff::describe(&difference))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn path(name: &str, what: &str) -> String {
    format!("/v1/workflows/{}/{what}", escape(name))
}
