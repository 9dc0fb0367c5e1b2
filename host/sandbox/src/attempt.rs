//! What goes into an attempt and what comes out: the sandbox's face to its caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use semver::Version;
use serde_json::Value;
use stepwell_core::attempt::{Account, LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::effect::{Effect, EffectAsked};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::grant::Grants;
use stepwell_core::id::{AttemptNumber, NodeId, Part, RunId, SecretName, WorkflowName};
use stepwell_core::limits::Limits;
use stepwell_core::secret::OAuth2Client;
use stepwell_core::state::StateCall;
use stepwell_core::trace;

use crate::blob::{BlobStore, NoBlobs};

/// One attempt: everything that a guest may see or use.
pub struct Attempt {
    /// What the guest is told of where it stands.
    pub context: AttemptContext,
    /// The step's input, as JSON text.
    pub input: String,
    /// The step's config, as JSON text.
    pub config: Arc<str>,
    /// What the node is granted.
    pub grants: Arc<Grants>,
    /// What stands for the granted secrets that are set.
    pub secrets: BTreeMap<SecretName, Credential>,
    /// What it may use at most.
    pub limits: Limits,
    /// Effects that an earlier life of this attempt was answered, by index: given again instead of being sent again.
    pub replay: Vec<Effect>,
}

/// What stands for a secret's placeholder in a request.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A text.
    Text {
        /// The text itself.
        value: SecretString,
        /// What it was made of: is taken out of all that comes back, too.
        hidden: Vec<SecretString>,
    },
    /// The access token of a client. It is fetched when a request names the secret.
    Client(Box<OAuth2Client>),
}

impl<T: Into<SecretString>> From<T> for Credential {
    fn from(value: T) -> Self {
        Self::Text { value: value.into(), hidden: Vec::new() }
    }
}

/// Where an attempt stands. The same for every life of the attempt.
#[derive(Debug, Clone)]
pub struct AttemptContext {
    /// The run.
    pub run: RunId,
    /// The workflow.
    pub workflow: WorkflowName,
    /// Its version.
    pub version: Version,
    /// The node.
    pub node: NodeId,
    /// Which part of its work.
    pub part: Part,
    /// Which attempt.
    pub attempt: AttemptNumber,
    /// When it started, as journalled.
    pub started_at: Timestamp,
    /// When its time is over, as journalled.
    pub deadline: Timestamp,
    /// W3C Trace Context of the run.
    pub run_traceparent: Arc<str>,
}

impl AttemptContext {
    /// W3C Trace Context for what the step calls: the run's trace, a span of the attempt's own.
    #[must_use]
    pub fn traceparent(&self) -> String {
        trace::of_attempt(&self.run_traceparent, &self.idempotency_key())
    }

    /// `<run>.<node><part>.<attempt>`: the same for every life of this attempt, different for every other attempt.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        Self::key(self.run, &self.node, self.part, self.attempt)
    }

    /// The same, of an attempt that stands here.
    #[must_use]
    pub fn key(run: RunId, node: &NodeId, part: Part, attempt: AttemptNumber) -> String {
        format!("{run}.{node}{part}.{attempt}")
    }
}

/// The caller's side of an attempt, while it runs.
#[async_trait]
pub trait AttemptHost: Send + Sync + 'static {
    /// The caller's own room for one instance, free again when it is dropped. Asked for before the guest starts, and again before
    /// it comes back from waiting without an instance.
    async fn room(&self) -> Box<dyn Send> {
        Box::new(())
    }
    /// The blobs that there are for the attempt; which of them it may read is not the caller's to judge. Asked for once, of a
    /// step that can use them.
    fn blobs(&self) -> Arc<dyn BlobStore> {
        Arc::new(NoBlobs)
    }
    /// Before a new effect (never before a replayed one) leaves the machine: returns once all that it depends on is on disk, and
    /// once its destination takes it. An error ends the attempt with it. Where the effect goes nowhere (what the node is
    /// granted or its request's form forbid it), there is no destination.
    async fn before_effect(&self, to: Option<&Destination>) -> Result<Box<dyn Leave>, Failure>;
    /// A new effect was answered. Called in the order of the effects' indexes. Does not wait. (Neither this nor what follows is
    /// said again when a guest comes back from waiting without an instance.)
    fn answered(&self, effect: Effect);
    /// A new effect asks something of what the attempt's workflow keeps. It is answered with a `StateAnswer`, and recorded as answered
    /// together with what it changes: it is not told to `answered` again. Called in the order of the effects' indexes. An error ends
    /// the attempt with it.
    async fn state(&self, call: StateCall, effect: EffectAsked) -> Result<Effect, Failure> {
        let why = format!("`{}` was asked of a host that keeps no state: {}", effect.summary, call.name());
        Err(Failure::new(FailureKind::Internal, why))
    }
    /// The guest recorded what a call of an AI model cost; it also stands in the report's account.
    fn used(&self, call: &ModelCall);
    /// The guest wrote a line; it also stands in the report's account.
    fn logged(&self, line: &LogLine);
    /// The guest has news for the run's watchers.
    fn progress(&self, chunk: Value);
}

/// Leave for one effect, kept while it is under way. Whoever gave it is told how the effect went; one that is dropped untold was
/// for an effect that was given up, because its attempt ended first.
pub trait Leave: Send {
    /// The effect is over.
    fn ended(self: Box<Self>, how: Exchange);
}

/// For hosts that do not care.
impl Leave for () {
    fn ended(self: Box<Self>, _: Exchange) {}
}

/// How an effect went, as far as its destination is concerned. A redirect is followed on the account of the destination that
/// was asked first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// A whole answer came, whatever it says.
    Answered {
        /// The HTTP status.
        status: u16,
        /// How long the destination asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The destination could not be reached, broke off, took too long or does not keep to its protocol.
    Fault {
        /// In words; holds no secret.
        why: String,
    },
    /// It says nothing about the destination: nothing was sent, or more came back than the attempt may receive.
    Inconclusive,
}

/// What became of an attempt.
#[derive(Debug)]
pub struct AttemptReport {
    /// The step's output, or why there is none.
    pub result: Result<Value, Failure>,
    /// What it used and recorded, either way.
    pub account: Account,
}
