//! What the journal keeps of a run. A versioned, self-describing format: fields are only ever added, with a default.
//!
//! JSON values are shared: the run's state and what its expressions see hold the same ones as its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::view::Totals;
use crate::attempt::Account;
use crate::effect::Effect;
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, Part, RunId, WorkflowName};
use crate::priority::Priority;
use crate::split::Split;

/// One line of a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// Counts a run's entries from 0, without gaps.
    pub seq: u64,
    /// When it happened, to the millisecond.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// An entry whose time is cut to what the journal keeps, so that it equals the one that is read back.
    #[must_use]
    pub fn new(seq: u64, at: Timestamp, event: Event) -> Self {
        Self { seq, at: whole_millisecond(at), event }
    }
}

/// This time without its part below a millisecond, which the journal does not keep.
pub(super) fn whole_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The run was accepted. Always the first event.
    RunAccepted {
        /// The workflow.
        workflow: WorkflowName,
        /// The version that the run keeps to its end.
        #[schema(value_type = String)]
        version: Version,
        /// The run's input.
        #[schema(value_type = Value)]
        input: Arc<Value>,
        /// Who or what started it.
        trigger: Trigger,
        /// W3C Trace Context that came with the start, or was made for it.
        traceparent: String,
        /// Nothing begins before.
        #[serde(
            default,
            with = "jiff::fmt::serde::timestamp::millisecond::optional",
            skip_serializing_if = "Option::is_none"
        )]
        #[schema(value_type = Option<i64>)]
        start_at: Option<Timestamp>,
        /// How urgent it is.
        #[serde(default, skip_serializing_if = "Priority::is_normal")]
        priority: Priority,
        /// What the version was chosen from, if it was chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split: Option<Split>,
        /// By which rules its entries are read: those of the version that accepted it. 0, the first, is not written.
        #[serde(default, skip_serializing_if = "is_zero")]
        rules: u32,
    },
    /// The run has a place under its workflow's concurrency limit, and goes on.
    RunAdmitted,
    /// An attempt at a node was started.
    AttemptStarted {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The step's input, evaluated.
        #[schema(value_type = Value)]
        input: Arc<Value>,
        /// When the attempt's time is over, as the guest is told it.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        #[schema(value_type = i64)]
        deadline: Timestamp,
        /// Which of the node's ways to run its step: 0 for its own, then its fallbacks.
        #[serde(default, skip_serializing_if = "is_zero")]
        call: u32,
    },
    /// An effect of an attempt was answered.
    EffectAnswered {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The effect and its answer.
        effect: Effect,
    },
    /// An attempt gave an output: the node succeeded.
    AttemptSucceeded {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The step's output.
        #[schema(value_type = Value)]
        output: Arc<Value>,
        /// What the attempt used and recorded.
        account: Account,
        /// The output was remembered from an earlier attempt of some run; nothing ran.
        #[serde(default, skip_serializing_if = "is_false")]
        cached: bool,
    },
    /// An attempt failed. Whether another follows is the plan's to say.
    AttemptFailed {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// Why.
        failure: Failure,
        /// What the attempt used and recorded.
        account: Account,
        /// Its output was remembered from an earlier attempt of some run, and did not count here; nothing ran.
        #[serde(default, skip_serializing_if = "is_false")]
        cached: bool,
    },
    /// An attempt is dropped, and had called AI models: its run is cancelled, or its time is over.
    AttemptAbandoned {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// What it had used of models. How much else is not known.
        account: Account,
    },
    /// A node will not run.
    NodeSkipped {
        /// The node.
        node: NodeId,
        /// Why not.
        reason: SkipReason,
    },
    /// A node failed before an attempt could start: an expression failed, or the input does not fit.
    NodeFailed {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Why.
        failure: Failure,
        /// What failed is one way to run the step, and the next one follows.
        #[serde(default, skip_serializing_if = "is_false")]
        falls_back: bool,
    },
    /// A map has its list.
    MapStarted {
        /// The node.
        node: NodeId,
        /// The items.
        #[schema(value_type = Vec<Value>)]
        items: Arc<Value>,
    },
    /// A node waits for a time or a signal.
    WaitStarted {
        /// The node.
        node: NodeId,
        /// Until when at most; none: for ever.
        #[serde(
            default,
            with = "jiff::fmt::serde::timestamp::millisecond::optional",
            skip_serializing_if = "Option::is_none"
        )]
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
    },
    /// A person is asked.
    ApprovalOpened {
        /// The node.
        node: NodeId,
        /// What the person is shown.
        #[schema(value_type = Value)]
        show: Arc<Value>,
        /// When the question is answered by nobody.
        #[serde(
            default,
            with = "jiff::fmt::serde::timestamp::millisecond::optional",
            skip_serializing_if = "Option::is_none"
        )]
        #[schema(value_type = Option<i64>)]
        expires_at: Option<Timestamp>,
        /// When others are asked too.
        #[serde(
            default,
            with = "jiff::fmt::serde::timestamp::millisecond::optional",
            skip_serializing_if = "Option::is_none"
        )]
        #[schema(value_type = Option<i64>)]
        escalates_at: Option<Timestamp>,
    },
    /// Others are asked too.
    ApprovalEscalated {
        /// The node.
        node: NodeId,
    },
    /// Somebody decided.
    ApprovalDecided {
        /// The node.
        node: NodeId,
        /// What.
        #[serde(flatten)]
        decision: ApprovalDecision,
    },
    /// A node can be called back.
    CallbackOpened {
        /// The node.
        node: NodeId,
        /// The secret part of the URL.
        token: String,
        /// The whole URL.
        url: String,
        /// When it is good no more.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        #[schema(value_type = i64)]
        expires_at: Timestamp,
    },
    /// A node was called back.
    CallbackReceived {
        /// The node.
        node: NodeId,
        /// What came.
        #[schema(value_type = Value)]
        body: Arc<Value>,
    },
    /// A sub-workflow has its run.
    ChildStarted {
        /// The node.
        node: NodeId,
        /// The child.
        run: RunId,
        /// The child's input.
        #[schema(value_type = Value)]
        input: Arc<Value>,
    },
    /// The run of a sub-workflow ended.
    ChildEnded {
        /// The node.
        node: NodeId,
        /// The child.
        run: RunId,
        /// How.
        outcome: RunOutcome,
        /// What it spent, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spent: Option<Spent>,
    },
    /// A node told of an event.
    EventEmitted {
        /// The node.
        node: NodeId,
        /// A CloudEvent in its JSON form.
        #[schema(value_type = Value)]
        event: Arc<Value>,
    },
    /// What a node waited for at most is over.
    TimerFired {
        /// The node.
        node: NodeId,
    },
    /// Somebody sent the run a signal.
    SignalReceived {
        /// Its name.
        name: String,
        /// What came with it.
        #[schema(value_type = Value)]
        payload: Arc<Value>,
        /// Who sent it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody paused the run: what is in flight ends, and nothing starts.
    RunPaused {
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody let the run go on.
    RunResumed {
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody asked to cancel the run.
    CancelRequested {
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Milliseconds that what is in flight may take to end.
        #[serde(default, skip_serializing_if = "is_zero_long")]
        grace_ms: u64,
        /// Whether what succeeded is to be undone.
        #[serde(default, skip_serializing_if = "is_false")]
        compensate: bool,
        /// Who asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The run fails though no node did: its budget is spent.
    RunGivenUp {
        /// Why.
        failure: Failure,
    },
    /// What was in flight is dropped, and every node that is not final is cancelled: compensation follows.
    WorkStopped,
    /// A run that failed goes on, or begins anew.
    RunReopened {
        /// From where.
        from: ReopenFrom,
        /// Nodes whose input or config is another from now on; of a compensation that is tried again, its own.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        edits: BTreeMap<NodeId, Edit>,
        /// Nodes that could not be undone: what they did stands, and they are not run again.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        standing: BTreeSet<NodeId>,
        /// Who wanted it; none: the workflow's `on_failure`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody let a dead letter be.
    DeadLetterDiscarded {
        /// The node.
        node: NodeId,
        /// Which part of the node's work.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
        /// Why, in their words.
        reason: String,
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The run ended. Only a discarded dead letter or a new beginning follows.
    RunEnded {
        /// How.
        outcome: RunOutcome,
    },
}

impl Event {
    /// The rules of new runs. Under those before, 0, a node whose `until` is used up does not fall back.
    pub const RULES: u32 = 1;

    /// The `type` of its JSON form.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::RunAccepted { .. } => "run-accepted",
            Self::RunAdmitted => "run-admitted",
            Self::AttemptStarted { .. } => "attempt-started",
            Self::EffectAnswered { .. } => "effect-answered",
            Self::AttemptSucceeded { .. } => "attempt-succeeded",
            Self::AttemptFailed { .. } => "attempt-failed",
            Self::AttemptAbandoned { .. } => "attempt-abandoned",
            Self::NodeSkipped { .. } => "node-skipped",
            Self::NodeFailed { .. } => "node-failed",
            Self::MapStarted { .. } => "map-started",
            Self::WaitStarted { .. } => "wait-started",
            Self::ApprovalOpened { .. } => "approval-opened",
            Self::ApprovalEscalated { .. } => "approval-escalated",
            Self::ApprovalDecided { .. } => "approval-decided",
            Self::CallbackOpened { .. } => "callback-opened",
            Self::CallbackReceived { .. } => "callback-received",
            Self::ChildStarted { .. } => "child-started",
            Self::ChildEnded { .. } => "child-ended",
            Self::EventEmitted { .. } => "event-emitted",
            Self::TimerFired { .. } => "timer-fired",
            Self::SignalReceived { .. } => "signal-received",
            Self::RunPaused { .. } => "run-paused",
            Self::RunResumed { .. } => "run-resumed",
            Self::CancelRequested { .. } => "cancel-requested",
            Self::RunGivenUp { .. } => "run-given-up",
            Self::WorkStopped => "work-stopped",
            Self::RunReopened { .. } => "run-reopened",
            Self::DeadLetterDiscarded { .. } => "dead-letter-discarded",
            Self::RunEnded { .. } => "run-ended",
        }
    }
}

/// Who or what started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Trigger {
    /// A call of the API.
    Api,
    /// An HTTP trigger of the workflow.
    Http {
        /// The trigger's path.
        path: String,
    },
    /// A node of another run.
    Parent {
        /// That run.
        run: RunId,
        /// Its node.
        node: NodeId,
    },
    /// Another run was to be done again.
    Again {
        /// That run.
        run: RunId,
    },
    /// A cron trigger of the workflow.
    Cron {
        /// The cron line.
        schedule: String,
        /// The time of the fire: with a jitter, or a run that was started late, earlier than the run.
        at: Timestamp,
    },
    /// An event trigger of the workflow.
    Event {
        /// The event's id, unique in its source.
        id: String,
        /// Where the event comes from.
        source: String,
        /// What kind of event.
        event_type: String,
    },
}

/// Why a node did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Its `when` was false.
    When,
    /// All that it needs was skipped.
    Needs,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every node that had to run did.
    Succeeded {
        /// The workflow's `output`.
        #[schema(value_type = Value)]
        output: Arc<Value>,
    },
    /// A node failed, or the run's budget was spent.
    Failed {
        /// Why.
        failure: Failure,
        /// The node that failed first, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// What succeeded, by node, where the workflow or the failure wants it told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Value>)]
        partial: Option<Arc<Value>>,
    },
    /// Somebody cancelled it.
    Cancelled {
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl RunOutcome {
    /// The outcome without its particulars.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Succeeded { .. } => RunStatus::Succeeded,
            Self::Failed { .. } => RunStatus::Failed,
            Self::Cancelled { .. } => RunStatus::Cancelled,
        }
    }
}

/// What a run and those below it spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Spent {
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

impl From<&Totals> for Spent {
    fn from(totals: &Totals) -> Self {
        Self {
            fuel: totals.fuel,
            model_calls: totals.model_calls,
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            cost_micro_usd: totals.cost_micro_usd,
        }
    }
}

/// What a person decided, or what was decided for want of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalDecision {
    /// Yes or no.
    pub decision: Verdict,
    /// Who; none: nobody did in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The form's fields.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub form: Value,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// From where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReopenFrom {
    /// From what failed, was cancelled or was undone. What could not be undone stands.
    Failed,
    /// From this node: it and all behind it are done again, and what failed.
    Node(NodeId),
    /// From the beginning.
    Start,
    /// What undoes this node is tried again; the run stays as it is.
    Compensation(NodeId),
}

/// What a node gets in place of what its workflow says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Edit {
    /// The step's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub input: Option<Arc<Value>>,
    /// The step's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub config: Option<Arc<Value>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero_long(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(truth: &bool) -> bool {
    !truth
}

/// Where a run stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Accepted; waits for a place under its workflow's concurrency limit, or for its time to start.
    Queued,
    /// Something of it is in flight.
    Running,
    /// Nothing is in flight: it waits for a time (also that of its next try), a person, a callback or another run, and takes no memory.
    Waiting,
    /// Somebody paused it.
    Paused,
    /// Ended with an output.
    Succeeded,
    /// Ended with a failure.
    Failed,
    /// Ended by somebody's wish.
    Cancelled,
}

impl RunStatus {
    /// Every one, in the order of a run's life.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the run has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Waiting | Self::Paused => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }

    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
