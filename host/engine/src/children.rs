//! Runs of sub-workflows: their parent starts them, hears of their end, and cancels them when it ends itself.
//!
//! A parent's journal names the child before the child is started, so a crash in between leaves a child that is started by the parent's
//! next life. One that finds no room is tried again for as long as it is wanted. The end of a child is marked until its parent has heard
//! of it.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{NodeId, RunId, TenantId};
use stepwell_core::plan::{LockedWorkflow, Work};
use stepwell_core::run::{Event, OpenChild, RunOutcome, RunStatus, Spent, Trigger};
use stepwell_store::MarkKind;
use tokio::task::{AbortHandle, JoinSet};

use crate::live::LiveRun;
use crate::pauses::Pauses;
use crate::recovery::is_passing;
use crate::start::StartRequest;
use crate::{Cancel, CancelOutcome, Engine, EngineError, Phase, Shared, StartError, clock};

/// So many marks are read at a time.
const MARKS_A_PAGE: usize = 256;

/// A run of a sub-workflow that is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    node: NodeId,
    run: RunId,
    input: Arc<Value>,
}

impl From<OpenChild<'_>> for Child {
    fn from(child: OpenChild<'_>) -> Self {
        Self { node: child.node.clone(), run: child.run, input: Arc::clone(child.input) }
    }
}

/// A run of a sub-workflow that is to be cancelled, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unwanted {
    pub(crate) run: RunId,
    pub(crate) grace_until: Option<Timestamp>,
    pub(crate) compensate: bool,
}

/// What one parent does about its children while it is in memory.
#[derive(Default)]
pub(crate) struct Children {
    /// Those that are known to be there, or will be.
    ensured: HashSet<RunId>,
    /// The tasks that see to it.
    starting: HashMap<RunId, AbortHandle>,
    busy: JoinSet<()>,
    /// How each was asked to end.
    cancelling: HashMap<RunId, Unwanted>,
    /// What each of the tasks is about.
    about: HashMap<tokio::task::Id, RunId>,
}

impl Children {
    /// Starts those that are new, and cancels those that nobody wants any more.
    pub(crate) fn look_after(
        &mut self,
        engine: &Arc<Shared>,
        run: &Arc<LiveRun>,
        children: &[Child],
        unwanted: &[Unwanted],
    ) {
        for child in children {
            if !self.ensured.insert(child.run) {
                continue;
            }
            let task = self.busy.spawn(ensure(Engine(Arc::clone(engine)), Arc::clone(run), child.clone()));
            self.about.insert(task.id(), child.run);
            self.starting.insert(child.run, task);
        }
        // What waits for room waits no more. It has ended when its child's turn comes below.
        unwanted.iter().filter_map(|child| self.starting.remove(&child.run)).for_each(|task| task.abort());
        let is_busy = |run: &RunId| self.about.values().any(|busy| busy == run);
        let idle: Vec<Unwanted> = unwanted.iter().filter(|child| !is_busy(&child.run)).copied().collect();
        for child in idle {
            if self.cancelling.insert(child.run, child) != Some(child) {
                let task = self.busy.spawn(cancel(Engine(Arc::clone(engine)), Arc::clone(run), child));
                self.about.insert(task.id(), child.run);
            }
        }
    }

    /// Whether nothing is being done about them.
    pub(crate) fn is_settled(&self) -> bool {
        self.busy.is_empty()
    }

    /// Returns when something has been done.
    pub(crate) async fn settled(&mut self) {
        match self.busy.join_next_with_id().await {
            Some(Ok((id, ()))) => _ = self.about.remove(&id),
            Some(Err(error)) => _ = self.about.remove(&error.id()),
            None => pending().await,
        }
    }
}

/// Why the run of a sub-workflow is not there.
#[derive(Debug, thiserror::Error)]
enum NotThere {
    /// Its workflow has no room for it.
    #[error("{0}")]
    Full(StartError),
    /// Nothing of a paused run starts.
    #[error("the run that it belongs to is paused")]
    Paused,
    /// The engine cannot start it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Sees to it that a child is there, or has told its end. What the disk refuses, or finds no room, is tried again for as long as the parent
/// is in memory: that is no failure of the parent's.
async fn ensure(engine: Engine, parent: Arc<LiveRun>, child: Child) {
    let mut pauses = Pauses::new();
    while let Err(why) = try_ensure(&engine, &parent, &child).await {
        match &why {
            NotThere::Full(_) | NotThere::Paused => {
                tracing::debug!(run = %parent.id, child = %child.run, %why, "the run of a sub-workflow waits to be started");
            }
            NotThere::Engine(error) if is_passing(error) => {
                tracing::warn!(run = %parent.id, child = %child.run, %error, "the run of a sub-workflow cannot be started now; trying again");
            }
            NotThere::Engine(error) => {
                tracing::error!(run = %parent.id, child = %child.run, %error, "the run of a sub-workflow cannot be started");
                let failure =
                    Failure::new(FailureKind::Internal, format!("it could not be started: {error}"));
                return tell(&parent, &child, RunOutcome::Failed { failure, node: None, partial: None });
            }
        }
        pauses.next().await;
    }
}

async fn try_ensure(engine: &Engine, parent: &Arc<LiveRun>, child: &Child) -> Result<(), NotThere> {
    parent.durable().await.map_err(EngineError::from)?;
    let summary = engine.0.journal.summary(&parent.tenant, child.run).await;
    if let Some(summary) = summary.map_err(EngineError::from)? {
        if summary.status.is_final() {
            tell_parent_of(engine, &parent.tenant, child.run).await?;
        }
        return Ok(());
    }
    let Some(Work::Workflow(work)) = parent.plan.nodes.get(&child.node).map(|planned| &planned.work) else {
        return Ok(());
    };
    if parent.ledger().state().status() == RunStatus::Paused {
        return Err(NotThere::Paused);
    }
    match engine.start_child(child.run, request(parent, child, &work.workflow)).await {
        Ok(()) => Ok(()),
        Err(StartError::Store(error)) => Err(NotThere::Engine(error.into())),
        Err(StartError::ShuttingDown) => Ok(()),
        Err(full @ StartError::Full { .. }) => Err(NotThere::Full(full)),
        Err(refused) => {
            let kind = match &refused {
                StartError::InvalidInput(_) | StartError::InputTooLarge { .. } => FailureKind::InvalidInput,
                _ => FailureKind::Internal,
            };
            let failure = Failure::new(kind, refused.to_string());
            tell(parent, child, RunOutcome::Failed { failure, node: None, partial: None });
            Ok(())
        }
    }
}

fn request(parent: &LiveRun, child: &Child, workflow: &LockedWorkflow) -> StartRequest {
    StartRequest {
        tenant: parent.tenant.clone(),
        workflow: workflow.workflow.clone(),
        version: Some(workflow.version.clone()),
        input: Value::clone(&child.input),
        trigger: Trigger::Parent { run: parent.id, node: child.node.clone() },
        traceparent: parent.traceparent.to_string(),
        idempotency_key: None,
        wait: None,
        start_at: None,
        priority: Some(parent.priority),
    }
}

/// Tells a parent of a child that never came to be.
fn tell(parent: &LiveRun, child: &Child, outcome: RunOutcome) {
    let event = Event::ChildEnded { node: child.node.clone(), run: child.run, outcome, spent: None };
    if let Err(error) = parent.interject(event) {
        tracing::error!(run = %parent.id, child = %child.run, %error, "a run cannot hear of its child's end");
    }
    parent.poke.notify_one();
}

async fn cancel(engine: Engine, parent: Arc<LiveRun>, child: Unwanted) {
    let mut pauses = Pauses::new();
    while let Err(error) = try_cancel(&engine, &parent, child).await {
        tracing::warn!(child = %child.run, %error, "the run of a sub-workflow cannot be cancelled now");
        if !is_passing(&error) {
            return;
        }
        pauses.next().await;
    }
}

async fn try_cancel(engine: &Engine, parent: &LiveRun, child: Unwanted) -> Result<(), EngineError> {
    let reason = Some("the run that it belongs to ended".to_owned());
    let grace = child.grace_until.map(clock::until).unwrap_or_default();
    let wish = Cancel { reason: reason.clone(), grace, compensate: child.compensate, by: None };
    match engine.cancel(&parent.tenant, child.run, wish).await? {
        CancelOutcome::Cancelled | CancelOutcome::Cancelling => Ok(()),
        // Whoever was about to tell of it may have been stopped.
        CancelOutcome::AlreadyEnded(_) => tell_parent_of(engine, &parent.tenant, child.run).await,
        CancelOutcome::Unknown => {
            let waits =
                parent.ledger().state().children().find(|open| open.run == child.run).map(Child::from);
            if let Some(waits) = waits {
                tell(parent, &waits, RunOutcome::Cancelled { reason });
            }
            Ok(())
        }
    }
}

/// A run has ended: if another one waits for it, that one is told.
pub(crate) fn tell_parent(engine: &Arc<Shared>, run: &LiveRun) {
    if !matches!(run.ledger().state().trigger(), Trigger::Parent { .. }) {
        return;
    }
    let (engine, tenant, child) = (Engine(Arc::clone(engine)), run.tenant.clone(), run.id);
    let tasks = engine.0.tasks.clone();
    tasks.spawn(async move {
        let mut pauses = Pauses::new();
        while let Err(error) = tell_parent_of(&engine, &tenant, child).await {
            if !is_passing(&error) || engine.0.phase() != Phase::Open {
                tracing::error!(%child, %error, "the end of a run cannot be told to its parent: it will be after the next start");
                return;
            }
            tracing::warn!(%child, %error, "the end of a run cannot be told to its parent now; trying again");
            let mut phase = engine.0.phase.subscribe();
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
                () = pauses.next() => {}
            }
        }
    });
}

/// Tells the parent of a run that has ended, and forgets that it is to be told.
pub(crate) async fn tell_parent_of(
    engine: &Engine,
    tenant: &TenantId,
    child: RunId,
) -> Result<(), EngineError> {
    let Some(folded) = crate::recovery::read_back(&engine.0, tenant, child).await? else { return Ok(()) };
    let (Trigger::Parent { run, node }, Some(outcome)) = (folded.state.trigger(), folded.state.outcome())
    else {
        return Ok(());
    };
    let spent = Some(Spent::from(folded.state.totals())).filter(|spent| *spent != Spent::default());
    let event = Event::ChildEnded { node: node.clone(), run: child, outcome: outcome.clone(), spent };
    engine.tell_run(tenant, *run, event, child).await
}

/// Tells every parent what it has not heard before a crash.
pub(crate) async fn tell_all(engine: &Arc<Shared>, tenant: &TenantId) -> Result<(), EngineError> {
    let engine = Engine(Arc::clone(engine));
    let mut after: Option<String> = None;
    loop {
        let marks = engine.0.journal.marks(tenant, MarkKind::Child, after.as_deref(), MARKS_A_PAGE).await?;
        let Some(last) = marks.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for mark in &marks {
            if let Ok(child) = mark.key.parse() {
                tell_parent_of(&engine, tenant, child).await?;
            }
        }
    }
}
