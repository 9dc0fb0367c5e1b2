//! Replay: what a run did, from its journal alone, and each attempt of it run again.
//!
//! Needs no engine and no store: whoever replays brings the entries, the plan and a sandbox whose stand-in answers effects.
//! What to make of a difference is not known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::attempt::Account;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, Part, RunId};
use stepwell_core::limits::LimitKind;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{self, Call, LockSlot, LockedWorkflow, Plan};
use stepwell_core::run::{Entry, Event, FoldError, Mint, RunState};
use stepwell_core::schema::SchemaViolation;
use stepwell_sandbox::{Attempt, AttemptContext, AttemptHost, AttemptReport, Sandbox, Step};

use crate::attempt::{as_text, check_output};
use crate::surroundings::Pinned;

/// How long a replayed attempt may take: its answers come at once, but the machine may be a slower one.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a run did, as its journal says.
#[derive(Debug)]
pub struct Recording {
    run: RunId,
    traceparent: Arc<str>,
    /// Its attempts, in the order in which they started.
    pub attempts: Vec<RecordedAttempt>,
    /// What the run did and, decided again from the same journal, would not do: an input that is evaluated otherwise, a node that
    /// would be skipped, another end.
    pub undecided: Vec<Undecided>,
}

/// An attempt, as its run's journal has it.
#[derive(Debug, Clone)]
pub struct RecordedAttempt {
    /// The node.
    pub node: NodeId,
    /// Which part of its work.
    pub part: Part,
    /// Which attempt.
    pub attempt: AttemptNumber,
    /// Which of the node's ways to run its step.
    pub call: u32,
    /// The config that it had in place of the workflow's, if it had another.
    pub config: Option<Arc<Value>>,
    /// Its output was remembered, and nothing ran.
    pub cached: bool,
    /// The step's input.
    pub input: Arc<Value>,
    /// When it started.
    pub started_at: Timestamp,
    /// When its time was over, as the guest was told.
    pub deadline: Timestamp,
    /// Its effects that were answered.
    pub effects: Vec<Effect>,
    /// How it ended, with what it used and recorded. None: the run did not wait for its end, or it has not ended yet.
    pub end: Option<(Result<Arc<Value>, Failure>, Account)>,
}

/// An entry that does not follow any more from those before it.
#[derive(Debug)]
pub struct Undecided {
    /// As it stands in the journal.
    pub recorded: Entry,
    /// What follows instead.
    pub decided: Vec<Event>,
}

/// The plan of a stored definition with these steps and workflows for its ranges.
pub fn plan(
    definition: &Value,
    steps: HashMap<LockSlot, Arc<PublishedStep>>,
    workflows: HashMap<LockSlot, LockedWorkflow>,
) -> Result<Plan, Vec<Mistake>> {
    plan::restore(definition, &Pinned { steps, workflows })
}

/// The way in which a recorded attempt ran its step.
#[must_use]
pub fn call<'a>(plan: &'a Plan, recorded: &RecordedAttempt) -> Option<&'a Call> {
    let planned = plan.nodes.get(&recorded.node)?;
    match recorded.part {
        Part::Compensation => planned.compensate.as_ref(),
        Part::Whole | Part::Item(_) => planned.work.step()?.calls.get(recorded.call as usize),
    }
}

impl Recording {
    /// Reads a run's entries, from the first one on. They must be of a run of this plan.
    pub fn read(run: RunId, plan: &Arc<Plan>, entries: &[Entry]) -> Result<Self, FoldError> {
        // A journal without a first entry is refused by the fold.
        let (first, rest) = entries.split_at(entries.len().min(1));
        let mut state = RunState::replay(run, Arc::clone(plan), first)?;
        let mut recording = Self {
            run,
            traceparent: state.traceparent().into(),
            attempts: Vec::new(),
            undecided: Vec::new(),
        };
        for entry in rest {
            recording.undecided.extend(undecided(&state, entry));
            state.apply(entry)?;
            recording.take(entry, &state);
        }
        Ok(recording)
    }

    /// Runs an attempt again, at a node that may have another step than it had then. Effects are the sandbox's stand-in's to
    /// answer.
    pub async fn again(
        &self,
        sandbox: &Sandbox,
        step: &Step,
        plan: &Plan,
        call: &Call,
        recorded: &RecordedAttempt,
        host: Arc<dyn AttemptHost>,
    ) -> AttemptReport {
        // A step that is tried in another's place may want another input.
        if let Err(violations) = call.input_schema.check(&recorded.input) {
            let failure = misfit(call, &violations);
            return AttemptReport { result: Err(failure), account: Account::default() };
        }
        let context = AttemptContext {
            run: self.run,
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            node: recorded.node.clone(),
            part: recorded.part,
            attempt: recorded.attempt,
            started_at: recorded.started_at,
            deadline: recorded.deadline,
            run_traceparent: Arc::clone(&self.traceparent),
        };
        let mut limits = call.limits;
        limits.set(LimitKind::TimeMs, u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX));
        // Values are not known here, and go nowhere: but a secret without one would be refused.
        let unknown = |name| (name, "a-value-that-no-replay-knows".into());
        let attempt = Attempt {
            context,
            input: as_text(&recorded.input),
            config: recorded
                .config
                .as_ref()
                .map_or_else(|| Arc::clone(&call.config), |config| as_text(config).into()),
            grants: Arc::clone(&call.grants),
            secrets: call.grants.secrets.keys().cloned().map(unknown).collect(),
            limits,
            replay: Vec::new(),
        };
        let AttemptReport { result, account } = sandbox.run(step, attempt, host).await;
        let result = result.and_then(|output| check_output(call, output));
        AttemptReport { result: result.and_then(|output| judge_again(recorded, output)), account }
    }

    fn take(&mut self, entry: &Entry, state: &RunState) {
        match &entry.event {
            Event::AttemptStarted { node, part, attempt, input, deadline, call } => {
                let edit = state.edit(node, *part);
                self.attempts.push(RecordedAttempt {
                    node: node.clone(),
                    part: *part,
                    attempt: *attempt,
                    call: *call,
                    config: edit.and_then(|edit| edit.config.clone()),
                    cached: false,
                    input: Arc::clone(input),
                    started_at: entry.at,
                    deadline: *deadline,
                    effects: Vec::new(),
                    end: None,
                });
            }
            Event::EffectAnswered { node, part, attempt, effect } => {
                self.with(node, *part, *attempt, |recorded| recorded.effects.push(effect.clone()));
            }
            Event::AttemptSucceeded { node, part, attempt, output, account, cached } => {
                let end = (Ok(Arc::clone(output)), account.clone());
                self.with(node, *part, *attempt, |recorded| {
                    (recorded.end, recorded.cached) = (Some(end), *cached);
                });
            }
            Event::AttemptFailed { node, part, attempt, failure, account, cached } => {
                let end = (Err(failure.clone()), account.clone());
                self.with(node, *part, *attempt, |recorded| {
                    (recorded.end, recorded.cached) = (Some(end), *cached);
                });
            }
            _ => {}
        }
    }

    fn with(
        &mut self,
        node: &NodeId,
        part: Part,
        attempt: AttemptNumber,
        change: impl FnOnce(&mut RecordedAttempt),
    ) {
        let is_wanted = |it: &&mut RecordedAttempt| (&it.node, it.part, it.attempt) == (node, part, attempt);
        self.attempts.iter_mut().rev().find(is_wanted).map(change);
    }
}

/// An output that the run did not take, because of a `gate` or an `until`, is judged alike if it is the same again.
fn judge_again(recorded: &RecordedAttempt, output: Value) -> Result<Value, Failure> {
    match &recorded.end {
        Some((Err(failure), _))
            if matches!(failure.kind, FailureKind::Gate | FailureKind::Until)
                && failure.detail.as_ref().and_then(|detail| detail.get("output")) == Some(&output) =>
        {
            Err(failure.clone())
        }
        _ => Ok(output),
    }
}

fn misfit(call: &Call, violations: &[SchemaViolation]) -> Failure {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let message = format!(
        "the recorded input does not match the input schema of {}@{}: {}",
        call.step.name,
        call.step.version,
        lines.join("; ")
    );
    Failure::new(FailureKind::InvalidInput, message)
}

/// Whether an entry that the run decided on itself does not follow any more.
fn undecided(state: &RunState, entry: &Entry) -> Option<Undecided> {
    let is_decided = matches!(
        entry.event,
        Event::AttemptStarted { .. }
            | Event::MapStarted { .. }
            | Event::WaitStarted { .. }
            | Event::ApprovalOpened { .. }
            | Event::ApprovalEscalated { .. }
            | Event::EventEmitted { .. }
            | Event::TimerFired { .. }
            | Event::NodeSkipped { .. }
            | Event::NodeFailed { .. }
            | Event::RunEnded { .. }
    );
    if !is_decided {
        return None;
    }
    let actions = state.decide(entry.at).into_iter();
    let decided: Vec<Event> = actions.filter_map(|action| action.into_event(&mut Nothing)).collect();
    let follows = decided.contains(&entry.event);
    (!follows).then(|| Undecided { recorded: entry.clone(), decided })
}

/// What is new is not compared.
struct Nothing;

impl Mint for Nothing {
    fn run_id(&mut self) -> RunId {
        RunId(uuid::Uuid::nil())
    }

    fn callback(&mut self) -> (String, String) {
        Default::default()
    }
}
