//! What the events of nodes that wait change: for time, a signal, a person, a callback, another run.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Misfit;
use super::checks::wrong_status;
use crate::failure::{Failure, FailureKind};
use crate::id::{NodeId, RunId};
use crate::plan::{ApprovalWork, OnReject, OnTimeout, WaitWork, Work};
use crate::quantity;
use crate::run::event::{ApprovalDecision, RunOutcome, Spent, Verdict, whole_millisecond};
use crate::run::node::{Callback, Phase, Question, Waiting};
use crate::run::state::RunState;

impl RunState {
    pub(super) fn wait_started(
        &mut self,
        id: &NodeId,
        until: Option<Timestamp>,
        _at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_ready(id)?;
        let until = until.map(whole_millisecond);
        let plan = Arc::clone(&self.plan);
        let Work::Wait(WaitWork::Signal { name, .. }) = &plan.nodes[id].work else {
            self.move_to(id, Phase::Waiting(Waiting::Time { until }));
            return Ok(());
        };
        match self.signals.get_mut(name).and_then(std::collections::VecDeque::pop_front) {
            // It came before anybody waited for it.
            Some(payload) => self.succeed(id, None, payload),
            None => self.move_to(id, Phase::Waiting(Waiting::Signal { until })),
        }
        Ok(())
    }

    pub(super) fn signal_received(&mut self, name: &str, payload: &Arc<Value>, _at: Timestamp) {
        match self.waits_for_signal(name).cloned() {
            Some(id) => self.succeed(&id, None, Arc::clone(payload)),
            None => {
                self.signals.entry(name.to_owned()).or_default().push_back(Arc::clone(payload));
            }
        }
    }

    pub(super) fn approval_opened(
        &mut self,
        id: &NodeId,
        show: &Arc<Value>,
        expires_at: Option<Timestamp>,
        escalates_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_ready(id)?;
        let question = Question {
            asked_at: at,
            show: Arc::clone(show),
            expires_at: expires_at.map(whole_millisecond),
            escalates_at: escalates_at.map(whole_millisecond),
            escalated: false,
        };
        self.move_to(id, Phase::Waiting(Waiting::Approval(question)));
        Ok(())
    }

    pub(super) fn approval_escalated(&mut self, id: &NodeId, _at: Timestamp) -> Result<(), Misfit> {
        let Waiting::Approval(question) = self.check_waiting(id)?.clone() else {
            return Err(wrong_status(id, &self.nodes[id]));
        };
        let question = Question { escalates_at: None, escalated: true, ..question };
        self.move_to(id, Phase::Waiting(Waiting::Approval(question)));
        Ok(())
    }

    pub(super) fn approval_decided(
        &mut self,
        id: &NodeId,
        decision: &ApprovalDecision,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        if !matches!(self.check_waiting(id)?, Waiting::Approval(_)) {
            return Err(wrong_status(id, &self.nodes[id]));
        }
        self.decided(id, decision, at);
        Ok(())
    }

    fn decided(&mut self, id: &NodeId, decision: &ApprovalDecision, at: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Work::Approval(work) = &plan.nodes[id].work else { return };
        let mut output = json!({"decision": decision.decision, "at": at.to_string()});
        let by = decision.by.as_ref().map(|by| ("by", json!(by)));
        let comment = decision.comment.as_ref().map(|comment| ("comment", json!(comment)));
        let form = (!decision.form.is_null()).then(|| ("form", decision.form.clone()));
        for (name, value) in [by, comment, form].into_iter().flatten() {
            output[name] = value;
        }
        if (decision.decision, work.on_reject) == (Verdict::Reject, OnReject::Fail) {
            let comment = decision.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
            let message = match &decision.by {
                Some(by) => format!("rejected by {by}{comment}"),
                None => format!("{}, which counts as a refusal (`on_timeout`)", nobody_decided_words(work)),
            };
            let failure = Failure { detail: Some(output), ..Failure::new(FailureKind::Rejected, message) };
            return self.fail(id, &failure, at);
        }
        self.succeed(id, None, Arc::new(output));
    }

    pub(super) fn callback_opened(
        &mut self,
        id: &NodeId,
        token: &str,
        url: &str,
        expires_at: Timestamp,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_ready(id)?;
        self.node_mut(id).more_mut().callback = Some(Callback {
            token: token.to_owned(),
            url: url.to_owned(),
            expires_at: whole_millisecond(expires_at),
            body: None,
        });
        self.with_callback.insert(id.clone());
        // The step that hands the job over is due at once.
        self.move_to(id, Phase::WaitingToRetry { due: at });
        Ok(())
    }

    pub(super) fn callback_received(
        &mut self,
        id: &NodeId,
        body: &Arc<Value>,
        _at: Timestamp,
    ) -> Result<(), Misfit> {
        let node = self.check_node(id)?;
        if node.callback().is_none_or(|callback| callback.body.is_some()) || node.status().is_final() {
            return Err(wrong_status(id, node));
        }
        let more = self.node_mut(id).more_mut();
        if let Some(callback) = &mut more.callback {
            callback.body = Some(Arc::clone(body));
        }
        let input = more.input.clone();
        // An attempt that still hands the job over may end first.
        if !matches!(self.nodes[id].phase, Phase::Running) {
            self.succeed(id, input, Arc::clone(body));
        }
        Ok(())
    }

    pub(super) fn child_started(
        &mut self,
        id: &NodeId,
        run: RunId,
        input: &Arc<Value>,
        _at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_ready(id)?;
        self.node_mut(id).more_mut().child = Some(run);
        self.move_to(id, Phase::Waiting(Waiting::Child { run, input: Arc::clone(input) }));
        Ok(())
    }

    pub(super) fn child_ended(
        &mut self,
        id: &NodeId,
        run: RunId,
        outcome: &RunOutcome,
        spent: Option<&Spent>,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        let input = match self.check_waiting(id)? {
            Waiting::Child { run: child, input } if *child == run => Arc::clone(input),
            _ => return Err(wrong_status(id, &self.nodes[id])),
        };
        if let Some(spent) = spent {
            self.totals.add_spent(spent);
        }
        match outcome {
            RunOutcome::Succeeded { output } => self.succeed(id, Some(input), Arc::clone(output)),
            _ if self.is_winding_down() => self.move_to(id, Phase::Cancelled),
            RunOutcome::Failed { failure, .. } => {
                let message = format!("its run {run} failed: {}", failure.message);
                self.fail(id, &child_failure(run, message, &json!(failure)), at);
            }
            RunOutcome::Cancelled { reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let message = format!("its run {run} was cancelled{reason}");
                self.fail(id, &child_failure(run, message, &Value::Null), at);
            }
        }
        Ok(())
    }

    pub(super) fn timer_fired(&mut self, id: &NodeId, at: Timestamp) -> Result<(), Misfit> {
        match self.check_waiting(id)?.clone() {
            Waiting::Time { .. } => self.succeed(id, None, Arc::new(json!({"at": at.to_string()}))),
            Waiting::Signal { .. } | Waiting::Callback { .. } => {
                let message = nobody_came_words(&self.plan.nodes[id].work);
                self.fail(id, &Failure::new(FailureKind::Expired, message), at);
            }
            Waiting::Approval(_) => self.nobody_decided(id, at),
            Waiting::Child { .. } => return Err(wrong_status(id, &self.nodes[id])),
        }
        Ok(())
    }

    fn nobody_decided(&mut self, id: &NodeId, at: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Work::Approval(work) = &plan.nodes[id].work else { return };
        let verdict = match work.timeout.map(|(_, then)| then).unwrap_or_default() {
            OnTimeout::Fail => {
                let failure = Failure::new(FailureKind::Expired, nobody_decided_words(work));
                return self.fail(id, &failure, at);
            }
            OnTimeout::Approve => Verdict::Approve,
            OnTimeout::Reject => Verdict::Reject,
        };
        let decision = ApprovalDecision { decision: verdict, by: None, comment: None, form: Value::Null };
        self.decided(id, &decision, at);
    }
}

/// What did not come to a node that waits, and for how long it was waited for.
fn nobody_came_words(work: &Work) -> String {
    match work {
        Work::Wait(WaitWork::Signal { name, timeout }) => {
            format!("no signal `{name}` came{} (`timeout` of the wait)", within(*timeout))
        }
        Work::Callback(callback) => {
            format!("nobody called back{} (`callback.expires`)", within(Some(callback.expires)))
        }
        _ => "nothing came in time".to_owned(),
    }
}

fn nobody_decided_words(work: &ApprovalWork) -> String {
    format!("nobody decided{} (`timeout` of the approval)", within(work.timeout.map(|(time, _)| time)))
}

fn within(time: Option<Duration>) -> String {
    time.map(|time| format!(" within {}", quantity::words(time))).unwrap_or_default()
}

fn child_failure(run: RunId, message: String, failure: &Value) -> Failure {
    Failure {
        detail: Some(json!({"run": run, "failure": failure})),
        ..Failure::new(FailureKind::ChildFailed, message)
    }
}
