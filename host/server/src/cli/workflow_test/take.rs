//! One take: a case's run from its start to its end, through whatever it is put through.
//!
//! Each life of the engine has a runtime of its own with one thread: its tasks run in the same order each time, and to drop
//! it is to end them all where they stand, as a crash does. Its clock stands still while anything is done, and is put forward to the next
//! thing that is waited for when nothing is: so days pass in no time. All takes go by one clock, each on from where the one before
//! left it; so they are played one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::run::{RunView, Trigger, WaitView};
use stepwell_engine::{Engine, StartRequest, state_mark};
use stepwell_store::{Journal as _, MarkChange};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, oneshot};

use super::cast::{Cast, Played};
use super::disruption::{Disruption, EffectName};
use super::file::Case;
use super::journal::CutJournal;
use super::script::{Effects, Script};
use super::stage::{Stage, tenant};
use crate::cli::CliError;

/// Longer than this, by its own clock, no life of a run takes that ends at all: nothing that waits for a time waits for more than a year.
pub(super) const FOR_EVER: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Longer than this, by the computer's clock, no life of a run takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// So far a take goes ahead of the system's clock, which is then not looked at any more.
const AHEAD: Duration = Duration::from_secs(60 * 60);

/// Held while a take is played. The engine's clock is the process's, and two runtimes with clocks of their own would push it forward.
pub(crate) static ONE_CLOCK: Mutex<()> = Mutex::const_new(());

/// What became of a run.
#[derive(Debug)]
pub(super) struct Take {
    pub(super) end: End,
    pub(super) effects: Effects,
    /// What others did, or did not come to do.
    pub(super) played: Vec<Played>,
    /// The data of the events that were told of, by type.
    pub(super) emitted: BTreeMap<String, Vec<Value>>,
    /// Entries of the journal.
    pub(super) entries: u64,
}

/// How a take ended.
#[derive(Debug)]
pub(super) enum End {
    /// The run ended.
    Ended(Box<RunView>),
    /// It did not, for all the time that it was given.
    Hung(Hung),
    /// It was not started.
    Refused(String),
    /// It was accepted, and afterwards nobody knew of it.
    Lost,
    /// The engine could not go on with it.
    Broken(String),
}

/// A run that does not end.
#[derive(Debug, Default)]
pub(super) struct Hung {
    /// As it stood then.
    pub(super) run: Option<Box<RunView>>,
    /// What it waits for, in words.
    pub(super) waits: Vec<String>,
    /// Whether it was still busy: it waits for nothing but the computer.
    pub(super) is_busy: bool,
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
    play_over(&CutJournal::new(keeps), stage, case, disruption)
}

/// Plays a take over this journal, which is cut where the disruption has it.
pub(super) fn play_over(
    journal: &Arc<CutJournal>,
    stage: &Stage,
    case: &Arc<Case>,
    disruption: Option<&Disruption>,
) -> Result<Take, CliError> {
    let _clock = ONE_CLOCK.blocking_lock();
    let script = Script::new(Arc::clone(case), Arc::clone(journal), disruption);
    stage.prompter.follow(Arc::clone(&script));
    let cast = Cast::new(Arc::clone(case), Arc::clone(journal));

    let kept = case.state.iter().map(|(key, value)| MarkChange::Put(state_mark(&stage.workflow, key, value)));
    let kept = journal.note(&tenant(), kept.collect()).outcome();
    if let Some(Err(source)) = kept {
        return Err(CliError::failed("keeping the state of a case", source));
    }
    let mut end = live(stage, journal, &cast, start(case, &stage.workflow))?;
    let crashes = matches!(disruption, Some(Disruption::Crash(_)));
    if crashes && matches!(end, None | Some(End::Ended(_))) {
        // A run that ended before the journal was cut is looked at again as well: its end is kept.
        journal.reopen();
        script.next_life();
        end = match journal.run() {
            Some(run) => live(stage, journal, &cast, go_on(run))?,
            None => None,
        };
    }
    let played = one_thread()?.block_on(cast.played());
    Ok(Take {
        // A second life's journal is not cut: without an end, the run was not there to go on with.
        end: end.unwrap_or(End::Lost),
        effects: script.effects(),
        played,
        emitted: journal.emitted(),
        entries: journal.entries(),
    })
}

/// Lets an engine live until the run is over. None: the journal was cut before that.
fn live(
    stage: &Stage,
    journal: &Arc<CutJournal>,
    cast: &Cast,
    part: impl AsyncFnOnce(&Engine) -> End,
) -> Result<Option<End>, CliError> {
    let runtime = one_thread()?;
    runtime.block_on(async {
        let engine = stage.engine(journal.clone()).await?;
        stage.upload_files(&engine).await?;
        let (_alive, patience_ends) = patience()?;
        tokio::select! {
            biased;
            () = journal.is_cut() => Ok(None),
            Ok(()) = patience_ends => Ok(Some(End::Hung(look_at(&engine, journal, true).await))),
            end = cast.play(&engine, part(&engine)) => match end {
                End::Hung(_) => Ok(Some(End::Hung(look_at(&engine, journal, false).await))),
                end => Ok(Some(end)),
            }
        }
    })
}

fn one_thread() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|source| CliError::failed("starting a runtime for a take", source))
}

/// Told when patience ends, by a clock that does not stand still; never, once the other half is dropped.
fn patience() -> Result<(Sender<()>, oneshot::Receiver<()>), CliError> {
    let (alive, is_alive) = channel::<()>();
    let (tell, told) = oneshot::channel();
    let watch = move || {
        if is_alive.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // Nobody listens any more if the life has just ended.
            let _ = tell.send(());
        }
    };
    let watcher = thread::Builder::new().name("patience".to_owned()).spawn(watch);
    watcher.map(|_| (alive, told)).map_err(|source| CliError::failed("starting a thread for a take", source))
}

/// Sees what a run that does not end waits for, and those that it runs.
async fn look_at(engine: &Engine, journal: &CutJournal, is_busy: bool) -> Hung {
    let mut hung = Hung { run: None, waits: Vec::new(), is_busy };
    for run in journal.runs() {
        let Ok(Some(view)) = engine.run(&tenant(), run).await else { continue };
        if !view.status.is_final() {
            hung.waits.extend(waits(&view));
        }
        hung.run.get_or_insert_with(|| Box::new(view));
    }
    hung
}

/// What a run waits for, in words.
fn waits(run: &RunView) -> impl Iterator<Item = String> {
    run.nodes.iter().filter_map(move |node| {
        let (workflow, id) = (&run.workflow, &node.id);
        let what = match node.waits_for.as_ref()? {
            WaitView::Approval { .. } => "a decision that nobody in this case makes: add it to `approvals`",
            WaitView::Signal { .. } => "a signal that nobody in this case sends: add it to `signals`",
            WaitView::Callback { .. } => "a call that nobody in this case makes: add it to `callbacks`",
            WaitView::Time { .. } => "a time that does not come",
            // It is looked at itself.
            WaitView::Run { .. } => return None,
        };
        Some(format!("`{id}` of `{workflow}` waits for {what}"))
    })
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
    async move |engine| {
        leave_the_systems_clock(engine).await;
        match engine.start(request).await {
            Ok(started) => ended(engine, started.run).await,
            Err(refusal) => End::Refused(refusal.to_string()),
        }
    }
}

/// The engine's clock follows the system's unless it is ahead of it: then it goes by the runtime's alone.
async fn leave_the_systems_clock(engine: &Engine) {
    let _ = engine.now();
    tokio::time::advance(AHEAD).await;
    let _ = engine.now();
}

/// Waits for the end of a run that an earlier life accepted.
fn go_on(run: RunId) -> impl AsyncFnOnce(&Engine) -> End + use<> {
    async move |engine| {
        engine.ready().await;
        ended(engine, run).await
    }
}

async fn ended(engine: &Engine, run: RunId) -> End {
    match engine.wait(&tenant(), run, FOR_EVER).await {
        Ok(None) => End::Lost,
        Ok(Some(view)) if view.status.is_final() => End::Ended(Box::new(view)),
        Ok(Some(_)) => End::Hung(Hung::default()),
        Err(error) => End::Broken(error.to_string()),
    }
}

impl Take {
    /// Why the disruption never came, if it did not: what is green without it says nothing of it.
    pub(super) fn is_without(&self, disruption: &Disruption) -> Option<String> {
        match disruption {
            Disruption::Crash(entry) if *entry < self.entries => None,
            Disruption::Crash(_) => Some(match self.entries.checked_sub(1) {
                Some(last) => format!("the last entry that the journal was given is {last}"),
                None => "the journal was given no entry".to_owned(),
            }),
            Disruption::Fault(_, effect) if self.effects.asked.contains(effect) => None,
            Disruption::Fault(_, EffectName(effect)) => {
                let asked: Vec<&str> =
                    self.effects.asked.iter().map(|EffectName(name)| name.as_str()).collect();
                let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
                Some(format!("no effect `{effect}` was asked for; effects: {asked}"))
            }
        }
    }

    /// The run as it ended or stood, if it was ever seen.
    pub(super) fn run(&self) -> Option<&RunView> {
        match &self.end {
            End::Ended(run) => Some(run),
            End::Hung(hung) => hung.run.as_deref(),
            End::Refused(_) | End::Lost | End::Broken(_) => None,
        }
    }

    /// The same, for programs.
    pub(super) fn run_to_json(&self) -> Value {
        self.run().and_then(|run| serde_json::to_value(run).ok()).unwrap_or_default()
    }
}
