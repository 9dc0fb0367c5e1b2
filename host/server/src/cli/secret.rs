//! `stepwell secret`: values go in and never come out.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a secret, in place of an older value. The value is read from standard input.
    Set {
        /// Its name: letters, digits and _.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the names of the secrets.
    List {
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn secret(command: SecretCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        SecretCommand::Set { name, connection } => set(&name, &Client::new(&connection)?, screen).await,
        SecretCommand::List { connection } => list(&Client::new(&connection)?, screen).await,
    }
}

async fn set(name: &str, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    if std::io::stdin().is_terminal() {
        screen.note(format_args!("Type or paste the value of {name}, then Enter and Ctrl-D:"));
    }
    let mut value = String::new();
    std::io::stdin()
        .read_to_string(&mut value)
        .map_err(|source| CliError::failed("reading the value from standard input", source))?;
    let value = value.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(CliError::Usage(format!(
            "no value: pipe it in, as in `printf %s \"$VALUE\" | stepwell secret set {name}`"
        )));
    }
    client.put(&format!("/v1/secrets/{name}"), &json!({"value": value})).await?;
    screen.data(&json!({"name": name}), || format!("{name} is set"))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let secrets = client.get("/v1/secrets").await?;
    screen.data(&secrets, || {
        let rows = secrets["secrets"].as_array().into_iter().flatten();
        screen::table(
            ["NAME", "CHANGED"],
            rows.map(|s| [screen::cell(&s["name"]), screen::cell(&s["changed_at"])]),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
