//! Runs of sub-workflows: their parent starts them, hears of their end, and cancels them when it ends itself.
//!
//! A parent's journal names the child before the child is started, so a crash in between leaves a child that is started by the parent's
//! next life. The end of a child is marked until its parent has heard of it.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;

use serde_json::Value;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{NodeId, RunId, TenantId};
use stepwell_core::plan::{LockedWorkflow, Work};
use stepwell_core::run::{Event, OpenChild, RunOutcome, Trigger};
use stepwell_store::MarkKind;
use tokio::task::JoinSet;

use crate::live::LiveRun;
use crate::pauses::Pauses;
use crate::recovery::is_passing;
use crate::start::StartRequest;
use crate::{Engine, EngineError, Phase, Shared, StartError};

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

/// What one parent does about its children while it is in memory.
#[derive(Default)]
pub(crate) struct Children {
    /// Those that are known to be there.
    ensured: HashSet<RunId>,
    busy: JoinSet<()>,
    cancelling: HashSet<RunId>,
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
        unwanted: &[RunId],
    ) {
        for child in children {
            if !self.ensured.insert(child.run) {
                continue;
            }
            let task = self.busy.spawn(ensure(Engine(Arc::clone(engine)), Arc::clone(run), child.clone()));
            self.about.insert(task.id(), child.run);
        }
        let is_busy = |run: &RunId| self.about.values().any(|busy| busy == run);
        let idle: Vec<RunId> = unwanted.iter().filter(|run| !is_busy(run)).copied().collect();
        for child in idle {
            if self.cancelling.insert(child) {
                let task = self.busy.spawn(cancel(Engine(Arc::clone(engine)), run.tenant.clone(), child));
                self.about.insert(task.id(), child);
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

/// Sees to it that a child is there, or has told its end. What the disk refuses is tried again for as long as the parent is in memory:
/// that is no failure of the parent's.
async fn ensure(engine: Engine, parent: Arc<LiveRun>, child: Child) {
    let mut pauses = Pauses::new();
    while let Err(error) = try_ensure(&engine, &parent, &child).await {
        if !is_passing(&error) {
            tracing::error!(run = %parent.id, child = %child.run, %error, "the run of a sub-workflow cannot be started");
            let failure = Failure::new(FailureKind::Internal, format!("it could not be started: {error}"));
            return tell(&parent, &child, RunOutcome::Failed { failure, node: None, partial: None });
        }
        tracing::warn!(run = %parent.id, child = %child.run, %error, "the run of a sub-workflow cannot be started now; trying again");
        pauses.next().await;
    }
}

async fn try_ensure(engine: &Engine, parent: &Arc<LiveRun>, child: &Child) -> Result<(), EngineError> {
    parent.durable().await?;
    let journal = &engine.0.journal;
    if let Some(summary) = journal.summary(&parent.tenant, child.run).await? {
        if summary.status.is_final() {
            tell_parent_of(engine, &parent.tenant, child.run).await?;
        }
        return Ok(());
    }
    let Some(Work::Workflow(work)) = parent.plan.nodes.get(&child.node).map(|planned| &planned.work) else {
        return Ok(());
    };
    match engine.start_child(child.run, request(parent, child, &work.workflow)).await {
        Ok(()) => Ok(()),
        Err(StartError::Store(error)) => Err(error.into()),
        Err(StartError::ShuttingDown) => Ok(()),
        Err(refused) => {
            let kind = match &refused {
                StartError::InvalidInput(_) | StartError::InputTooLarge { .. } => FailureKind::InvalidInput,
                StartError::Full { .. } => FailureKind::Retryable,
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

fn tell(parent: &LiveRun, child: &Child, outcome: RunOutcome) {
    let event = Event::ChildEnded { node: child.node.clone(), run: child.run, outcome };
    if let Err(error) = parent.interject(event) {
        tracing::error!(run = %parent.id, child = %child.run, %error, "a run cannot hear of its child's end");
    }
    parent.poke.notify_one();
}

async fn cancel(engine: Engine, tenant: TenantId, child: RunId) {
    let why = Some("the run that it belongs to ended".to_owned());
    let wish = crate::Cancel { reason: why, ..Default::default() };
    let mut pauses = Pauses::new();
    while let Err(error) = engine.cancel(&tenant, child, wish.clone()).await {
        tracing::warn!(%child, %error, "the run of a sub-workflow cannot be cancelled now");
        if !is_passing(&error) {
            return;
        }
        pauses.next().await;
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
    let event = Event::ChildEnded { node: node.clone(), run: child, outcome: outcome.clone() };
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
