//! One attempt, from its order to the event that records its outcome: find the step, fetch the secrets, run the guest,
//! check the output. The [`Attendant`] is what the sandbox talks to meanwhile.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use stepwell_core::attempt::{Account, LogLevel, LogLine};
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, SecretName};
use stepwell_core::plan::PlannedNode;
use stepwell_core::run::{Action, AttemptInFlight, Event};
use stepwell_sandbox::{Attempt, AttemptContext, AttemptHost, AttemptReport, Leave, Step};
use tracing::Instrument;

use crate::Shared;
use crate::destinations::Deadline;
use crate::live::LiveRun;
use crate::watch::WatchItem;

/// An attempt that is to run, for the first time or again after a crash.
pub(crate) struct Order {
    node: NodeId,
    attempt: AttemptNumber,
    input: String,
    started_at: Timestamp,
    deadline: Timestamp,
    replay: Vec<Effect>,
}

impl Order {
    /// That of an attempt which starts now; none if the action is not a start.
    pub(crate) fn of_start(action: &Action, now: Timestamp) -> Option<Self> {
        let Action::Start { node, attempt, input, deadline } = action else { return None };
        Some(Self {
            node: node.clone(),
            attempt: *attempt,
            input: as_text(input),
            started_at: now,
            deadline: *deadline,
            replay: Vec::new(),
        })
    }

    /// That of an attempt which a crash interrupted: what it was answered is answered again.
    pub(crate) fn of_interrupted(attempt: AttemptInFlight<'_>) -> Self {
        Self {
            node: attempt.node.clone(),
            attempt: attempt.attempt,
            input: as_text(attempt.input),
            started_at: attempt.started_at,
            deadline: attempt.deadline,
            replay: attempt.effects.to_vec(),
        }
    }
}

/// Written by the serializer: through `Display` it takes twice as long.
fn as_text(value: &Value) -> String {
    #[expect(clippy::expect_used, reason = "an invariant")]
    serde_json::to_string(value).expect("a JSON value has a text")
}

/// Runs an attempt and tells its outcome. Whatever goes wrong is an outcome: the run's task always hears of it.
pub(crate) async fn perform(engine: Arc<Shared>, run: Arc<LiveRun>, order: Order) -> Event {
    let (node, attempt) = (order.node.clone(), order.attempt);
    let span =
        tracing::debug_span!("attempt", run = %run.id, workflow = %run.plan.name, %node, attempt = attempt.0);
    let guarded = AssertUnwindSafe(execute(&engine, &run, order)).catch_unwind().instrument(span).await;
    let AttemptReport { result, account } = guarded.unwrap_or_else(|_| {
        let failure =
            Failure::new(FailureKind::Internal, "the host panicked during the attempt: its log says more");
        AttemptReport { result: Err(failure), account: Account::default() }
    });
    engine.meters.attempt_ended(result.as_ref().err().map(|failure| failure.kind), &account);
    match result {
        Ok(output) => Event::AttemptSucceeded { node, attempt, output: Arc::new(output), account },
        Err(failure) => Event::AttemptFailed { node, attempt, failure, account },
    }
}

async fn execute(engine: &Arc<Shared>, run: &Arc<LiveRun>, order: Order) -> AttemptReport {
    let _place = engine.gate.enter(run.priority).await;
    match prepare(engine, run, order).await {
        Ok(prepared) => prepared.run(engine).await,
        Err(failure) => AttemptReport { result: Err(failure), account: Account::default() },
    }
}

/// Everything that an attempt needs before its guest starts.
struct Prepared<'a> {
    node: &'a PlannedNode,
    step: Step,
    attempt: Attempt,
    attendant: Arc<Attendant>,
}

async fn prepare<'a>(
    engine: &Arc<Shared>,
    run: &'a Arc<LiveRun>,
    order: Order,
) -> Result<Prepared<'a>, Failure> {
    let Some(node) = run.plan.nodes.get(&order.node) else {
        return Err(internal(format!("the plan has no node `{}`", order.node)));
    };
    let step = load_step(engine, &node.step.digest).await?;
    let secrets = granted_secrets(engine, run, node).await?;
    let limits = node.limits.at_most(&engine.config.ceiling);
    let attendant = Arc::new(Attendant {
        engine: Arc::clone(engine),
        run: Arc::clone(run),
        node: order.node.clone(),
        attempt: order.attempt,
        deadline: Deadline::in_ms(limits.time_ms),
    });
    let context = AttemptContext {
        run: run.id,
        workflow: run.plan.name.clone(),
        version: run.plan.version.clone(),
        run_traceparent: Arc::clone(&run.traceparent),
        node: order.node,
        attempt: order.attempt,
        started_at: order.started_at,
        deadline: order.deadline,
    };
    let attempt = Attempt {
        context,
        input: order.input,
        config: Arc::clone(&node.config),
        grants: Arc::clone(&node.grants),
        secrets,
        limits,
        replay: order.replay,
    };
    Ok(Prepared { node, step, attempt, attendant })
}

impl Prepared<'_> {
    async fn run(self, engine: &Shared) -> AttemptReport {
        let AttemptReport { result, account } =
            engine.sandbox.run(&self.step, self.attempt, self.attendant).await;
        let result = result.and_then(|output| check_output(self.node, output));
        AttemptReport { result, account }
    }
}

/// The step's compiled code: from the sandbox, which compiles it again if its cache has lost it.
async fn load_step(engine: &Shared, digest: &Digest) -> Result<Step, Failure> {
    let cannot_load =
        |why: String| internal(format!("the step's component {digest} cannot be loaded: {why}"));
    if let Some(step) = engine.sandbox.load(digest).await.map_err(|error| cannot_load(error.to_string()))? {
        return Ok(step);
    }
    match engine.catalogue.component(digest).await {
        Ok(Some(component)) => {
            engine.sandbox.compile(component.into()).await.map_err(|error| cannot_load(error.to_string()))
        }
        Ok(None) => Err(cannot_load("it is not in the catalogue".to_owned())),
        Err(error) => Err(cannot_load(error.to_string())),
    }
}

/// The values of the secrets that the node is granted, of those that are set.
async fn granted_secrets(
    engine: &Shared,
    run: &LiveRun,
    node: &PlannedNode,
) -> Result<BTreeMap<SecretName, SecretString>, Failure> {
    let mut secrets = BTreeMap::new();
    for name in node.grants.secrets.keys() {
        let secret = engine.catalogue.secret(&run.tenant, name).await;
        let secret =
            secret.map_err(|error| internal(format!("the secret {name} cannot be read: {error}")))?;
        secrets.extend(secret.map(|value| (name.clone(), value)));
    }
    Ok(secrets)
}

fn check_output(node: &PlannedNode, output: Value) -> Result<Value, Failure> {
    let Err(violations) = node.output_schema.check(&output) else { return Ok(output) };
    let first = violations.first().map(ToString::to_string).unwrap_or_default();
    let message = format!(
        "the output of {}@{} does not match the step's own output schema in {} place(s), the first one: {first}",
        node.step.name,
        node.step.version,
        violations.len(),
    );
    Err(Failure {
        detail: serde_json::to_value(violations).ok(),
        ..Failure::new(FailureKind::InvalidOutput, message)
    })
}

fn internal(message: String) -> Failure {
    tracing::error!("{message}");
    Failure::new(FailureKind::Internal, message)
}

/// The engine's ear and gate while a guest runs.
struct Attendant {
    engine: Arc<Shared>,
    run: Arc<LiveRun>,
    node: NodeId,
    attempt: AttemptNumber,
    deadline: Deadline,
}

#[async_trait]
impl AttemptHost for Attendant {
    async fn before_effect(&self, to: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        if self.run.is_ending() {
            return Err(Failure::new(FailureKind::Cancelled, "the run has ended"));
        }
        let durable = self.run.durable().await;
        durable.map_err(|error| {
            Failure::new(
                FailureKind::Internal,
                format!("no effect without a journal, and the journal failed: {error}"),
            )
        })?;
        let Some(destination) = to else { return Ok(Box::new(())) };
        let door = self.engine.destinations.door(&self.run.tenant, destination);
        Ok(Box::new(door.pass(self.run.priority, self.deadline).await?))
    }

    fn answered(&self, effect: Effect) {
        self.engine.meters.effects_answered.increment(1);
        let event = Event::EffectAnswered { node: self.node.clone(), attempt: self.attempt, effect };
        // Out of order it comes only from an attempt that has failed already, beside the effect that failed it.
        if let Err(error) = self.run.interject(event) {
            tracing::warn!(%error, "an effect's answer is not kept: it does not follow from what was");
        }
    }

    fn logged(&self, line: &LogLine) {
        self.log_to_host(line);
        self.run.say(|| WatchItem::Log {
            node: self.node.clone(),
            attempt: self.attempt,
            line: line.clone(),
        });
    }

    fn progress(&self, chunk: Value) {
        self.run.say(|| WatchItem::Progress { node: self.node.clone(), attempt: self.attempt, chunk });
    }
}

impl Attendant {
    /// A guest's line in the host's own log. It says itself where it comes from: spans cost each attempt more than
    /// most guests do, and are there only for those who log at the level `debug`.
    fn log_to_host(&self, line: &LogLine) {
        let (run, node, attempt) = (self.run.id, &self.node, self.attempt.0);
        let LogLine { level, message, fields } = line;
        let fields = tracing::field::debug(fields);
        macro_rules! log {
            ($level:ident) => {
                tracing::event!(target: "stepwell::guest", tracing::Level::$level, %run, %node, attempt, fields, "{message}")
            };
        }
        match level {
            LogLevel::Trace => log!(TRACE),
            LogLevel::Debug => log!(DEBUG),
            LogLevel::Info => log!(INFO),
            LogLevel::Warn => log!(WARN),
            LogLevel::Error => log!(ERROR),
        }
    }
}
