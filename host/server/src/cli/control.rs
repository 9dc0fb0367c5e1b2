//! `stepwell run cancel|pause|resume|signal|retry|approve|reject`: what is done to a run from outside.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::run::read_input;
use super::workflow::escape;
use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum ControlCommand {
    /// Cancel a run.
    Cancel {
        /// The run.
        id: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        /// Let what is in flight go on so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        grace: u64,
        /// Undo what succeeded, where its node says how.
        #[arg(long)]
        compensate: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Pause a run: what is in flight ends, and nothing starts.
    Pause {
        /// The run.
        id: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Let a paused run go on.
    Resume {
        /// The run.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Send a run a signal.
    Signal {
        /// The run.
        id: String,
        /// The signal's name, which a node with `wait` names too.
        name: String,
        /// What comes with it: JSON, `@FILE`, or `-` for standard input.
        #[arg(long, default_value = "null", value_name = "JSON|@FILE|-")]
        payload: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Let a run that has ended go on, or do it again.
    Retry {
        /// The run.
        id: String,
        /// From what failed (`failed`), from the beginning (`start`), or from a node and all behind it.
        #[arg(long, default_value = "failed")]
        from: String,
        /// Start a new run from the beginning, with the version that new runs get.
        #[arg(long)]
        latest: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Approve what a run asks.
    Approve(Decision),
    /// Reject what a run asks.
    Reject(Decision),
}

/// A decision.
#[derive(Debug, Args)]
pub(crate) struct Decision {
    /// The run.
    id: String,
    /// The node that asks.
    node: String,
    /// In your words; the journal keeps it.
    #[arg(long)]
    comment: Option<String>,
    /// The form's fields: JSON, `@FILE`, or `-` for standard input.
    #[arg(long, default_value = "null", value_name = "JSON|@FILE|-")]
    form: String,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn control(command: ControlCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        ControlCommand::Cancel { id, reason, grace, compensate, connection } => {
            let mut body = json!({"grace_seconds": grace, "compensate": compensate});
            put(&mut body, "reason", reason);
            let answer = post(&connection, &id, "cancel", &body).await?;
            let is_over = answer["status"] == "cancelled";
            screen.data(&answer, || match is_over {
                true => format!("{id} is cancelled"),
                false => format!("{id} will be cancelled"),
            })?;
        }
        ControlCommand::Pause { id, reason, connection } => {
            let mut body = json!({});
            put(&mut body, "reason", reason);
            let answer = post(&connection, &id, "pause", &body).await?;
            screen.data(&answer, || format!("{id} is paused"))?;
        }
        ControlCommand::Resume { id, connection } => {
            let answer = post(&connection, &id, "resume", &json!({})).await?;
            screen.data(&answer, || format!("{id} goes on"))?;
        }
        ControlCommand::Signal { id, name, payload, connection } => {
            let body = json!({"name": name, "payload": read_input(&payload)?});
            let answer = post(&connection, &id, "signals", &body).await?;
            screen.data(&answer, || format!("{id} has the signal `{name}`"))?;
        }
        ControlCommand::Retry { id, from, latest, connection } => {
            let from = if latest && from == "failed" { "start".to_owned() } else { from };
            let body = json!({"from": from, "on": if latest { "latest" } else { "pinned" }});
            let answer = post(&connection, &id, "retry", &body).await?;
            let run = screen::cell(&answer["run_id"]);
            screen.data(&answer, || match run == id {
                true => format!("{run} goes on"),
                false => format!("{run} is started in place of {id}"),
            })?;
        }
        ControlCommand::Approve(decision) => decide(decision, "approve", screen).await?,
        ControlCommand::Reject(decision) => decide(decision, "reject", screen).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(decision: Decision, verdict: &str, screen: &Screen) -> Result<(), CliError> {
    let Decision { id, node, comment, form, connection } = decision;
    let mut body = json!({"decision": verdict, "form": read_input(&form)?});
    put(&mut body, "comment", comment);
    let answer = post(&connection, &id, &format!("approvals/{}", escape(&node)), &body).await?;
    screen.data(&answer, || format!("`{node}` of {id}: {verdict}"))
}

async fn post(connection: &Connection, id: &str, what: &str, body: &Value) -> Result<Value, CliError> {
    Client::new(connection)?.post(&format!("/v1/runs/{}/{what}", escape(id)), body).await
}

fn put(body: &mut Value, name: &str, value: Option<String>) {
    if let Some(value) = value {
        body[name] = json!(value);
    }
}
