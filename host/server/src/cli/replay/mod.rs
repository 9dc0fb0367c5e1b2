//! `stepwell run replay`: an ended run again, offline, from what its journal kept; or one of its nodes with another step.
//!
//! ```text
//! fetch     run, journal, workflow, components: over the HTTP API, before anything runs
//! blobs     those that the run read, fetched when they are asked for; those that it writes again
//! recorded  what answers the attempts: the answers that the journal kept, and nothing else
//! verdict   what was recorded against what was replayed
//! ```

mod blobs;
mod fetch;
mod recorded;
mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use stepwell_core::id::NodeId;
use stepwell_core::limits::{LimitKind, Limits};
use stepwell_core::plan::Plan;
use stepwell_engine::replay::{self, RecordedAttempt, Recording};

use self::blobs::ServersBlobs;
use self::fetch::Fetched;
use self::recorded::{Match, Recorded};
use self::verdict::{Report, Verdict};
use super::offline::OfflineSandbox;
use super::{CliError, Client, Connection, Screen};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run.
    id: String,
    /// This node's attempts alone.
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// Another step for the node, tried against what really happened: a published one, or a component's file.
    #[arg(long, value_name = "NAME@VERSION|FILE.wasm", requires = "node")]
    step: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn replay(args: ReplayArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.connection)?;
    let task = screen.task(format!("Fetching the run {}", args.id));
    let mut fetched = Fetched::run(&client, &args.id).await?;
    let node = args.node.as_deref().map(|name| fetched.node(name)).transpose()?;
    task.done(format_args!("{} entries of its journal", fetched.entries.len()));

    let recorded = Arc::new(Recorded::default());
    let recording = read(&fetched)?;
    if let Some(node) = &node {
        check_has_attempts(node, &recording, &fetched)?;
    }
    let offline = OfflineSandbox::new(recorded.clone(), ceiling(&fetched.plan))?;
    let matching = match (&node, &args.step) {
        (Some(node), Some(step)) => {
            let component = other_step(step, &client).await?;
            fetched.replace_step(node, component, &offline.sandbox).await?;
            Match::Anywhere
        }
        _ => Match::InOrder,
    };
    let blobs = Arc::new(ServersBlobs::new(client));
    let stage = Stage { fetched, recording, recorded, offline, matching, blobs };
    let report = stage.perform(node.as_ref()).await?;
    screen.data(&report.to_json(), || report.describe())?;
    Ok(if report.is_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A replay of nothing would say that nothing differs.
fn check_has_attempts(node: &NodeId, recording: &Recording, fetched: &Fetched) -> Result<(), CliError> {
    if recording.attempts.iter().any(|attempt| attempt.node == *node) {
        return Ok(());
    }
    let why = match fetched.plan.nodes.get(node).is_some_and(|planned| planned.work.step().is_some()) {
        true => "its turn never came in this run",
        false => "it runs no step",
    };
    Err(CliError::Usage(format!("the node `{node}` has no attempts to replay: {why}")))
}

fn read(fetched: &Fetched) -> Result<Recording, CliError> {
    Recording::read(fetched.run.id, &fetched.plan, &fetched.entries)
        .map_err(|source| CliError::failed("reading the run's journal", source))
}

/// The component that is to be tried.
async fn other_step(step: &str, client: &Client) -> Result<Vec<u8>, CliError> {
    let file = Path::new(step);
    if file.is_file() {
        return std::fs::read(file).map_err(|source| CliError::file("read", file, source));
    }
    let (name, version) = step.split_once('@').ok_or_else(|| {
        CliError::Usage(format!(
            "`{step}` is neither a file nor a step: write --step name@version, such as llm-chat@1.2.0, or the path of a component"
        ))
    })?;
    fetch::component(client, name, version).await
}

/// What the pool of instances is laid out for: the limits that the workflow's nodes have, whatever its server's ceiling was.
fn ceiling(plan: &Plan) -> Limits {
    let mut ceiling = Limits::default_ceiling();
    let calls = plan
        .nodes
        .values()
        .flat_map(|node| node.work.step().into_iter().flat_map(|step| &step.calls).chain(&node.compensate));
    for call in calls {
        for kind in LimitKind::ALL {
            ceiling.set(kind, ceiling.get(kind).max(call.limits.get(kind)));
        }
    }
    ceiling
}

/// Everything that a replay needs.
struct Stage {
    fetched: Fetched,
    recording: Recording,
    recorded: Arc<Recorded>,
    offline: OfflineSandbox,
    matching: Match,
    blobs: Arc<ServersBlobs>,
}

impl Stage {
    /// Runs again what the run ran: all of it, or one node's attempts.
    async fn perform(&self, only: Option<&NodeId>) -> Result<Report, CliError> {
        let mut verdicts = Vec::new();
        for attempt in &self.recording.attempts {
            if only.is_none_or(|node| *node == attempt.node) {
                verdicts.push(self.again(attempt).await?);
            }
        }
        Ok(Report::new(&self.fetched.run, &self.recording, only, verdicts))
    }

    async fn again(&self, attempt: &RecordedAttempt) -> Result<Verdict, CliError> {
        let plan = &self.fetched.plan;
        let call = replay::call(plan, attempt).ok_or_else(|| {
            let place = format!("`{}{}`", attempt.node, attempt.part);
            CliError::failed("replaying", format!("the workflow has no step for {place}"))
        })?;
        let step = format!("{}@{}", call.step.name, call.step.version);
        if let Some(why) = verdict::not_comparable(attempt) {
            return Ok(Verdict::not_comparable(attempt, step, why));
        }
        let component = self.fetched.component(&call.step.digest)?;
        let compiled = self
            .offline
            .sandbox
            .compile(component)
            .await
            .map_err(|source| CliError::failed(format!("compiling {step}"), source))?;
        let witness = self.recorded.begin(&attempt.effects, self.matching, self.blobs.clone());
        let report = self
            .recording
            .again(&self.offline.sandbox, &compiled, plan, call, attempt, witness.clone())
            .await;
        Ok(Verdict::of(attempt, step, &report, &witness.effects(), self.recorded.refused()))
    }
}
