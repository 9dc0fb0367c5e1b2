//! `stepwell secret`: values go in and never come out.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a secret, in place of an older one. What is secret of it is read from standard input.
    Set {
        /// Its name: letters, digits and _.
        name: String,
        #[command(flatten)]
        kind: Kind,
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
        SecretCommand::Set { name, kind, connection } => {
            set(&name, &kind, &Client::new(&connection)?, screen).await
        }
        SecretCommand::List { connection } => list(&Client::new(&connection)?, screen).await,
    }
}

/// What a secret is, if it is more than a text.
#[derive(Debug, Args)]
pub(crate) struct Kind {
    /// A user for HTTP Basic; standard input has the password, which may be empty.
    #[arg(long, value_name = "USER", conflicts_with = "oauth2")]
    basic: Option<String>,
    /// An OAuth2 client, by the URL of its token endpoint; standard input has the client's secret.
    #[arg(long, value_name = "TOKEN_URL", requires = "client_id")]
    oauth2: Option<String>,
    /// The OAuth2 client's id.
    #[arg(long, value_name = "ID", requires = "oauth2")]
    client_id: Option<String>,
    /// What its tokens are to be good for: words divided by spaces.
    #[arg(long, value_name = "SCOPE", requires = "oauth2")]
    scope: Option<String>,
    /// For whom its tokens are to be good, where the service asks for it.
    #[arg(long, value_name = "AUDIENCE", requires = "oauth2")]
    audience: Option<String>,
    /// How it says who it is: by HTTP Basic, or in the request's body.
    #[arg(long, value_name = "HOW", requires = "oauth2", value_parser = ["basic", "body"], default_value = "basic")]
    client_auth: String,
}

impl Kind {
    fn what_is_secret(&self) -> &'static str {
        match (&self.basic, &self.oauth2) {
            (Some(_), _) => "the password",
            (None, Some(_)) => "the client's secret",
            (None, None) => "the value",
        }
    }

    /// The call's body.
    fn body(&self, secret: &str) -> Value {
        match (&self.basic, &self.oauth2) {
            (Some(user), _) => json!({"basic": {"user": user, "password": secret}}),
            (None, Some(url)) => json!({"oauth2": {
                "token_url": url,
                "client_id": self.client_id,
                "client_secret": secret,
                "scope": self.scope,
                "audience": self.audience,
                "auth": self.client_auth,
            }}),
            (None, None) => json!({"value": secret}),
        }
    }
}

async fn set(name: &str, kind: &Kind, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let what = kind.what_is_secret();
    if std::io::stdin().is_terminal() {
        screen.note(format_args!("Type or paste {what} of {name}, then Enter and Ctrl-D:"));
    }
    let mut value = String::new();
    std::io::stdin()
        .read_to_string(&mut value)
        .map_err(|source| CliError::failed("reading the value from standard input", source))?;
    let value = value.trim_end_matches(['\n', '\r']);
    // Some services take a key as the user, and no password.
    if value.is_empty() && kind.basic.is_none() {
        return Err(CliError::Usage(format!(
            "{what} is missing: pipe it in, as in `printf %s \"$VALUE\" | stepwell secret set {name}`"
        )));
    }
    client.put(&format!("/v1/secrets/{name}"), &kind.body(value)).await?;
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
