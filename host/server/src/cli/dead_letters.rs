//! `stepwell dead-letters`: what failed for good, until somebody deals with it.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::run::read_input;
use super::workflow::escape;
use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List the dead letters.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Go on where an earlier page ended.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show one with its input, failure, attempts and effects.
    Show {
        /// The dead letter, as listed.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Try one again, with another input or config if you give one.
    Retry {
        /// The dead letter, as listed.
        id: String,
        /// In place of its input: JSON, `@FILE`, or `-` for standard input.
        #[arg(long, value_name = "JSON|@FILE|-")]
        input: Option<String>,
        /// In place of its config: JSON, `@FILE`, or `-` for standard input.
        #[arg(long, value_name = "JSON|@FILE|-")]
        config: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Let one be.
    Discard {
        /// The dead letter, as listed.
        id: String,
        /// Why; the journal keeps it.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn dead_letters(command: DeadLettersCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        DeadLettersCommand::List { limit, cursor, connection } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            list(&Client::new(&connection)?, &query, screen).await?;
        }
        DeadLettersCommand::Show { id, connection } => {
            let letter = Client::new(&connection)?.get(&path(&id)).await?;
            screen.data(&letter, || format!("{letter:#}"))?;
        }
        DeadLettersCommand::Retry { id, input, config, connection } => {
            let mut body = Map::new();
            for (name, value) in [("input", input), ("config", config)] {
                if let Some(value) = value {
                    body.insert(name.to_owned(), read_input(&value)?);
                }
            }
            let retry = format!("{}/retry", path(&id));
            let answer = Client::new(&connection)?.post(&retry, &Value::Object(body)).await?;
            screen.data(&answer, || format!("{} goes on", screen::cell(&answer["run_id"])))?;
        }
        DeadLettersCommand::Discard { id, reason, connection } => {
            let discard = format!("{}/discard", path(&id));
            Client::new(&connection)?.post(&discard, &json!({ "reason": reason })).await?;
            screen.data(&json!({ "id": id }), || format!("{id} is let be"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, query: &[(&str, String)], screen: &Screen) -> Result<(), CliError> {
    let page = client.get_with("/v1/dead-letters", query).await?;
    screen.data(&page, || {
        let rows = page["dead_letters"].as_array().into_iter().flatten().map(|letter| {
            let failure = screen::cell(&letter["failure"]["message"]);
            [
                screen::cell(&letter["id"]),
                screen::cell(&letter["workflow"]),
                screen::cell(&letter["at"]),
                failure,
            ]
        });
        screen::table(["DEAD LETTER", "WORKFLOW", "SINCE", "FAILURE"], rows)
    })?;
    if let (Some(cursor), false) = (page["next_cursor"].as_str(), screen.is_json()) {
        screen.note(format_args!("More: --cursor {cursor}"));
    }
    Ok(())
}

fn path(id: &str) -> String {
    format!("/v1/dead-letters/{}", escape(id))
}
