//! `stepwell destinations`: where steps send requests, and how that goes.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::workflow::escape;
use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum DestinationsCommand {
    /// List the destinations with their circuit breakers and rates.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Trust a destination again: close its circuit breaker, and end a pause that it asked for.
    Reset {
        /// The destination, as listed.
        host: String,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn destinations(
    command: DestinationsCommand,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    match command {
        DestinationsCommand::List { connection } => list(&Client::new(&connection)?, screen).await,
        DestinationsCommand::Reset { host, connection } => {
            reset(&host, &Client::new(&connection)?, screen).await
        }
    }
}

async fn list(client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let answer = client.get("/v1/destinations").await?;
    screen.data(&answer, || {
        let rows = answer["destinations"].as_array().into_iter().flatten().map(row);
        screen::table(
            ["DESTINATION", "BREAKER", "UNTIL", "FAILURES", "RATE", "SLOWED UNTIL", "IN FLIGHT", "QUEUED"],
            rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(line: &Value) -> [String; 8] {
    let breaker = &line["breaker"];
    let state = breaker.get("state").map_or_else(|| "none".to_owned(), screen::cell);
    let [destination, rate, slowed_until, in_flight, queued] =
        ["destination", "rate", "slowed_until", "in_flight", "queued"]
            .map(|field| screen::cell(&line[field]));
    let [until, failures] = ["until", "failures"].map(|field| screen::cell(&breaker[field]));
    [destination, state, until, failures, rate, slowed_until, in_flight, queued]
}

async fn reset(host: &str, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let line = client.post(&format!("/v1/destinations/{}/reset", escape(host)), &json!({})).await?;
    screen.data(&line, || format!("{} is trusted again", screen::cell(&line["destination"])))?;
    Ok(ExitCode::SUCCESS)
}
