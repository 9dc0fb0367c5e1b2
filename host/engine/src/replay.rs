//! Replay: what a run did, from its journal alone, and each attempt of it run again.
//!
//! Needs no engine and no store: whoever replays brings the entries, the plan and a sandbox whose stand-in answers effects.
//! What to make of a difference is not known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use stepwell_core::attempt::Account;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, RunId};
use stepwell_core::limits::LimitKind;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{self, Plan, PlannedNode};
use stepwell_core::run::{Action, Entry, Event, FoldError, RunState};
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
    /// Which attempt.
    pub attempt: AttemptNumber,
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

/// The plan of a stored definition with these steps for its nodes.
pub fn plan(definition: &Value, steps: HashMap<NodeId, Arc<PublishedStep>>) -> Result<Plan, Vec<Mistake>> {
    plan::compile(definition, &Pinned { steps })
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
            recording.take(entry);
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
        node: &PlannedNode,
        recorded: &RecordedAttempt,
        host: Arc<dyn AttemptHost>,
    ) -> AttemptReport {
        // A step that is tried in another's place may want another input.
        if let Err(violations) = node.input_schema.check(&recorded.input) {
            let failure = misfit(node, &violations);
            return AttemptReport { result: Err(failure), account: Account::default() };
        }
        let context = AttemptContext {
            run: self.run,
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            node: recorded.node.clone(),
            attempt: recorded.attempt,
            started_at: recorded.started_at,
            deadline: recorded.deadline,
            run_traceparent: Arc::clone(&self.traceparent),
        };
        let mut limits = node.limits;
        limits.set(LimitKind::TimeMs, u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX));
        // Values are not known here, and go nowhere: but a secret without one would be refused.
        let unknown = |name| (name, SecretString::from("a value that is not known to a replay"));
        let attempt = Attempt {
            context,
            input: as_text(&recorded.input),
            config: Arc::clone(&node.config),
            grants: Arc::clone(&node.grants),
            secrets: node.grants.secrets.keys().cloned().map(unknown).collect(),
            limits,
            replay: Vec::new(),
        };
        let AttemptReport { result, account } = sandbox.run(step, attempt, host).await;
        AttemptReport { result: result.and_then(|output| check_output(node, output)), account }
    }

    fn take(&mut self, entry: &Entry) {
        match &entry.event {
            Event::AttemptStarted { node, attempt, input, deadline } => {
                self.attempts.push(RecordedAttempt {
                    node: node.clone(),
                    attempt: *attempt,
                    input: Arc::clone(input),
                    started_at: entry.at,
                    deadline: *deadline,
                    effects: Vec::new(),
                    end: None,
                });
            }
            Event::EffectAnswered { node, attempt, effect } => {
                self.with(node, *attempt, |recorded| recorded.effects.push(effect.clone()));
            }
            Event::AttemptSucceeded { node, attempt, output, account } => {
                let end = (Ok(Arc::clone(output)), account.clone());
                self.with(node, *attempt, |recorded| recorded.end = Some(end));
            }
            Event::AttemptFailed { node, attempt, failure, account } => {
                let end = (Err(failure.clone()), account.clone());
                self.with(node, *attempt, |recorded| recorded.end = Some(end));
            }
            _ => {}
        }
    }

    fn with(&mut self, node: &NodeId, attempt: AttemptNumber, change: impl FnOnce(&mut RecordedAttempt)) {
        let found = self.attempts.iter_mut().rev().find(|it| it.node == *node && it.attempt == attempt);
        found.map(change);
    }
}

fn misfit(node: &PlannedNode, violations: &[SchemaViolation]) -> Failure {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let message = format!(
        "the recorded input does not match the input schema of {}@{}: {}",
        node.step.name,
        node.step.version,
        lines.join("; ")
    );
    Failure::new(FailureKind::InvalidInput, message)
}

/// Whether an entry that the run decided on itself does not follow any more.
fn undecided(state: &RunState, entry: &Entry) -> Option<Undecided> {
    let is_decided = matches!(
        entry.event,
        Event::AttemptStarted { .. }
            | Event::NodeSkipped { .. }
            | Event::NodeFailed { .. }
            | Event::RunEnded { .. }
    );
    if !is_decided {
        return None;
    }
    let decided: Vec<Event> = state.decide(entry.at).into_iter().filter_map(Action::into_event).collect();
    let follows = decided.contains(&entry.event);
    (!follows).then(|| Undecided { recorded: entry.clone(), decided })
}
