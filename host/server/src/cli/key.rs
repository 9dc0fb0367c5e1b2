//! `stepwell key`: API keys, each shown once.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. It is shown once, on standard output.
    Create {
        /// What people call it.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the keys, without their secret part.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke a key, at once.
    Revoke {
        /// The key's id, as listed.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn key(command: KeyCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        KeyCommand::Create { name, connection } => create(&name, &Client::new(&connection)?, screen).await,
        KeyCommand::List { connection } => list(&Client::new(&connection)?, screen).await,
        KeyCommand::Revoke { id, connection } => revoke(&id, &Client::new(&connection)?, screen).await,
    }
}

async fn create(name: &str, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let key = client.post("/v1/keys", &json!({"name": name})).await?;
    screen.note("Keep this key: it is shown once.");
    screen.data(&key, || screen::cell(&key["key"]))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let keys = client.get("/v1/keys").await?;
    screen.data(&keys, || {
        let rows = keys["keys"].as_array().into_iter().flatten();
        let row = |key: &serde_json::Value| {
            ["id", "name", "created_at", "revoked_at"].map(|field| screen::cell(&key[field]))
        };
        screen::table(["ID", "NAME", "CREATED", "REVOKED"], rows.map(row))
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn revoke(id: &str, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    client.delete(&format!("/v1/keys/{id}")).await?;
    screen.data(&json!({"id": id, "revoked": true}), || format!("{id} is revoked"))?;
    Ok(ExitCode::SUCCESS)
}
