//! What a run must do, told from outside: by its events and its decisions alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use semver::{Version, VersionReq};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::attempt::{Account, ModelCall};
use crate::digest::Digest;
use crate::effect::Effect;
use crate::failure::{Failure, FailureKind};
use crate::grant::Grants;
use crate::id::{AttemptNumber, NodeId, Part, RunId, StepName, WorkflowName};
use crate::limits::Limits;
use crate::manifest::{Capability, Manifest, PublishedStep};
use crate::mistake::Mistake;
use crate::plan::{
    LockSlot, LockedWorkflow, Plan, PublishedWorkflow, Resolution, Surroundings, WorkflowResolution, compile,
};
use crate::priority::Priority;
use crate::schema::Schema;

mod asynchronous;
mod budgets;
mod ends;
mod failing;
mod folding;
mod format;
mod kinds;
mod lives;
mod maps;
mod people;
mod queueing;
mod readiness;
mod reopening;
mod retries;
mod undoing;
mod views;

const RUN: RunId = RunId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));

/// A catalogue of steps: `work` takes anything, `read` wants a text, `pay` has effects.
struct TwoSteps;

impl Surroundings for TwoSteps {
    fn resolve(&self, _: &LockSlot, name: &StepName, _: &VersionReq) -> Resolution {
        let input_schema = match name.as_str() {
            "read" => {
                json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})
            }
            _ => json!({}),
        };
        let manifest = Manifest {
            name: name.clone(),
            version: Version::new(1, 0, 0),
            summary: String::new(),
            input_schema,
            config_schema: json!({}),
            output_schema: json!({}),
            capabilities: Vec::new(),
        };
        Resolution::Found(Arc::new(PublishedStep {
            manifest,
            digest: Digest::of(name.as_str().as_bytes()),
            imports: BTreeSet::new(),
            effects: if name.as_str() == "pay" { [Capability::Http].into() } else { BTreeSet::new() },
            size: 0,
        }))
    }

    fn resolve_workflow(&self, _: &LockSlot, name: &WorkflowName, _: &VersionReq) -> WorkflowResolution {
        WorkflowResolution::Found(Box::new(PublishedWorkflow {
            locked: LockedWorkflow {
                workflow: name.clone(),
                version: Version::new(1, 0, 0),
                digest: Digest::of(name.as_str().as_bytes()),
            },
            input: Schema::any(),
            reaches: BTreeMap::new(),
        }))
    }

    fn check_grants(&self, _: &Grants) -> Vec<Mistake> {
        Vec::new()
    }

    fn ceiling(&self) -> Limits {
        Limits::default_ceiling()
    }
}

/// The plan of a workflow with these nodes; a node without a step does `work`.
fn plan(mut definition: Value) -> Arc<Plan> {
    for node in definition["nodes"].as_object_mut().unwrap().values_mut() {
        let node = node.as_object_mut().unwrap();
        let runs_no_step =
            ["wait", "approval", "workflow", "emit"].iter().any(|kind| node.contains_key(*kind));
        if !runs_no_step {
            node.entry("step").or_insert_with(|| json!("work@^1"));
        }
    }
    definition["name"] = json!("tried");
    definition["version"] = json!("1.0.0");
    Arc::new(compile(&definition, &TwoSteps).unwrap())
}

fn node(id: &str) -> NodeId {
    NodeId::new(id).unwrap()
}

fn start_of_time() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn accepted(input: Value) -> Event {
    Event::RunAccepted {
        workflow: WorkflowName::new("tried").unwrap(),
        version: Version::new(1, 0, 0),
        input: input.into(),
        trigger: Trigger::Api,
        traceparent: "00-00000000000000000000000000000001-0000000000000001-01".to_owned(),
        start_at: None,
        priority: Priority::Normal,
        split: None,
        rules: Event::RULES,
    }
}

fn effect(index: u32) -> Effect {
    Effect {
        index,
        capability: Capability::Http,
        summary: "GET https://example.com/".to_owned(),
        request_digest: Digest::of(b"request"),
        answer: json!({"status": 200}),
    }
}

/// A run that is lived: a clock, and somebody who does what the run decides.
struct Life {
    state: RunState,
    journal: Vec<Entry>,
    now: Timestamp,
    mint: Counter,
}

/// Makes what is new by counting.
#[derive(Default)]
struct Counter(u128);

impl Mint for Counter {
    fn run_id(&mut self) -> RunId {
        self.0 += 1;
        RunId(Uuid::from_u128(self.0))
    }

    fn callback(&mut self) -> (String, String) {
        self.0 += 1;
        (format!("token-{}", self.0), format!("https://here/v1/callbacks/token-{}", self.0))
    }
}

impl Life {
    /// Accepts a run and does what it decides, up to where it waits for outcomes or for time.
    fn of(definition: Value, input: Value) -> Self {
        let mut life = Self::accepted(plan(definition), input);
        life.go_on();
        life
    }

    fn accepted(plan: Arc<Plan>, input: Value) -> Self {
        Self::accepted_by(plan, accepted(input))
    }

    fn accepted_by(plan: Arc<Plan>, acceptance: Event) -> Self {
        let now = start_of_time();
        let first = Entry::new(0, now, acceptance);
        let state = RunState::accept(RUN, plan, &first).unwrap();
        Self { state, journal: vec![first], now, mint: Counter::default() }
    }

    fn record(&mut self, event: Event) {
        let entry = self.state.record(self.now, event).unwrap();
        self.journal.push(entry);
    }

    fn go_on(&mut self) {
        loop {
            let actions = self.state.decide(self.now).into_iter();
            let events: Vec<Event> = actions.filter_map(|action| action.into_event(&mut self.mint)).collect();
            if events.is_empty() {
                return;
            }
            events.into_iter().for_each(|event| self.record(event));
        }
    }

    fn succeed(&mut self, id: &str, output: Value) {
        let (node, part, attempt) = self.attempt_of(id);
        self.record(Event::AttemptSucceeded {
            node,
            part,
            attempt,
            output: output.into(),
            account: Account::default(),
            cached: false,
        });
        self.go_on();
    }

    fn fail(&mut self, id: &str, failure: Failure) {
        let (node, part, attempt) = self.attempt_of(id);
        self.record(Event::AttemptFailed {
            node,
            part,
            attempt,
            failure,
            account: Account::default(),
            cached: false,
        });
        self.go_on();
    }

    /// Something happens that is no outcome of an attempt.
    fn happens(&mut self, event: Event) {
        self.record(event);
        self.go_on();
    }

    /// The journal as another life reads it.
    fn again(&self) -> RunState {
        RunState::replay(RUN, Arc::clone(self.state.plan()), &self.journal).unwrap()
    }

    fn cancel(&mut self, reason: &str) {
        self.record(Event::CancelRequested {
            reason: Some(reason.to_owned()),
            grace_ms: 0,
            compensate: false,
            by: None,
        });
        self.go_on();
    }

    fn let_pass(&mut self, time: Duration) {
        self.now += SignedDuration::try_from(time).unwrap();
        self.go_on();
    }

    fn attempt_of(&self, id: &str) -> (NodeId, Part, AttemptNumber) {
        let is_wanted = |attempt: &AttemptInFlight<'_>| format!("{}{}", attempt.node, attempt.part) == id;
        let attempt = self.state.in_flight().find(is_wanted);
        let attempt = attempt.unwrap_or_else(|| panic!("no attempt at `{id}` is in flight"));
        (attempt.node.clone(), attempt.part, attempt.attempt)
    }

    fn in_flight(&self) -> Vec<String> {
        self.state.in_flight().map(|attempt| format!("{}{}", attempt.node, attempt.part)).collect()
    }

    fn node(&self, id: &str) -> NodeView {
        self.state.view().nodes.into_iter().find(|node| node.id.as_str() == id).unwrap()
    }

    fn status(&self, id: &str) -> NodeStatus {
        self.node(id).status
    }

    /// The failure that the run ended with, and the node it names.
    fn run_failure(&self) -> (Failure, Option<String>) {
        match self.state.outcome() {
            Some(RunOutcome::Failed { failure, node, .. }) => {
                (failure.clone(), node.as_ref().map(ToString::to_string))
            }
            other => panic!("the run did not fail: {other:?}"),
        }
    }

    fn run_output(&self) -> Value {
        match self.state.outcome() {
            Some(RunOutcome::Succeeded { output }) => Value::clone(output),
            other => panic!("the run did not succeed: {other:?}"),
        }
    }

    /// What the run waits for, if it waits for time.
    fn wakes_at(&self) -> Option<Timestamp> {
        match self.state.decide(self.now)[..] {
            [] => None,
            [Action::WakeAt(time)] => Some(time),
            ref other => panic!("the run does not wait: {other:?}"),
        }
    }

    fn wakes_after(&self) -> Option<Duration> {
        self.wakes_at().map(|time| time.duration_since(self.now).unsigned_abs())
    }
}
