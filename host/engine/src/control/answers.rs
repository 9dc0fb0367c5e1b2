//! Answers that runs wait for: decisions of people, callbacks, signals.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::failure::FailureKind;
use stepwell_core::id::{NodeId, RunId, TenantId};
use stepwell_core::plan::{ApprovalWork, Work};
use stepwell_core::run::{
    ApprovalDecision, CallbackStanding, Event, NodeStatus, RunState, RunStatus, Verdict,
};
use stepwell_core::schema::SchemaViolation;
use stepwell_store::MarkKind;

use super::{Undone, list};
use crate::{ControlError, Engine, EngineError, clock, marks, recovery};

/// The most signals that a run keeps for nodes which do not wait for them yet.
const MAX_SIGNALS: usize = 1_000;

/// A decision.
#[derive(Debug, Clone)]
pub struct ApprovalAnswer {
    /// Yes or no.
    pub verdict: Verdict,
    /// Who decides: the name of an API key.
    pub by: String,
    /// In their words.
    pub comment: Option<String>,
    /// The form's fields.
    pub form: Value,
}

/// Why a decision was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApprovalError {
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The workflow has no such node, or it is none that asks.
    #[error("run {run} has no approval `{node}`; its approvals: {}", list(known))]
    UnknownNode {
        /// The run.
        run: RunId,
        /// What was asked for.
        node: String,
        /// The nodes that ask.
        known: Vec<String>,
    },
    /// It was decided, or is not asked yet, or will not be.
    #[error("`{node}` of run {run} is not waiting for a decision: {why}")]
    NotWaiting {
        /// The run.
        run: RunId,
        /// The node.
        node: NodeId,
        /// Why not.
        why: NotAsked,
    },
    /// Somebody else is asked.
    #[error("`{by}` may not decide `{node}`: {} may", list(who))]
    NotAllowed {
        /// Who tried.
        by: String,
        /// The node.
        node: NodeId,
        /// Who may.
        who: Vec<String>,
    },
    /// The fields do not match the form.
    #[error("the form's fields do not match its schema in {} place(s)", .0.len())]
    Form(Vec<SchemaViolation>),
    /// The engine cannot do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a node that asks does not ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// It will.
    #[error("its turn has not come")]
    NotYet,
    /// It took a decision.
    #[error("it was decided before")]
    Decided,
    /// Its time was over.
    #[error("it expired before anybody decided")]
    Expired,
    /// Its turn came, and what it was to show could not be made.
    #[error("it failed before anybody was asked")]
    Failed,
    /// Its turn came, and it was not wanted.
    #[error("it was skipped")]
    Skipped,
    /// The run ends without it.
    #[error("its run is about to end without it")]
    Ending,
    /// The run ended without it.
    #[error("its run ended without it ({})", .0.as_str())]
    Ended(RunStatus),
}

/// Why a callback was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallbackError {
    /// There is no such callback.
    #[error("there is no callback at this URL")]
    Unknown,
    /// It was called before.
    #[error("this callback was used before: it takes one call")]
    Used,
    /// It is good no more.
    #[error("this callback expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Its node waits no more.
    #[error("nobody waits for this callback any more: its node or its run has ended, or began anew")]
    Closed,
    /// What came does not match the node's schema.
    #[error("the body does not match the schema of the callback in {} place(s)", .0.len())]
    Body(Vec<SchemaViolation>),
    /// The engine cannot do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Takes a person's decision; it is on disk when this returns how the run stands then.
    pub async fn decide_approval(
        &self,
        tenant: &TenantId,
        run: RunId,
        node: &str,
        answer: ApprovalAnswer,
    ) -> Result<RunStatus, ApprovalError> {
        match self.act(tenant, run, |state| decide(state, node, &answer)).await {
            Ok(status) => Ok(status),
            Err(Undone::Unknown) => Err(ApprovalError::UnknownRun(run)),
            Err(Undone::Ended) => Err(self.decided_too_late(tenant, run, node).await?),
            Err(Undone::Not(why)) => Err(why),
            Err(Undone::Engine(error)) => Err(error.into()),
        }
    }

    /// What to say of a decision in a run that has ended.
    async fn decided_too_late(
        &self,
        tenant: &TenantId,
        run: RunId,
        node: &str,
    ) -> Result<ApprovalError, ApprovalError> {
        let folded = recovery::read_back(&self.0, tenant, run).await?;
        let state = folded.ok_or(ApprovalError::UnknownRun(run))?.state;
        let (id, _) = asks(&state, node)?;
        Ok(not_waiting(&state, id))
    }

    /// Takes the call of somebody who did a job; gives the run that goes on with it. It is on disk when this returns.
    pub async fn call_back(
        &self,
        tenant: &TenantId,
        token: &str,
        body: Value,
    ) -> Result<(RunId, RunStatus), CallbackError> {
        let mark = self.0.journal.mark(tenant, MarkKind::Callback, &marks::callback_key(token)).await;
        let run = mark.map_err(EngineError::from)?.and_then(|mark| mark.run).ok_or(CallbackError::Unknown)?;
        let body = Arc::new(body);
        match self.act(tenant, run, |state| receive(state, token, &body)).await {
            Ok(status) => Ok((run, status)),
            Err(Undone::Unknown) => Err(CallbackError::Unknown),
            Err(Undone::Ended) => Err(self.called_before(tenant, run, token, &body).await?),
            Err(Undone::Not(why)) => Err(why),
            Err(Undone::Engine(error)) => Err(error.into()),
        }
    }

    /// What to say of a call in a run that has ended.
    async fn called_before(
        &self,
        tenant: &TenantId,
        run: RunId,
        token: &str,
        body: &Arc<Value>,
    ) -> Result<CallbackError, CallbackError> {
        let folded = recovery::read_back(&self.0, tenant, run).await?.ok_or(CallbackError::Unknown)?;
        Ok(receive(&folded.state, token, body).err().unwrap_or(CallbackError::Closed))
    }

    /// Sends a run a signal; it is on disk when this returns how the run stands then.
    pub async fn signal(
        &self,
        tenant: &TenantId,
        run: RunId,
        name: &str,
        payload: Value,
        by: Option<String>,
    ) -> Result<RunStatus, ControlError> {
        let payload = Arc::new(payload);
        let acted = self.act(tenant, run, |state| {
            check_signal(state, name)?;
            Ok(Event::SignalReceived { name: name.to_owned(), payload: Arc::clone(&payload), by: by.clone() })
        });
        self.told(run, acted.await).await
    }
}

/// A signal that is waited for is always taken; one that may be later, while there is room for it.
fn check_signal(state: &RunState, name: &str) -> Result<(), ControlError> {
    let run = state.run();
    let known: BTreeSet<&str> = state.plan().nodes.values().filter_map(|node| node.work.signal()).collect();
    if !known.contains(name) {
        let known = known.into_iter().map(str::to_owned).collect();
        return Err(ControlError::UnknownSignal { run, name: name.to_owned(), known });
    }
    if state.waits_for_signal(name).is_none() && state.buffered_signals() >= MAX_SIGNALS {
        return Err(ControlError::TooManySignals { run, limit: MAX_SIGNALS });
    }
    Ok(())
}

fn decide(state: &RunState, node: &str, answer: &ApprovalAnswer) -> Result<Event, ApprovalError> {
    let (id, work) = asks(state, node)?;
    let Some(open) = state.approvals().find(|open| open.node == id) else {
        return Err(not_waiting(state, id));
    };
    let who = who_may(work, open.escalated);
    if !who.is_empty() && !who.contains(&answer.by) {
        return Err(ApprovalError::NotAllowed { by: answer.by.clone(), node: id.clone(), who });
    }
    if answer.verdict == Verdict::Approve || !answer.form.is_null() {
        let fields = if answer.form.is_null() { serde_json::json!({}) } else { answer.form.clone() };
        work.form.check(&fields).map_err(ApprovalError::Form)?;
    }
    let decision = ApprovalDecision {
        decision: answer.verdict,
        by: Some(answer.by.clone()),
        comment: answer.comment.clone(),
        form: answer.form.clone(),
    };
    Ok(Event::ApprovalDecided { node: id.clone(), decision })
}

/// The node of this name, if it is one that asks.
fn asks<'a>(state: &'a RunState, node: &str) -> Result<(&'a NodeId, &'a ApprovalWork), ApprovalError> {
    let approvals = state.plan().nodes.values().filter_map(|planned| match &planned.work {
        Work::Approval(work) => Some((&planned.id, work)),
        _ => None,
    });
    let unknown = || ApprovalError::UnknownNode {
        run: state.run(),
        node: node.to_owned(),
        known: approvals.clone().map(|(id, _)| id.to_string()).collect(),
    };
    approvals.clone().find(|(id, _)| id.as_str() == node).ok_or_else(unknown)
}

fn not_waiting(state: &RunState, node: &NodeId) -> ApprovalError {
    ApprovalError::NotWaiting { run: state.run(), node: node.clone(), why: NotAsked::of(state, node) }
}

impl NotAsked {
    fn of(state: &RunState, node: &NodeId) -> Self {
        let decided_by = |decision: Option<&Value>| match decision {
            Some(decision) if decision["by"].is_null() => Self::Expired,
            _ => Self::Decided,
        };
        match state.node_status(node) {
            NodeStatus::Succeeded => decided_by(state.node_output(node).map(|output| &**output)),
            NodeStatus::Failed => match state.node_failure(node) {
                Some(failure) if failure.kind == FailureKind::Expired => Self::Expired,
                Some(failure) if failure.kind == FailureKind::Rejected => decided_by(failure.detail.as_ref()),
                _ => Self::Failed,
            },
            NodeStatus::Skipped => Self::Skipped,
            _ if state.status().is_final() => Self::Ended(state.status()),
            NodeStatus::Cancelled => Self::Ending,
            _ => Self::NotYet,
        }
    }
}

/// Nobody in particular: everybody may.
fn who_may(work: &ApprovalWork, escalated: bool) -> Vec<String> {
    if work.who.is_empty() {
        return Vec::new();
    }
    let also = work.escalate.as_ref().filter(|_| escalated);
    work.who.iter().chain(also.iter().flat_map(|also| &also.who)).cloned().collect()
}

fn receive(state: &RunState, token: &str, body: &Arc<Value>) -> Result<Event, CallbackError> {
    match state.callback(token) {
        None => Err(CallbackError::Unknown),
        Some(CallbackStanding::Used) => Err(CallbackError::Used),
        Some(CallbackStanding::Closed { expires_at } | CallbackStanding::Open { expires_at, .. })
            if expires_at <= clock::now() =>
        {
            Err(CallbackError::Expired { at: expires_at })
        }
        Some(CallbackStanding::Closed { .. }) => Err(CallbackError::Closed),
        Some(CallbackStanding::Open { node, .. }) => {
            if let Some(Work::Callback(work)) = state.plan().nodes.get(node).map(|planned| &planned.work) {
                work.schema.check(body).map_err(CallbackError::Body)?;
            }
            Ok(Event::CallbackReceived { node: node.clone(), body: Arc::clone(body) })
        }
    }
}
