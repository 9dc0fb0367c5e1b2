//! What a node does when its turn comes: each kind of node with all that it needs, checked and resolved.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{LockedStep, LockedWorkflow, RetryPolicy};
use crate::expression::{Expression, Template};
use crate::grant::Grants;
use crate::id::NodeId;
use crate::limits::Limits;
use crate::schema::Schema;

/// What a node does.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a plan has one for each of its nodes, and is made once")]
pub enum Work {
    /// Runs a step.
    Step(StepWork),
    /// Runs a step for each item of a list.
    Map(MapWork),
    /// Waits for a time, or for a signal.
    Wait(WaitWork),
    /// Waits for a person's decision.
    Approval(ApprovalWork),
    /// Runs a step that hands a job to somebody else, and waits for them to call back.
    Callback(CallbackWork),
    /// Runs another workflow.
    Workflow(WorkflowWork),
    /// Tells of an event.
    Emit(EmitWork),
}

impl Work {
    /// As written in the API.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        match self {
            Self::Step(_) => NodeKind::Step,
            Self::Map(_) => NodeKind::Map,
            Self::Wait(_) => NodeKind::Wait,
            Self::Approval(_) => NodeKind::Approval,
            Self::Callback(_) => NodeKind::Callback,
            Self::Workflow(_) => NodeKind::Workflow,
            Self::Emit(_) => NodeKind::Emit,
        }
    }

    /// The step that the node runs, if it runs one.
    #[must_use]
    pub fn step(&self) -> Option<&StepWork> {
        match self {
            Self::Step(step) => Some(step),
            Self::Map(map) => Some(&map.step),
            Self::Callback(callback) => Some(&callback.submit),
            Self::Wait(_) | Self::Approval(_) | Self::Workflow(_) | Self::Emit(_) => None,
        }
    }

    /// The signal that the node waits for, if it waits for one.
    #[must_use]
    pub fn signal(&self) -> Option<&str> {
        match self {
            Self::Wait(WaitWork::Signal { name, .. }) => Some(name),
            _ => None,
        }
    }
}

/// Which kind of node.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// Runs a step.
    #[default]
    Step,
    /// Runs a step for each item of a list.
    Map,
    /// Waits for a time, or for a signal.
    Wait,
    /// Waits for a person's decision.
    Approval,
    /// Waits to be called back.
    Callback,
    /// Runs another workflow.
    Workflow,
    /// Tells of an event.
    Emit,
}

/// One way to run a step.
#[derive(Debug)]
pub struct Call {
    /// The step.
    pub step: LockedStep,
    /// Proved by the step's imports.
    pub effect_free: bool,
    /// The step's config, as JSON text.
    pub config: Arc<str>,
    /// What a config must match.
    pub config_schema: Schema,
    /// The step's input, evaluated for each attempt.
    pub input: Template,
    /// What the input must match.
    pub input_schema: Schema,
    /// What the output must match.
    pub output_schema: Schema,
    /// What the operator consented to.
    pub grants: Arc<Grants>,
    /// What follows a failed attempt.
    pub retry: RetryPolicy,
    /// The limits of an attempt; `time_ms` is the node's timeout.
    pub limits: Limits,
}

/// A step with what surrounds it.
#[derive(Debug)]
pub struct StepWork {
    /// The way to run it, and then those to fall back to, in turn. Never empty.
    pub calls: Vec<Call>,
    /// What an output must be like to count.
    pub gate: Option<Gate>,
    /// Repeats the step until something holds.
    pub until: Option<Until>,
    /// How long an output may be used again for the same input.
    pub cache: Option<Duration>,
    /// What to do while the circuit breaker of a destination is open; none: it is a failure like any other.
    pub when_open: Option<WhenOpen>,
}

/// What an output must be like to count.
#[derive(Debug)]
pub struct Gate {
    /// Sees `output`.
    pub that: Expression,
    /// What is wrong with an output for which it is false; may name `output` too.
    pub reason: Option<Template>,
}

/// Repeats a step until something holds.
#[derive(Debug)]
pub struct Until {
    /// Sees `output`.
    pub that: Expression,
    /// Between two attempts, and how often at most.
    pub pace: RetryPolicy,
}

/// What to do while the circuit breaker of a destination is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenOpen {
    /// Wait until a probe may go out. An attempt that was refused so does not count.
    Wait,
    /// Go on with the next fallback at once, without retries; without one, the node fails.
    Fallback,
}

/// A step for each item of a list.
#[derive(Debug)]
pub struct MapWork {
    /// Gives the list.
    pub over: Template,
    /// How many items at a time.
    pub concurrency: u32,
    /// What the failure of an item means.
    pub on_item_error: OnItemError,
    /// Its input sees `item` and `index`.
    pub step: StepWork,
}

/// What the failure of one item means for a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnItemError {
    /// The node fails, once the items in flight have ended.
    #[default]
    Fail,
    /// `null` stands in the item's place, and the others go on.
    Continue,
}

/// What a `wait` waits for.
#[derive(Debug)]
pub enum WaitWork {
    /// So long.
    For(Template),
    /// Until then.
    Until(Template),
    /// Until a signal of this name comes, at most so long.
    Signal {
        /// Its name.
        name: String,
        /// Afterwards the node fails.
        timeout: Option<Duration>,
    },
}

/// A person's decision.
#[derive(Debug)]
pub struct ApprovalWork {
    /// What the person is shown.
    pub show: Template,
    /// Who may decide: names of API keys. Empty: every key.
    pub who: Vec<String>,
    /// What the fields of a decision must match.
    pub form: Schema,
    /// The same, for people who are to be asked.
    pub form_json: Option<Value>,
    /// How long to wait, and what then.
    pub timeout: Option<(Duration, OnTimeout)>,
    /// After so long, others may decide too.
    pub escalate: Option<Escalation>,
    /// What a refusal means.
    pub on_reject: OnReject,
}

/// Who may decide too, after a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// So long after the question was asked.
    pub after: Duration,
    /// Names of API keys.
    pub who: Vec<String>,
}

/// What follows if nobody decides in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// The node fails.
    #[default]
    Fail,
    /// As if somebody had approved.
    Approve,
    /// As if somebody had rejected.
    Reject,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnReject {
    /// The node fails.
    #[default]
    Fail,
    /// The node succeeds, and its output says how it was decided.
    Continue,
}

/// A job that somebody else does.
#[derive(Debug)]
pub struct CallbackWork {
    /// Hands the job over; its input sees `callback.url`.
    pub submit: StepWork,
    /// How long the URL is good.
    pub expires: Duration,
    /// What the body of the post must match. It becomes the node's output.
    pub schema: Schema,
}

/// Another workflow.
#[derive(Debug)]
pub struct WorkflowWork {
    /// Which.
    pub workflow: LockedWorkflow,
    /// Its run's input.
    pub input: Template,
}

/// An event to tell of, as a CloudEvent.
#[derive(Debug)]
pub struct EmitWork {
    /// The event's `type`.
    pub event_type: Template,
    /// The event's `subject`, if it has one.
    pub subject: Option<Template>,
    /// The event's data.
    pub data: Template,
}

/// What the failure of a node means, when retries and fallbacks are used up.
#[derive(Debug, Default)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The run goes on with this output in the node's place.
    Continue(Box<Template>),
    /// The run goes on with this node; those that need the failed one are skipped.
    GoTo(NodeId),
}

/// What a run that failed does by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It ends.
    #[default]
    Fail,
    /// It ends, and what succeeded stands in its outcome.
    Partial,
    /// What failed is tried again.
    Retry(Again),
    /// All of it is done again, after compensation.
    Restart(Again),
}

/// How often, and after which pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// At most so often.
    pub times: u32,
    /// Before each time.
    pub delay: Duration,
}

/// What a run may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// From its acceptance on.
    pub time: Option<Duration>,
    /// Whether time counts in which nothing is in flight and a person, a callback, another run or a `wait` is waited for.
    pub count_waits: bool,
    /// Millionths of a US dollar, for calls of AI models.
    pub micro_usd: Option<u64>,
    /// Units of computation.
    pub fuel: Option<u64>,
}
