//! Answers that runs wait for: decisions of people, callbacks, signals.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::id::{NodeId, RunId, TenantId};
use stepwell_core::plan::{ApprovalWork, Work};
use stepwell_core::run::{
    ApprovalDecision, CallbackStanding, Event, NodeStatus, RunState, RunStatus, Verdict,
};
use stepwell_core::schema::SchemaViolation;
use stepwell_store::MarkKind;

use super::{Undone, list};
use crate::{ControlError, Engine, EngineError, clock, marks};

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
    #[error("`{node}` of run {run} is not waiting for a decision: {}", standing(*status))]
    NotWaiting {
        /// The run.
        run: RunId,
        /// The node.
        node: NodeId,
        /// How it stands.
        status: NodeStatus,
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
            Err(Undone::Ended) => Err(self.decided_before(tenant, run, node).await?),
            Err(Undone::Not(why)) => Err(why),
            Err(Undone::Engine(error)) => Err(error.into()),
        }
    }

    /// What to say of a decision in a run that has ended.
    async fn decided_before(
        &self,
        tenant: &TenantId,
        run: RunId,
        node: &str,
    ) -> Result<ApprovalError, ApprovalError> {
        let view = self.run(tenant, run).await?;
        let found = view.and_then(|view| view.nodes.into_iter().find(|known| known.id.as_str() == node));
        Ok(match found {
            Some(found) => ApprovalError::NotWaiting { run, node: found.id, status: found.status },
            None => ApprovalError::UnknownNode { run, node: node.to_owned(), known: Vec::new() },
        })
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
            Err(Undone::Ended) => Err(self.called_before(tenant, run, token).await?),
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
    ) -> Result<CallbackError, CallbackError> {
        let folded = crate::recovery::read_back(&self.0, tenant, run).await?;
        let standing = folded.as_ref().and_then(|folded| folded.state.callback(token));
        Ok(match standing {
            Some(CallbackStanding::Used) => CallbackError::Used,
            _ => CallbackError::Closed,
        })
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
    let plan = state.plan();
    let Some((id, work)) = plan.nodes.get(node).and_then(|planned| match &planned.work {
        Work::Approval(work) => Some((&planned.id, work)),
        _ => None,
    }) else {
        let asks = plan.nodes.values().filter(|planned| matches!(planned.work, Work::Approval(_)));
        let known = asks.map(|planned| planned.id.to_string()).collect();
        return Err(ApprovalError::UnknownNode { run: state.run(), node: node.to_owned(), known });
    };
    let Some(open) = state.approvals().find(|open| open.node == id) else {
        let status = state.node_status(id);
        return Err(ApprovalError::NotWaiting { run: state.run(), node: id.clone(), status });
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
        Some(CallbackStanding::Closed) => Err(CallbackError::Closed),
        Some(CallbackStanding::Open { expires_at, .. }) if expires_at <= clock::now() => {
            Err(CallbackError::Expired { at: expires_at })
        }
        Some(CallbackStanding::Open { node, .. }) => {
            if let Some(Work::Callback(work)) = state.plan().nodes.get(node).map(|planned| &planned.work) {
                work.schema.check(body).map_err(CallbackError::Body)?;
            }
            Ok(Event::CallbackReceived { node: node.clone(), body: Arc::clone(body) })
        }
    }
}

fn standing(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Pending => "its turn has not come",
        NodeStatus::Succeeded | NodeStatus::Failed => "it was decided before",
        NodeStatus::Skipped => "it was skipped",
        _ => "the run goes on without it",
    }
}
