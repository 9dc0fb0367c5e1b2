//! `stepwell demo`: the main job from a fresh clone to triaged tickets, in one command.
//!
//! It does what a user would do, in the same way: it builds steps, publishes them, applies a workflow and sends tickets over
//! HTTP. Only the services around it are stand-ins. `stepwell demo EXAMPLE` plays another of the examples.

mod example;
mod live;
mod peers;
mod ticket;

#[path = "../../../../../examples/support-ticket-triage/stand-ins.rs"]
mod stand_ins;

use std::process::ExitCode;

use clap::Args;
use rand::distr::{Alphanumeric, SampleString as _};
use serde_json::{Value, json};

use self::live::Live;
use self::stand_ins::StandIns;
use super::local_server::LocalServer;
use super::{CliError, Client, Screen, serve, standard_steps};

const WORKFLOW: &str = include_str!("../../../../../examples/support-ticket-triage/workflow.json");
const TICKETS: [&str; 3] = [
    include_str!("../../../../../examples/support-ticket-triage/tickets/refund.json"),
    include_str!("../../../../../examples/support-ticket-triage/tickets/crash.json"),
    include_str!("../../../../../examples/support-ticket-triage/tickets/question.json"),
];

/// The steps of the example's workflow.
const STEPS: [&str; 5] = ["classify", "guard", "http-request", "store", "transform"];

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The example to play, by its folder's name; without it, support-ticket-triage with three tickets.
    example: Option<String>,
    /// The case of the example's test file to play, instead of the one that shows it.
    #[arg(long, value_name = "CASE", requires = "example")]
    case: Option<String>,
    /// End when it is played, instead of staying up to be tried.
    #[arg(long)]
    exit: bool,
    #[command(flatten)]
    live: live::LiveArgs,
}

pub(crate) async fn demo(args: DemoArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    if let Some(name) = &args.example {
        args.live.refuse_for(name)?;
        example::play(name, args.case.as_deref(), !args.exit, screen).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let live = args.live.model()?;
    let components = standard_steps::build_all(&STEPS, screen).await?;
    let stand_ins = start_stand_ins(screen).await?;
    let server = start_server(&stand_ins, live.is_none(), screen).await?;
    let client = server.client()?;
    publish(&client, &components, screen).await?;
    apply(&client, live.as_ref(), &stand_ins, screen).await?;
    let shown = send_tickets(&client, screen).await?;
    if screen.is_json() {
        screen.line(&json!({"url": client.url(), "live": live.is_some(), "tickets": shown}).to_string())?;
    }
    if !args.exit {
        stay(&server, &stand_ins, &shown, screen).await;
    }
    server.stop().await?;
    Ok(ExitCode::SUCCESS)
}

async fn start_stand_ins(screen: &Screen) -> Result<StandIns, CliError> {
    let task = screen.task("Starting stand-ins for the language model and the departments");
    let key = format!("stand-in-{}", Alphanumeric.sample_string(&mut rand::rng(), 24));
    let stand_ins =
        StandIns::start(&key).await.map_err(|source| CliError::failed("starting the stand-ins", source))?;
    task.done(format_args!("{} and {}", stand_ins.model_url, stand_ins.departments_url));
    Ok(stand_ins)
}

async fn start_server(
    stand_ins: &StandIns,
    has_model: bool,
    screen: &Screen,
) -> Result<LocalServer, CliError> {
    let task = screen.task("Starting a server with a data folder of its own");
    let server = LocalServer::start_with(&stand_ins.routes(has_model)).await?;
    task.done(format_args!("{}, data in {}", server.connection().url, server.data().display()));
    Ok(server)
}

async fn publish(
    client: &Client,
    components: &[standard_steps::Component],
    screen: &Screen,
) -> Result<(), CliError> {
    let task = screen.task("Publishing the standard steps");
    let published = standard_steps::publish_all(client, components).await?;
    task.done(published.join(", "));
    Ok(())
}

/// Applies the example's workflow: as it stands, or pointed at a real model.
async fn apply(
    client: &Client,
    live: Option<&Live>,
    stand_ins: &StandIns,
    screen: &Screen,
) -> Result<(), CliError> {
    let task = screen.task("Applying the workflow of examples/support-ticket-triage");
    let key = live.map_or(&stand_ins.model_key, |live| &live.key);
    client.put("/v1/secrets/OPENAI_API_KEY", &json!({"value": key})).await?;
    let mut workflow: Value = serde_json::from_str(WORKFLOW)
        .map_err(|source| CliError::failed("reading the example's workflow", source))?;
    if let Some(live) = live {
        live.point_at(&mut workflow);
    }
    client.put("/v1/workflows/support-ticket-triage", &workflow).await?;
    let asks = live.map_or_else(
        || format!("asks the stand-in model at {}", stand_ins.model_url),
        |live| format!("asks the real model at {}", live.url()),
    );
    task.done(format_args!("{asks}; the departments are stand-ins"));
    Ok(())
}

/// Sends the three tickets over the workflow's HTTP trigger and shows each run.
async fn send_tickets(client: &Client, screen: &Screen) -> Result<Vec<Value>, CliError> {
    let mut shown = Vec::new();
    for ticket in TICKETS {
        let ticket: Value =
            serde_json::from_str(ticket).map_err(|source| CliError::failed("reading a ticket", source))?;
        let triaged = ticket::triage(client, &ticket, screen).await?;
        if !screen.is_json() {
            screen.line(&triaged.describe())?;
        }
        shown.push(triaged.to_json());
    }
    Ok(shown)
}

/// Says what to try next, and waits until somebody has seen enough.
async fn stay(server: &LocalServer, stand_ins: &StandIns, shown: &[Value], screen: &Screen) {
    let ticket = shown.first().and_then(|shown| shown["ticket"]["id"].as_str()).unwrap_or("ID");
    let (url, requests) = (&server.connection().url, &stand_ins.requests_url);
    let key = server.connection().key.as_deref().unwrap_or_default();
    screen.note(format_args!(
        "\nIt stays up. Try, in another terminal:\n\n\
         \x20 export STEPWELL_URL={url} STEPWELL_KEY={key}\n\
         \x20 curl -s $STEPWELL_URL/hooks/tickets -H 'content-type: application/json' \\\n\
         \x20   -d '{{\"subject\": \"Refund\", \"description\": \"Please refund my last payment.\"}}'\n\
         \x20 curl -s $STEPWELL_URL/hooks/tickets/{ticket}/logs -H \"authorization: Bearer $STEPWELL_KEY\"\n\
         \x20 curl -s $STEPWELL_URL/hooks/tickets/{ticket}/route -H \"authorization: Bearer $STEPWELL_KEY\" \\\n\
         \x20   -H 'content-type: application/json' -d '{{\"department\": \"Technical\"}}'\n\
         \x20 curl -s $STEPWELL_URL/v1/runs -H \"authorization: Bearer $STEPWELL_KEY\"\n\
         \x20 curl -s $STEPWELL_URL/v1/workflows/support-ticket-triage -H \"authorization: Bearer $STEPWELL_KEY\"\n\
         \x20 curl -s $STEPWELL_URL/openapi.json\n\
         \x20 curl -s {requests}   # what the stand-ins were asked\n\n\
         Ctrl-C ends it and removes its data."
    ));
    serve::interrupted().await;
}
