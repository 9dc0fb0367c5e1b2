//! A run as people and programs see it: the JSON shape of `GET /v1/runs/{id}`.

use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ai::AiWork;
use super::event::{RunOutcome, RunStatus, SkipReason, Spent, Trigger};
use super::map::ItemsView;
use crate::attempt::{Account, Decision, ModelCall};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, RunId, StepName, WorkflowName};
use crate::manifest::Capability;
use crate::plan::NodeKind;
use crate::priority::Priority;
use crate::split::Split;

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
    /// What the version was chosen from, of a run that named none while there was a canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Where it stands.
    pub status: RunStatus,
    /// Who or what started it.
    pub trigger: Trigger,
    /// The W3C Trace Context that came with the start, or was made for it.
    pub traceparent: String,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
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
    /// What succeeded, by node, of a run that failed and tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub partial: Option<Arc<Value>>,
    /// Why it was cancelled, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// The cancellation that is under way, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling: Option<CancellationView>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Before which nothing begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// When it goes on or begins anew by itself, of a run that failed and whose `on_failure` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its nodes, each after all that it needs.
    pub nodes: Vec<NodeView>,
    /// What it used so far.
    pub totals: Totals,
    /// What its nodes did with AI so far.
    #[serde(default, skip_serializing_if = "AiWork::is_empty")]
    pub ai: AiWork,
}

impl RunView {
    /// How the run ended, if it did.
    #[must_use]
    pub fn into_outcome(self) -> Option<RunOutcome> {
        match self.status {
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => None,
            RunStatus::Succeeded => self.output.map(|output| RunOutcome::Succeeded { output }),
            RunStatus::Failed => self.failure.map(|failure| RunOutcome::Failed {
                failure,
                node: self.failed_node,
                partial: self.partial,
            }),
            RunStatus::Cancelled => Some(RunOutcome::Cancelled { reason: self.cancel_reason }),
        }
    }
}

/// A run is being cancelled: what was asked for, of all who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CancellationView {
    /// Why, in the words of whoever gave a reason last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether what succeeded is undone.
    pub compensate: bool,
    /// What is in flight may go on until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_until: Option<Timestamp>,
}

/// One node of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeView {
    /// The node.
    pub id: NodeId,
    /// Which kind of node.
    #[serde(default)]
    pub kind: NodeKind,
    /// Its step's name, if it runs a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// The step's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub step_version: Option<Version>,
    /// The workflow that it runs, if it runs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowName>,
    /// The run of that workflow, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Where it stands.
    pub status: NodeStatus,
    /// Why it was skipped, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<SkipReason>,
    /// When the next attempt is due, of a node that waits to retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// What it waits for, of a node that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitView>,
    /// Its output, once it succeeded, or what its `on_error` put in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub output: Option<Arc<Value>>,
    /// Why it failed, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether the run went on in spite of the failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handled: bool,
    /// Its items, of a map that has begun. Their attempts stand in the journal alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsView>,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptView>,
    /// How it was undone, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<CompensationView>,
}

/// What a node waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum WaitView {
    /// A time.
    Time {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A signal.
    Signal {
        /// Until when at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A person's decision.
    Approval {
        /// Since when.
        since: Timestamp,
        /// What the person is shown.
        #[schema(value_type = Value)]
        show: Arc<Value>,
        /// Until when at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether others were asked too.
        escalated: bool,
    },
    /// Being called back.
    Callback {
        /// Until when at most.
        until: Timestamp,
    },
    /// Another run.
    Run {
        /// Which.
        run: RunId,
    },
}

/// How a node was undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CompensationView {
    /// Where that stands: `running`, `succeeded` or `failed`.
    pub status: NodeStatus,
    /// Why it failed, if it did.
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
    /// It waits for a time, a signal, a person, a callback or another run.
    Waiting,
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
            Self::Waiting => "waiting",
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
    /// Which of the node's fallbacks it tried, counted from 0; none: the node's own step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<u32>,
    /// Whether its output was remembered from an earlier attempt of some run, also where it did not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
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

/// What all attempts of a run used together. What the runs of its sub-workflows spent is part of it once they have ended, but for their
/// attempts and effects.
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
    /// Adds what an attempt used.
    pub(super) fn add(&mut self, account: &Account) {
        self.fuel = self.fuel.saturating_add(account.fuel);
        account.usage.iter().for_each(|call| self.add_model_call(call));
    }

    /// Adds what the run of a sub-workflow spent.
    pub(super) fn add_spent(&mut self, spent: &Spent) {
        self.fuel = self.fuel.saturating_add(spent.fuel);
        self.model_calls = self.model_calls.saturating_add(spent.model_calls);
        self.input_tokens = self.input_tokens.saturating_add(spent.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(spent.output_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(spent.cost_micro_usd);
    }

    fn add_model_call(&mut self, call: &ModelCall) {
        self.model_calls += 1;
        self.input_tokens = self.input_tokens.saturating_add(call.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(call.output_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(call.cost_micro_usd.unwrap_or(0));
    }
}
