//! One take: a case's run from its start to its end, through whatever it is put through.
//!
//! Each life of the engine has a runtime of its own with one thread: its tasks run in the same order each time, and to drop
//! it is to end them all where they stand, as a crash does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::run::{RunView, Trigger};
use stepwell_engine::{Engine, StartError, StartRequest};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::disruption::Disruption;
use super::file::Case;
use super::journal::CutJournal;
use super::script::{Effects, Script};
use super::stage::{Stage, tenant};
use crate::cli::CliError;

/// Longer than this no life of a run takes that ends at all: nothing is waited for but the computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a run.
#[derive(Debug)]
pub(super) struct Take {
    pub(super) end: End,
    pub(super) effects: Effects,
    /// Entries of the journal.
    pub(super) entries: u64,
}

/// How a take ended.
#[derive(Debug)]
pub(super) enum End {
    /// The run ended.
    Ended(Box<RunView>),
    /// It did not, for all the time that it was given; as it stood then.
    Hung(Option<Box<RunView>>),
    /// It was not started.
    Refused(String),
    /// It was accepted, and afterwards nobody knew of it.
    Lost,
    /// The engine could not go on with it.
    Broken(String),
}

/// Plays a take. Blocks until it is over.
pub(super) fn play(
    stage: &Stage,
    case: &Arc<Case>,
    disruption: Option<&Disruption>,
) -> Result<Take, CliError> {
    let keeps = match disruption {
        Some(Disruption::Crash(entry)) => Some(entry.saturating_add(1)),
        Some(Disruption::Fault(..)) | None => None,
    };
    let journal = CutJournal::new(keeps);
    let script = Script::new(Arc::clone(case), Arc::clone(&journal), disruption);
    stage.prompter.follow(Arc::clone(&script));

    let mut end = live(stage, &journal, start(case, &stage.workflow))?;
    if keeps.is_some() && matches!(end, None | Some(End::Ended(_))) {
        // A run that ended before the journal was cut is looked at again as well: its end is kept.
        journal.reopen();
        script.next_life();
        end = match journal.run() {
            Some(run) => live(stage, &journal, go_on(run))?,
            None => None,
        };
    }
    // A second life's journal is not cut: without an end, the run was not there to go on with.
    let end = end.unwrap_or(End::Lost);
    Ok(Take { end, effects: script.effects(), entries: journal.entries() })
}

/// Lets an engine live until the run is over. None: the journal was cut before that.
fn live(
    stage: &Stage,
    journal: &Arc<CutJournal>,
    part: impl AsyncFnOnce(&Engine) -> End,
) -> Result<Option<End>, CliError> {
    let runtime = one_thread()?;
    runtime.block_on(async {
        let engine = stage.engine(journal.clone()).await?;
        tokio::select! {
            biased;
            () = journal.is_cut() => Ok(None),
            end = part(&engine) => Ok(Some(end)),
        }
    })
}

fn one_thread() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::failed("starting a runtime for a take", source))
}

/// Starts the case's run and waits for its end.
fn start(case: &Case, workflow: &WorkflowName) -> impl AsyncFnOnce(&Engine) -> End + use<> {
    let request = StartRequest {
        tenant: tenant(),
        workflow: workflow.clone(),
        version: None,
        input: case.input.clone(),
        trigger: Trigger::Api,
        traceparent: String::new(),
        idempotency_key: None,
        wait: None,
        start_at: None,
        priority: None,
    };
    async move |engine| match timeout(PATIENCE, engine.start(request)).await {
        Ok(Ok(started)) => ended(engine, started.run).await,
        Ok(Err(refusal)) => End::Refused(describe(&refusal)),
        Err(_) => End::Hung(None),
    }
}

/// Waits for the end of a run that an earlier life accepted.
fn go_on(run: RunId) -> impl AsyncFnOnce(&Engine) -> End + use<> {
    async move |engine| {
        if timeout(PATIENCE, engine.ready()).await.is_err() {
            return End::Hung(None);
        }
        ended(engine, run).await
    }
}

async fn ended(engine: &Engine, run: RunId) -> End {
    match engine.wait(&tenant(), run, PATIENCE).await {
        Ok(None) => End::Lost,
        Ok(Some(view)) if !view.status.is_final() => End::Hung(Some(Box::new(view))),
        Ok(Some(view)) => End::Ended(Box::new(view)),
        Err(error) => End::Broken(error.to_string()),
    }
}

fn describe(refusal: &StartError) -> String {
    match refusal {
        StartError::InvalidInput(violations) => {
            let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
            format!("{refusal}: {}", lines.join("; "))
        }
        _ => refusal.to_string(),
    }
}

impl Take {
    /// The run as it ended or stood, if it was ever seen.
    pub(super) fn run(&self) -> Option<&RunView> {
        match &self.end {
            End::Ended(run) | End::Hung(Some(run)) => Some(run),
            End::Hung(None) | End::Refused(_) | End::Lost | End::Broken(_) => None,
        }
    }

    /// The same, for programs.
    pub(super) fn run_to_json(&self) -> Value {
        self.run().and_then(|run| serde_json::to_value(run).ok()).unwrap_or_default()
    }
}
