//! Letting a run that has ended go on, or begin anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stepwell_core::id::{NodeId, RunId, TenantId};
use stepwell_core::plan::{Call, PlannedNode, Work};
use stepwell_core::run::{Edit, Event, ReopenFrom, RunState, RunStatus, Trigger};
use stepwell_core::schema::{Schema, SchemaViolation};

use crate::start::{StartRequest, Started};
use crate::{Engine, EngineError, StartError, recovery};

/// From where a run goes on, and with what.
#[derive(Debug, Clone)]
pub struct Reopen {
    /// From where.
    pub from: ReopenFrom,
    /// Nodes whose input or config is another from now on.
    pub edits: BTreeMap<NodeId, Edit>,
    /// Who wants it.
    pub by: String,
}

/// Why a run does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// It has not ended.
    #[error("run {run} has not ended: it is {}; cancel it first, or wait for its end", status.as_str())]
    NotEnded {
        /// The run.
        run: RunId,
        /// How it stands.
        status: RunStatus,
    },
    /// Nothing in it failed.
    #[error("nothing failed in run {run}: name a node to go on from, or `start`")]
    NothingFailed {
        /// The run.
        run: RunId,
    },
    /// What a node did could not be undone, and it would be done once more.
    #[error(
        "what `{node}` did in run {run} could not be undone and stands, so it is not run again: retry or discard its dead letter first, or go on from what failed"
    )]
    NotUndone {
        /// The run.
        run: RunId,
        /// The node.
        node: NodeId,
    },
    /// The workflow has no such node.
    #[error("the workflow of run {run} has no node `{node}`")]
    UnknownNode {
        /// The run.
        run: RunId,
        /// The node.
        node: String,
    },
    /// The node runs no step, or many.
    #[error("`{node}` takes no other input or config: only a node that runs one step does")]
    NoEdit {
        /// The node.
        node: NodeId,
    },
    /// Its new input or config does not match its step's schema.
    #[error("`{node}` cannot be given that: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Edit {
        /// The node.
        node: NodeId,
        /// All that is wrong, below `/input` and `/config`.
        violations: Vec<SchemaViolation>,
    },
    /// The run that is to replace it was not started, or there is no place for the run.
    #[error("the run cannot be done again: {0}")]
    Start(#[source] StartError),
    /// The engine cannot do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Lets a run that has ended go on, with the version that it has. It is on disk when this returns how the run stands: it may be queued.
    pub async fn reopen(
        &self,
        tenant: &TenantId,
        run: RunId,
        wish: Reopen,
    ) -> Result<RunStatus, ReopenError> {
        self.change_ended(tenant, run, |state| {
            check(state, &wish)?;
            let Reopen { from, edits, by } = wish.clone();
            Ok(Event::RunReopened { standing: state.standing(&from), from, edits, by: Some(by) })
        })
        .await
    }

    /// Starts a run like this one, with the version that new runs get.
    pub async fn run_again(&self, tenant: &TenantId, run: RunId) -> Result<Started, ReopenError> {
        let folded = recovery::read_back(&self.0, tenant, run).await?;
        let state = folded.ok_or(ReopenError::UnknownRun(run))?.state;
        let request = StartRequest {
            tenant: tenant.clone(),
            workflow: state.plan().name.clone(),
            version: None,
            input: Value::clone(state.input()),
            trigger: Trigger::Again { run },
            traceparent: String::new(),
            idempotency_key: None,
            wait: None,
            start_at: None,
            priority: Some(state.priority()),
        };
        self.start(request).await.map_err(|error| match error {
            StartError::Store(error) => EngineError::from(error).into(),
            StartError::Engine(error) => error.into(),
            other => ReopenError::Start(other),
        })
    }

    /// Records an event of a run that has ended, and sets the run going if it goes on with it. Gives how it stands then.
    pub(super) async fn change_ended(
        &self,
        tenant: &TenantId,
        run: RunId,
        make: impl Fn(&RunState) -> Result<Event, ReopenError>,
    ) -> Result<RunStatus, ReopenError> {
        let engine = &self.0;
        let mut ledger = loop {
            let turn = engine.runs.load_turn(run).await;
            let Some(live) = engine.runs.get(tenant, run) else {
                let ledger = recovery::reopen(engine, tenant, run).await?;
                break (ledger.ok_or(ReopenError::UnknownRun(run))?, turn);
            };
            drop(turn);
            if !live.is_ending() {
                let status = live.ledger().state().status();
                return Err(ReopenError::NotEnded { run, status });
            }
            live.left().await;
        };
        let (ledger, _turn) = (&mut ledger.0, &ledger.1);
        let status = ledger.state().status();
        if !status.is_final() {
            return Err(ReopenError::NotEnded { run, status });
        }
        let event = make(ledger.state())?;
        let damaged =
            |error: stepwell_core::run::FoldError| EngineError::Journal { run, why: error.to_string() };
        ledger.record(event).map_err(damaged)?;
        if ledger.state().is_queued() {
            engine.claim_place(tenant, ledger.state()).map_err(ReopenError::Start)?;
        }
        let going_on = async {
            if let Some(ticket) = ledger.hand_over(&*engine.journal) {
                ticket.durable().await?;
            }
            if ledger.state().outcome().is_none()
                && let Some(again) = recovery::reopen(engine, tenant, run).await?
            {
                return Ok(recovery::revive(engine, tenant, again).ledger().state().status());
            }
            Ok::<_, EngineError>(ledger.state().status())
        };
        going_on.await.map_err(|error| {
            // What the disk has of it decides whether the run goes on: that is looked at again once it can be read.
            engine.strand_id(tenant.clone(), run);
            error.into()
        })
    }
}

fn check(state: &RunState, Reopen { from, edits, .. }: &Reopen) -> Result<(), ReopenError> {
    let run = state.run();
    let unknown = |node: &NodeId| ReopenError::UnknownNode { run, node: node.to_string() };
    match from {
        ReopenFrom::Failed if state.status() == RunStatus::Succeeded => {
            return Err(ReopenError::NothingFailed { run });
        }
        ReopenFrom::Node(node) if !state.plan().nodes.contains_key(node) => return Err(unknown(node)),
        _ => {}
    }
    if let Some(node) = state.would_repeat(from) {
        return Err(ReopenError::NotUndone { run, node: node.clone() });
    }
    for (node, edit) in edits {
        let planned = state.plan().nodes.get(node).ok_or_else(|| unknown(node))?;
        let call = match from {
            ReopenFrom::Compensation(_) => planned.compensate.as_ref(),
            ReopenFrom::Failed | ReopenFrom::Node(_) | ReopenFrom::Start => own_call(planned),
        };
        check_edit(node, call, edit)?;
    }
    Ok(())
}

/// The one step that a node runs, if that is what it does.
fn own_call(planned: &PlannedNode) -> Option<&Call> {
    match &planned.work {
        Work::Step(step) => step.calls.first(),
        Work::Callback(callback) => callback.submit.calls.first(),
        _ => None,
    }
}

fn check_edit(node: &NodeId, call: Option<&Call>, edit: &Edit) -> Result<(), ReopenError> {
    let Some(call) = call else { return Err(ReopenError::NoEdit { node: node.clone() }) };
    let misfits = |what, schema: &Schema, value: &Option<Arc<Value>>| {
        let violations = value.as_ref().and_then(|value| schema.check(value).err()).unwrap_or_default();
        violations.into_iter().map(move |violation| SchemaViolation {
            pointer: format!("/{what}{}", violation.pointer),
            message: violation.message,
        })
    };
    let violations: Vec<SchemaViolation> = misfits("input", &call.input_schema, &edit.input)
        .chain(misfits("config", &call.config_schema, &edit.config))
        .collect();
    if violations.is_empty() {
        return Ok(());
    }
    Err(ReopenError::Edit { node: node.clone(), violations })
}
