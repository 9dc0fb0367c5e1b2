//! One attempt, from its order to the event that records its outcome: find the step, fetch the secrets, run the guest,
//! check the output. The [`Attendant`] is what the sandbox talks to meanwhile.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::attempt::{Account, LogLevel, LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::digest::Digest;
use stepwell_core::effect::{Effect, EffectAsked};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, Part};
use stepwell_core::plan::Call;
use stepwell_core::run::{Action, AttemptInFlight, Event};
use stepwell_core::state::{StateCall, version_of};
use stepwell_sandbox::{Attempt, AttemptContext, AttemptHost, AttemptReport, BlobStore, Leave, Step};
use tracing::Instrument;

use crate::blobs::AttemptBlobs;
use crate::destinations::Deadline;
use crate::ledger::Happened;
use crate::live::LiveRun;
use crate::memo::Memo;
use crate::meters::Place;
use crate::watch::WatchItem;
use crate::{Shared, credentials, state};

/// An attempt that is to run, for the first time or again after a crash.
pub(crate) struct Order {
    node: NodeId,
    part: Part,
    attempt: AttemptNumber,
    call: u32,
    input: String,
    started_at: Timestamp,
    deadline: Timestamp,
    replay: Vec<Effect>,
}

impl Order {
    /// That of an attempt which starts now; none if the action is not a start.
    pub(crate) fn of_start(action: &Action, now: Timestamp) -> Option<Self> {
        let Action::Start { node, part, attempt, input, deadline, call } = action else { return None };
        Some(Self {
            node: node.clone(),
            part: *part,
            attempt: *attempt,
            call: *call,
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
            part: attempt.part,
            attempt: attempt.attempt,
            call: attempt.call,
            input: as_text(attempt.input),
            started_at: attempt.started_at,
            deadline: attempt.deadline,
            replay: attempt.effects.to_vec(),
        }
    }
}

/// Written by the serializer: through `Display` it takes twice as long.
pub(crate) fn as_text(value: &Value) -> String {
    #[expect(clippy::expect_used, reason = "an invariant")]
    serde_json::to_string(value).expect("a JSON value has a text")
}

/// Runs an attempt and tells its outcome. Whatever goes wrong is an outcome: the run's task always hears of it.
pub(crate) async fn perform(engine: Arc<Shared>, run: Arc<LiveRun>, order: Order) -> Happened {
    let (node, part, attempt, call) = (order.node.clone(), order.part, order.attempt, order.call);
    let span = tracing::debug_span!("attempt", run = %run.id, workflow = %run.plan.name, %node, %part, attempt = attempt.0);
    let guarded = AssertUnwindSafe(execute(&engine, &run, order)).catch_unwind().instrument(span).await;
    let Performed { result, account, memo } = guarded.unwrap_or_else(|_| {
        let why = "the host panicked during the attempt: its log says more";
        Performed::failed(Failure::new(FailureKind::Internal, why))
    });
    let result = result.and_then(|output| {
        let output = Arc::new(output);
        run.ledger().state().judge(&node, part, &output).map(|()| output)
    });
    let place = Place { workflow: &run.plan.name, node: &node };
    engine.meters.attempt_ended(place, call, result.as_ref().err().map(|failure| failure.kind), &account);
    let cached = memo.as_ref().is_some_and(|memo| memo.found);
    match result {
        Ok(output) => {
            let marks = memo.and_then(|memo| memo.keep(&run, &output)).into_iter().collect();
            Happened {
                event: Event::AttemptSucceeded { node, part, attempt, output, account, cached },
                marks,
            }
        }
        Err(failure) => Event::AttemptFailed { node, part, attempt, failure, account, cached }.into(),
    }
}

/// What became of an attempt, and how its output is remembered.
struct Performed {
    result: Result<Value, Failure>,
    account: Account,
    memo: Option<Memo>,
}

impl Performed {
    fn failed(failure: Failure) -> Self {
        Self { result: Err(failure), account: Account::default(), memo: None }
    }
}

async fn execute(engine: &Arc<Shared>, run: &Arc<LiveRun>, order: Order) -> Performed {
    let call = match Chosen::of(run, &order) {
        Ok(call) => call,
        Err(failure) => return Performed::failed(failure),
    };
    let memo = match call.cache {
        Some(ttl) => match Memo::look_up(engine, run, &call, &order.input, ttl).await {
            Ok((memo, Some(output))) => {
                return Performed { result: Ok(output), account: Account::default(), memo: Some(memo) };
            }
            Ok((memo, None)) => Some(memo),
            Err(failure) => return Performed::failed(failure),
        },
        None => None,
    };
    match prepare(engine, run, &call, order).await {
        Ok(prepared) => {
            let AttemptReport { result, account } = prepared.run(engine).await;
            Performed { result: result.and_then(|output| check_output(call.call, output)), account, memo }
        }
        Err(failure) => Performed::failed(failure),
    }
}

/// The way to run the step that an order names.
pub(crate) struct Chosen<'a> {
    pub(crate) call: &'a Call,
    /// As JSON text.
    pub(crate) config: Arc<str>,
    cache: Option<Duration>,
}

impl<'a> Chosen<'a> {
    fn of(run: &'a LiveRun, order: &Order) -> Result<Self, Failure> {
        let planned = run.plan.nodes.get(&order.node);
        let step = planned.and_then(|planned| planned.work.step());
        let call = match order.part {
            Part::Compensation => planned.and_then(|planned| planned.compensate.as_ref()),
            Part::Whole | Part::Item(_) => step.and_then(|step| step.calls.get(order.call as usize)),
        };
        let call =
            call.ok_or_else(|| internal(format!("the plan has no step for `{}{}`", order.node, order.part)))?;
        let config = run.ledger().state().edit(&order.node, order.part).and_then(|edit| edit.config.clone());
        let cache = step.and_then(|step| step.cache).filter(|_| order.part != Part::Compensation);
        Ok(Self {
            call,
            config: config.map_or_else(|| Arc::clone(&call.config), |config| as_text(&config).into()),
            cache,
        })
    }
}

/// Everything that an attempt needs before its guest starts.
struct Prepared {
    step: Step,
    attempt: Attempt,
    attendant: Arc<Attendant>,
}

async fn prepare(
    engine: &Arc<Shared>,
    run: &Arc<LiveRun>,
    chosen: &Chosen<'_>,
    order: Order,
) -> Result<Prepared, Failure> {
    let call = chosen.call;
    let step = load_step(engine, &call.step.digest).await?;
    let secrets = credentials::granted(engine, &run.tenant, &call.grants).await.map_err(internal)?;
    let limits = call.limits.at_most(&engine.config.ceiling);
    let attendant = Arc::new(Attendant {
        engine: Arc::clone(engine),
        run: Arc::clone(run),
        node: order.node.clone(),
        part: order.part,
        attempt: order.attempt,
        spent: AtomicU64::new(0),
        time_ms: limits.time_ms,
        deadline: OnceLock::new(),
    });
    let context = AttemptContext {
        run: run.id,
        workflow: run.plan.name.clone(),
        version: run.plan.version.clone(),
        run_traceparent: Arc::clone(&run.traceparent),
        node: order.node,
        part: order.part,
        attempt: order.attempt,
        started_at: order.started_at,
        deadline: order.deadline,
    };
    let attempt = Attempt {
        context,
        input: order.input,
        config: Arc::clone(&chosen.config),
        grants: Arc::clone(&call.grants),
        secrets,
        limits,
        replay: order.replay,
    };
    Ok(Prepared { step, attempt, attendant })
}

impl Prepared {
    async fn run(self, engine: &Shared) -> AttemptReport {
        engine.sandbox.run(&self.step, self.attempt, self.attendant).await
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

pub(crate) fn check_output(call: &Call, output: Value) -> Result<Value, Failure> {
    let Err(violations) = call.output_schema.check(&output) else { return Ok(output) };
    let first = violations.first().map(ToString::to_string).unwrap_or_default();
    let message = format!(
        "the output of {}@{} does not match the step's own output schema in {} place(s), the first one: {first}",
        call.step.name,
        call.step.version,
        violations.len(),
    );
    Err(Failure {
        detail: serde_json::to_value(violations).ok(),
        ..Failure::new(FailureKind::InvalidOutput, message)
    })
}

pub(crate) fn internal(message: String) -> Failure {
    tracing::error!("{message}");
    Failure::new(FailureKind::Internal, message)
}

/// The engine's ear and gate while a guest runs.
struct Attendant {
    engine: Arc<Shared>,
    run: Arc<LiveRun>,
    node: NodeId,
    part: Part,
    attempt: AttemptNumber,
    /// Millionths of a US dollar that the attempt has cost so far.
    spent: AtomicU64,
    time_ms: u64,
    /// Counted from when the attempt had room for the first time.
    deadline: OnceLock<Deadline>,
}

#[async_trait]
impl AttemptHost for Attendant {
    async fn room(&self) -> Box<dyn Send> {
        let place = self.engine.gate.enter(self.run.priority).await;
        self.deadline();
        Box::new(place)
    }

    fn blobs(&self) -> Arc<dyn BlobStore> {
        let (engine, tenant) = (Arc::clone(&self.engine), self.run.tenant.clone());
        Arc::new(AttemptBlobs::new(engine, tenant, self.run.id))
    }

    async fn before_effect(&self, to: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        self.check_may_go_on()?;
        let durable = self.run.durable().await;
        durable.map_err(|error| {
            Failure::new(
                FailureKind::Internal,
                format!("no effect without a journal, and the journal failed: {error}"),
            )
        })?;
        let Some(destination) = to else { return Ok(Box::new(())) };
        let door = self.engine.destinations.door(&self.run.tenant, destination);
        Ok(Box::new(door.pass(self.run.priority, self.deadline()).await?))
    }

    fn answered(&self, effect: Effect) {
        self.engine.meters.effects_answered.increment(1);
        let (node, part, attempt) = (self.node.clone(), self.part, self.attempt);
        let event = Event::EffectAnswered { node, part, attempt, effect };
        // Out of order it comes only from an attempt that has failed already, beside the effect that failed it.
        if let Err(error) = self.run.interject(event) {
            tracing::warn!(%error, "an effect's answer is not kept: it does not follow from what was");
        }
    }

    async fn state(&self, call: StateCall, effect: EffectAsked) -> Result<Effect, Failure> {
        self.check_may_go_on()?;
        let key = AttemptContext::key(self.run.id, &self.node, self.part, self.attempt);
        let version = version_of(&format!("{key}.{}", effect.index));
        let (node, part, attempt) = (self.node.clone(), self.part, self.attempt);
        let event = |effect| Event::EffectAnswered { node, part, attempt, effect };
        let answered = state::answer(&self.engine, &self.run, call, effect, (version, event)).await?;
        self.engine.meters.effects_answered.increment(1);
        Ok(answered)
    }

    fn used(&self, call: &ModelCall) {
        self.spent.fetch_add(call.cost_micro_usd.unwrap_or(0), Ordering::Relaxed);
        self.run.ledger().used(&self.node, self.part, call);
    }

    fn logged(&self, line: &LogLine) {
        self.log_to_host(line);
        self.run.say(|| WatchItem::Log {
            node: self.node.clone(),
            part: self.part,
            attempt: self.attempt,
            line: line.clone(),
        });
    }

    fn progress(&self, chunk: Value) {
        self.run.say(|| WatchItem::Progress {
            node: self.node.clone(),
            part: self.part,
            attempt: self.attempt,
            chunk,
        });
    }
}

impl Attendant {
    /// No effect of a run that has ended, or has no money left.
    fn check_may_go_on(&self) -> Result<(), Failure> {
        if self.run.is_ending() {
            return Err(Failure::new(FailureKind::Cancelled, "the run has ended"));
        }
        self.run.ledger().state().may_spend(self.part, self.spent.load(Ordering::Relaxed))
    }

    fn deadline(&self) -> Deadline {
        *self.deadline.get_or_init(|| Deadline::in_ms(self.time_ms))
    }

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
