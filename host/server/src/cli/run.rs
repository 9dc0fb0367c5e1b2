//! `stepwell run`: start runs, look at them, watch them. What is done to them is [`super::control`]'s.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde::Deserialize as _;
use serde_json::{Value, json};
use stepwell_core::id::Part;

use super::control::{self, ControlCommand};
use super::workflow::escape;
use super::{CliError, Client, Connection, Screen, replay, screen};

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Start a run.
    Start {
        /// The workflow.
        workflow: String,
        /// The run's input: JSON, `@FILE`, or `-` for standard input.
        #[arg(long, short, default_value = "{}", value_name = "JSON|@FILE|-")]
        input: String,
        /// How urgent it is: high, normal or low [default: what the workflow says]
        #[arg(long, value_name = "PRIORITY")]
        priority: Option<String>,
        /// Begin then, and not at once: a time in RFC 3339 form, such as 2026-12-24T18:00:00Z.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Wait so many seconds for its end, and show it.
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
        /// Starting again with the same key gives the same run.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List runs, newest first.
    List {
        /// Of this workflow alone.
        #[arg(long)]
        workflow: Option<String>,
        /// With this status alone: queued, running, waiting, paused, succeeded, failed or cancelled.
        #[arg(long)]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Go on where an earlier page ended.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show a run with its nodes.
    Show {
        /// The run.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what happens in a run, from its beginning until it ends.
    Watch {
        /// The run.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Run an ended run again, offline, and compare; or try another step against what really happened.
    Replay(replay::ReplayArgs),
    #[command(flatten)]
    Control(ControlCommand),
}

pub(crate) async fn run(command: RunCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        RunCommand::Start { workflow, input, priority, at, wait, idempotency_key, connection } => {
            let mut body = json!({"input": read_input(&input)?});
            if let Some(priority) = priority {
                body["priority"] = json!(priority);
            }
            if let Some(at) = at {
                body["start_at"] = json!(at);
            }
            let client = Client::new(&connection)?;
            let path = format!("/v1/workflows/{}/runs", escape(&workflow));
            let wait = wait.map(Duration::from_secs);
            let started = client.start_run(&path, &body, wait, idempotency_key.as_deref()).await?;
            screen.data(&started, || describe_start(&started))?;
            Ok(exit_code(&started))
        }
        RunCommand::List { workflow, status, limit, cursor, connection } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(workflow.map(|workflow| ("workflow", workflow)));
            query.extend(status.map(|status| ("status", status)));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            list(&Client::new(&connection)?, &query, screen).await
        }
        RunCommand::Show { id, connection } => {
            let run = Client::new(&connection)?.get(&format!("/v1/runs/{}", escape(&id))).await?;
            screen.data(&run, || describe(&run))?;
            Ok(ExitCode::SUCCESS)
        }
        RunCommand::Watch { id, connection } => watch(&Client::new(&connection)?, &id, screen).await,
        RunCommand::Replay(args) => replay::replay(args, screen).await,
        RunCommand::Control(command) => control::control(command, screen).await,
    }
}

pub(super) fn read_input(input: &str) -> Result<Value, CliError> {
    let text = match input.strip_prefix('@') {
        Some(path) => {
            let path = Path::new(path);
            std::fs::read_to_string(path).map_err(|source| CliError::file("read", path, source))?
        }
        None if input == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|source| CliError::failed("reading the input from standard input", source))?;
            text
        }
        None => input.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        CliError::Usage(format!("the input is not JSON: {error}. Give JSON, @FILE, or - for standard input"))
    })
}

fn describe_start(started: &Value) -> String {
    match started["status"].as_str() {
        Some("queued" | "running" | "waiting" | "paused") | None => {
            format!("{} is accepted", screen::cell(&started["run_id"]))
        }
        Some(status) => {
            let what = if status == "succeeded" { &started["output"] } else { &started["failure"] };
            format!("{} {status}\n{what:#}", screen::cell(&started["run_id"]))
        }
    }
}

/// A run that is known to have failed fails the command.
fn exit_code(run: &Value) -> ExitCode {
    match run["status"].as_str() {
        Some("failed" | "cancelled") => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

async fn list(client: &Client, query: &[(&str, String)], screen: &Screen) -> Result<ExitCode, CliError> {
    let page = client.get_with("/v1/runs", query).await?;
    screen.data(&page, || {
        let rows = page["runs"].as_array().into_iter().flatten();
        let row = |run: &Value| {
            ["id", "workflow", "version", "status", "accepted_at", "ended_at"]
                .map(|field| screen::cell(&run[field]))
        };
        screen::table(["ID", "WORKFLOW", "VERSION", "STATUS", "ACCEPTED", "ENDED"], rows.map(row))
    })?;
    if let (Some(cursor), false) = (page["next_cursor"].as_str(), screen.is_json()) {
        screen.note(format_args!("More: --cursor {cursor}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A run for a person: how it stands, its nodes, and what came of it.
pub(super) fn describe(run: &Value) -> String {
    let mut text = format!(
        "{} {}@{}: {}\n",
        screen::cell(&run["id"]),
        screen::cell(&run["workflow"]),
        screen::cell(&run["version"]),
        screen::cell(&run["status"]),
    );
    let split = &run["split"];
    if !split.is_null() {
        let [chosen, canary] = ["chosen", "canary"].map(|field| screen::cell(&split[field]));
        text.push_str(&format!("chosen: {chosen} ({} % get the canary {canary})\n", split["percent"]));
    }
    text.push_str(&describe_nodes(run));
    for what in ["cancelling", "output", "failure"] {
        if !run[what].is_null() {
            text.push_str(&format!("{what}: {:#}\n", run[what]));
        }
    }
    text
}

/// A run's nodes, a line each.
pub(super) fn describe_nodes(run: &Value) -> String {
    let rows = run["nodes"].as_array().into_iter().flatten().map(|node| {
        let attempts = node["attempts"].as_array().map_or(&[][..], Vec::as_slice);
        let sum = |field: &str| attempts.iter().filter_map(|a| a[field].as_u64()).sum::<u64>();
        let failure = screen::cell(&node["failure"]["message"]);
        let milliseconds = sum("duration_us") as f64 / 1000.0;
        let (time, fuel) = match attempts {
            [] => (String::new(), String::new()),
            _ => (format!("{milliseconds:.2} ms"), sum("fuel").to_string()),
        };
        let status = screen::cell(&node["status"]);
        let step = match (node["step"].as_str(), node["workflow"].as_str()) {
            (Some(step), _) => format!("{step}@{}", screen::cell(&node["step_version"])),
            (None, Some(workflow)) => match node["run"].as_str() {
                Some(run) => format!("workflow {workflow}, run {run}"),
                None => format!("workflow {workflow}"),
            },
            (None, None) => screen::cell(&node["kind"]),
        };
        let id = screen::cell(&node["id"]);
        [id, step, status, attempts.len().to_string(), time, fuel, failure]
    });
    screen::table(["NODE", "STEP", "STATUS", "ATTEMPTS", "TIME", "FUEL", "FAILURE"], rows)
}

async fn watch(client: &Client, id: &str, screen: &Screen) -> Result<ExitCode, CliError> {
    let show = |event: &Value| {
        screen.line(&if screen.is_json() { event.to_string() } else { describe_event(event) })
    };
    let status = follow_to_end(client, id, show).await?;
    Ok(exit_code(&json!({"status": status})))
}

/// Follows a run's events until it ends, and takes them up again where the connection broke; gives the run's status.
pub(super) async fn follow_to_end(
    client: &Client,
    id: &str,
    mut see: impl FnMut(&Value) -> Result<(), CliError>,
) -> Result<String, CliError> {
    const TRIES: u32 = 5;
    let path = format!("/v1/runs/{}/events", escape(id));
    let mut last_id = None;
    let mut failures = 0;
    loop {
        match follow(client, &path, &mut last_id, &mut see).await {
            Ok(Some(status)) => return Ok(status),
            Err(error @ CliError::Problem(_)) => return Err(error),
            Err(error) if failures >= TRIES => return Err(error),
            Ok(None) | Err(_) => {
                failures += 1;
                tokio::time::sleep(Duration::from_millis(200) * failures).await;
            }
        }
    }
}

/// Shows each event until the stream ends; gives the run's status if it ended with the run.
async fn follow(
    client: &Client,
    path: &str,
    last_id: &mut Option<String>,
    see: &mut impl FnMut(&Value) -> Result<(), CliError>,
) -> Result<Option<String>, CliError> {
    let response = client.events(path, last_id.as_deref()).await?;
    let mut events = response.bytes_stream().eventsource();
    let mut ended = None;
    while let Some(event) = events.next().await {
        let event = event.map_err(|source| CliError::failed("following the run's events", source))?;
        if !event.id.is_empty() {
            *last_id = Some(event.id);
        }
        let mut data: Value = serde_json::from_str(&event.data)
            .map_err(|source| CliError::failed("reading an event of the run", source))?;
        if event.event == "problem" {
            return Err(CliError::Problem(Box::new(data)));
        }
        // What is not kept in the journal says its type in the stream alone.
        data["type"] = json!(event.event);
        see(&data)?;
        // A run that was retried goes on behind an end.
        ended = (event.event == "run-ended").then(|| screen::cell(&data["outcome"]["status"]));
    }
    Ok(ended)
}

/// An event in a line: what, where, of what name; what came of it; who, and in which words.
fn describe_event(event: &Value) -> String {
    let name = event["name"].as_str().map(|name| format!(" `{name}`"));
    let value = VALUES.iter().map(|field| &event[field]).find(|value| !value.is_null());
    let value = value.map(|value| format!(": {}", shorten(&screen::cell(value))));
    let by = event["by"].as_str().map(|by| format!(", by {by}"));
    let comment = event["comment"].as_str().map(|comment| format!(": {}", shorten(comment)));
    let parts = [Some(place_of(event)), name, value, by, comment];
    screen::cell(&event["type"]) + &parts.into_iter().flatten().collect::<String>()
}

/// What an event says that is worth its place in a line: the first of these.
const VALUES: [&str; 15] = [
    "failure",
    "outcome",
    "output",
    "effect",
    "decision",
    "body",
    "payload",
    "event",
    "from",
    "reason",
    "chunk",
    "line",
    "until",
    "expires_at",
    "run",
];

/// ` pay~compensation (attempt 2)`
fn place_of(event: &Value) -> String {
    let Some(node) = event["node"].as_str() else { return String::new() };
    // What this program does not know is not shown as the node's own work.
    let part = match &event["part"] {
        Value::Null => String::new(),
        part => Part::deserialize(part).map_or_else(|_| format!("~{part}"), |part| part.to_string()),
    };
    match &event["attempt"] {
        Value::Number(attempt) => format!(" {node}{part} (attempt {attempt})"),
        _ => format!(" {node}{part}"),
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_with_its_part_its_name_and_who_did_it() {
        for (event, line) in [
            (
                json!({"type": "attempt-started", "node": "pay", "part": "compensation", "attempt": 1}),
                "attempt-started pay~compensation (attempt 1)",
            ),
            (
                json!({"type": "log", "node": "each", "part": {"item": 3}, "attempt": 2, "line": "x"}),
                "log each[3] (attempt 2): x",
            ),
            (
                json!({"type": "signal-received", "name": "paid", "payload": {"sum": 7}, "by": "shop"}),
                "signal-received `paid`: {\"sum\":7}, by shop",
            ),
            (
                json!({"type": "approval-decided", "node": "ask", "decision": "reject", "by": "ann", "comment": "no"}),
                "approval-decided ask: reject, by ann: no",
            ),
        ] {
            assert_eq!(describe_event(&event), line);
        }
    }
}
