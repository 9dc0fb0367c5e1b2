//! A run as people and programs see it: the JSON shape of `GET /v1/runs/{id}`.

use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{RunOutcome, RunStatus, SkipReason, Trigger};
use crate::attempt::{Decision, ModelCall};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, RunId, StepName, WorkflowName};
use crate::manifest::Capability;

/// One run with its nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// The workflow's version that the run keeps to its end.
    #[schema(value_type = String)]
    pub version: Version,
    /// Where it stands.
    pub status: RunStatus,
    /// Who or what started it.
    pub trigger: Trigger,
    /// The W3C Trace Context that came with the start, or was made for it.
    pub traceparent: String,
    /// The run's input.
    #[schema(value_type = Value)]
    pub input: Arc<Value>,
    /// The run's output, once it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub output: Option<Arc<Value>>,
    /// Why it failed, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The node that failed first and the run with it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_node: Option<NodeId>,
    /// Why it was cancelled, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its nodes, each after all that it needs.
    pub nodes: Vec<NodeView>,
    /// What it used so far.
    pub totals: Totals,
}

impl RunView {
    /// How the run ended, if it did.
    #[must_use]
    pub fn into_outcome(self) -> Option<RunOutcome> {
        match self.status {
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => None,
            RunStatus::Succeeded => self.output.map(|output| RunOutcome::Succeeded { output }),
            RunStatus::Failed => {
                self.failure.map(|failure| RunOutcome::Failed { failure, node: self.failed_node })
            }
            RunStatus::Cancelled => Some(RunOutcome::Cancelled { reason: self.cancel_reason }),
        }
    }
}

/// One node of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeView {
    /// The node.
    pub id: NodeId,
    /// Its step's name.
    pub step: StepName,
    /// The step's version.
    #[schema(value_type = String)]
    pub step_version: Version,
    /// Where it stands.
    pub status: NodeStatus,
    /// Why it was skipped, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<SkipReason>,
    /// When the next attempt is due, of a node that waits to retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The step's output, once the node succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub output: Option<Arc<Value>>,
    /// Why it failed, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptView>,
}

/// Where a node stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStatus {
    /// It waits for what it needs.
    Pending,
    /// An attempt is in flight.
    Running,
    /// An attempt failed and another will follow.
    WaitingToRetry,
    /// An attempt gave an output. Final.
    Succeeded,
    /// No attempt gave an output and none will follow. Final.
    Failed,
    /// It does not run. Final.
    Skipped,
    /// The run ended before it did. Final.
    Cancelled,
}

impl NodeStatus {
    /// As written in JSON and seen by expressions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::WaitingToRetry => "waiting-to-retry",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it stays so.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled)
    }
}

/// One attempt at a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttemptView {
    /// Which attempt, from 1.
    pub number: AttemptNumber,
    /// Where it stands.
    pub status: AttemptStatus,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended, or the run ended without waiting for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it used and recorded.
    #[serde(flatten)]
    pub bill: Bill,
    /// Its effects that were answered, in the order in which they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectView>,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptStatus {
    /// It is in flight.
    Running,
    /// It gave an output.
    Succeeded,
    /// It gave a failure.
    Failed,
    /// The run ended without waiting for it.
    Abandoned,
}

/// What an attempt used and recorded, but for its log, which the journal keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Bill {
    /// Units of computation.
    pub fuel: u64,
    /// Microseconds of wall-clock time, waiting included.
    pub duration_us: u64,
    /// How many lines it logged.
    pub log_lines: u64,
    /// Calls of AI models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<ModelCall>,
    /// Decisions for the audit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
}

/// One effect, without what was sent and answered: the journal keeps that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EffectView {
    /// Counts an attempt's effects from 0.
    pub index: u32,
    /// Through which capability.
    pub capability: Capability,
    /// What was asked, for a person.
    pub summary: String,
}

/// What all attempts of a run used together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Totals {
    /// Attempts started.
    pub attempts: u64,
    /// Effects answered.
    pub effects: u64,
    /// Units of computation.
    pub fuel: u64,
    /// Calls of AI models.
    pub model_calls: u64,
    /// Tokens that the models read.
    pub input_tokens: u64,
    /// Tokens that the models wrote.
    pub output_tokens: u64,
    /// Millionths of a US dollar, of the calls whose price is known.
    pub cost_micro_usd: u64,
}

impl Totals {
    pub(super) fn of(nodes: &[NodeView]) -> Self {
        let mut totals = Self::default();
        for attempt in nodes.iter().flat_map(|node| &node.attempts) {
            totals.attempts += 1;
            totals.effects += attempt.effects.len() as u64;
            totals.fuel = totals.fuel.saturating_add(attempt.bill.fuel);
            attempt.bill.usage.iter().for_each(|call| totals.add_model_call(call));
        }
        totals
    }

    fn add_model_call(&mut self, call: &ModelCall) {
        self.model_calls += 1;
        self.input_tokens = self.input_tokens.saturating_add(call.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(call.output_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(call.cost_micro_usd.unwrap_or(0));
    }
}
