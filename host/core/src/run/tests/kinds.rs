//! Random workflows of every kind of node, lived at random and read back after every entry.
//!
//! What must hold: all that is decided together can follow, each behind the other; the same entries give the same state, whatever happens in whatever order; nothing is in flight once a run has ended;
//! a timer fires once; what can be undone is undone before the end is told; and no run is stuck.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Something that happens to a run from outside.
#[derive(Debug, Clone)]
enum Chance {
    Succeeds(usize),
    Fails(usize, FailureKind),
    Passes(u16),
    Decides(usize, bool),
    CallsBack(usize),
    ChildEnds(usize, bool),
    Signals,
    Pauses(bool),
    Cancels { grace: bool, compensate: bool },
    GoesOn(u8),
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    let kinds = prop_oneof![
        3 => Just(FailureKind::Retryable),
        2 => Just(FailureKind::Permanent),
        1 => Just(FailureKind::Gate),
        1 => Just(FailureKind::Until),
        1 => Just(FailureKind::CircuitOpen),
    ];
    let index = || 0..16usize;
    vec(
        prop_oneof![
            10 => index().prop_map(Chance::Succeeds),
            4 => (index(), kinds).prop_map(|(at, kind)| Chance::Fails(at, kind)),
            4 => (0..9_000u16).prop_map(Chance::Passes),
            2 => (index(), any::<bool>()).prop_map(|(at, yes)| Chance::Decides(at, yes)),
            2 => index().prop_map(Chance::CallsBack),
            2 => (index(), any::<bool>()).prop_map(|(at, well)| Chance::ChildEnds(at, well)),
            1 => Just(Chance::Signals),
            1 => any::<bool>().prop_map(Chance::Pauses),
            1 => (any::<bool>(), any::<bool>()).prop_map(|(grace, compensate)| Chance::Cancels { grace, compensate }),
            2 => (0..4u8).prop_map(Chance::GoesOn),
        ],
        0..70,
    )
}

/// What a node does and how it fails.
fn nodes() -> impl Strategy<Value = Vec<(Vec<bool>, Value)>> {
    let retry = json!({"attempts": 2, "delay": "1s", "on": ["retryable", "gate"]});
    let undo = json!({"step": "work@^1", "input": {"was": "{{ original.output }}"}, "retry": {"attempts": 2, "delay": "1s"}});
    let kinds = vec![
        json!({}),
        json!({"retry": retry, "fallback": [{"config": {"b": 1}}], "compensate": undo}),
        json!({"compensate": undo, "until": {"that": "output.go", "attempts": 3}, "gate": "output.go"}),
        json!({"map": {"over": [1, 2, 3, 4], "concurrency": 2}, "retry": retry, "compensate": undo}),
        json!({"map": {"over": "{{ input.items }}", "on_item_error": "continue"}, "input": {"i": "{{ item }}"}}),
        json!({"map": {"over": "{{ input.items }}"}, "input": {"i": "{{ item.nothing }}"}}),
        json!({"map": {"over": [{"i": 1}, {}, {}, {"i": 2}, {}], "concurrency": 3}, "input": {"i": "{{ item.i }}"}, "compensate": undo}),
        json!({"map": {"over": ["x", 1, 2, "y", 3], "concurrency": 3, "on_item_error": "continue"}, "step": "read@^1", "input": {"text": "{{ item }}"}}),
        json!({"input": {"v": "{{ input.nope }}"}, "fallback": [{"input": {"v": 1}}], "compensate": undo}),
        json!({"map": {"over": [1, {"v": 2}, 3], "concurrency": 2}, "input": {"v": "{{ item.v }}"}, "fallback": [{"input": {"v": 1}}]}),
        json!({"wait": "5s"}),
        json!({"wait": {"signal": "go", "timeout": "30s"}}),
        json!({"approval": {"timeout": "20s", "on_timeout": "approve", "escalate": {"after": "5s", "who": ["bob"]}}}),
        json!({"approval": {"on_reject": "continue"}}),
        json!({"callback": {"expires": "40s"}, "retry": retry, "compensate": undo}),
        json!({"workflow": "other@^1", "compensate": undo}),
        json!({"emit": {"type": "com.example.told"}}),
    ];
    let on_error = prop_oneof![
        5 => Just(None),
        2 => Just(Some(json!({"continue": {"go": false}}))),
        1 => Just(Some(json!("go_to"))),
    ];
    let node =
        (prop::sample::select(kinds), on_error, any::<bool>()).prop_map(|(mut node, on_error, any)| {
            node["join"] = json!(if any { "any" } else { "all" });
            if let Some(on_error) = on_error {
                node["on_error"] = on_error;
            }
            node
        });
    vec((vec(prop::bool::weighted(0.4), 7), node), 1..7)
}

fn definitions() -> impl Strategy<Value = Value> {
    let on_failure = prop::sample::select(vec![
        json!("fail"),
        json!("partial"),
        json!({"retry": {"times": 2, "delay": "3s"}}),
        json!({"restart": {"times": 1, "delay": "3s"}}),
    ]);
    let budget = prop::sample::select(vec![
        json!({}),
        json!({"time": "25s"}),
        json!({"time": "10s", "count_waits": false}),
    ]);
    (nodes(), on_failure, budget).prop_map(|(nodes, on_failure, budget)| {
        let id = |index: usize| format!("n{index}");
        let count = nodes.len();
        let mut definition = json!({"nodes": {}, "on_failure": on_failure, "budget": budget});
        for (index, (edges, mut node)) in nodes.into_iter().enumerate() {
            let needs: Vec<String> = (0..index).filter(|&before| edges[before]).map(id).collect();
            node["needs"] = json!(needs);
            if node.get("on_error") == Some(&json!("go_to")) {
                node["on_error"] =
                    if index + 1 < count { json!({"go_to": id(index + 1)}) } else { json!("fail") };
            }
            definition["nodes"][id(index)] = node;
        }
        definition
    })
}

/// A life whose every state is compared with the one that is read back.
struct Lived(Life);

impl Lived {
    fn of(plan: &Arc<Plan>) -> Self {
        let mut lived = Self(Life::accepted(Arc::clone(plan), json!({"items": ["x", "y"]})));
        lived.go_on();
        lived
    }

    fn go_on(&mut self) {
        // A decision that leads nowhere would go on for ever.
        for _ in 0..200 {
            let before = self.0.state.next_seq();
            let actions = self.0.state.decide(self.0.now);
            assert_eq!(actions, self.0.state.decide(self.0.now), "decided twice, the same is decided");
            for action in actions {
                if let Action::CancelChild { run, .. } = action {
                    self.end_child(run, RunOutcome::Cancelled { reason: None });
                } else if let Some(event) = action.into_event(&mut self.0.mint) {
                    self.record(event);
                }
            }
            if self.0.state.next_seq() == before {
                return;
            }
        }
        panic!("the run decides without an end");
    }

    fn record(&mut self, event: Event) {
        self.0.record(event);
        let read = self.0.again();
        assert_eq!(read.view(), self.0.state.view());
        assert_eq!(read.decide(self.0.now), self.0.state.decide(self.0.now));
        assert_eq!(read.in_flight().count(), self.0.state.in_flight().count());
        assert_eq!(read.dead_letters(), self.0.state.dead_letters());
        if read.outcome().is_some() {
            assert_eq!(read.in_flight().count(), 0, "what has ended has nothing in flight");
            assert_eq!(read.approvals().count() + read.children().count(), 0, "nor waits for anybody");
            assert!(read.view().nodes.iter().all(|node| node.status.is_final()), "one final state per node");
        }
    }

    fn end_child(&mut self, run: RunId, outcome: RunOutcome) {
        let node = self.0.state.children().find(|child| child.run == run).map(|child| child.node.clone());
        if let Some(node) = node {
            self.record(Event::ChildEnded { node, run, outcome, spent: None });
        }
    }

    fn befall(&mut self, chance: &Chance) {
        let has_ended = self.0.state.outcome().is_some();
        match chance {
            Chance::GoesOn(from) if has_ended => self.go_on_after_the_end(*from),
            _ if has_ended => {}
            Chance::GoesOn(_) => {}
            Chance::Passes(milliseconds) => {
                self.0.now += SignedDuration::from_millis(i64::from(*milliseconds));
            }
            Chance::Succeeds(at) => self.end_attempt(*at, None),
            Chance::Fails(at, kind) => self.end_attempt(*at, Some(*kind)),
            Chance::Decides(at, yes) => self.decide(*at, *yes),
            Chance::CallsBack(at) => self.call_back(*at),
            Chance::ChildEnds(at, well) => {
                let children: Vec<RunId> = self.0.state.children().map(|child| child.run).collect();
                if !children.is_empty() {
                    let failure = Failure::new(FailureKind::Permanent, "deep down");
                    self.end_child(
                        children[at % children.len()],
                        match well {
                            true => RunOutcome::Succeeded { output: json!({"go": true}).into() },
                            false => RunOutcome::Failed { failure, node: None, partial: None },
                        },
                    );
                }
            }
            Chance::Signals => {
                let payload = json!({"go": true}).into();
                self.record(Event::SignalReceived { name: "go".to_owned(), payload, by: None });
            }
            Chance::Pauses(true) => self.record(Event::RunPaused { by: None, reason: None }),
            Chance::Pauses(false) => self.record(Event::RunResumed { by: None }),
            Chance::Cancels { grace, compensate } => self.record(Event::CancelRequested {
                reason: None,
                grace_ms: if *grace { 2_000 } else { 0 },
                compensate: *compensate,
                by: None,
            }),
        }
    }

    fn end_attempt(&mut self, at: usize, failure: Option<FailureKind>) {
        let in_flight: Vec<_> = self
            .0
            .state
            .in_flight()
            .map(|attempt| (attempt.node.clone(), attempt.part, attempt.attempt))
            .collect();
        if in_flight.is_empty() {
            return;
        }
        let (node, part, attempt) = in_flight[at % in_flight.len()].clone();
        let account = Account::default();
        self.record(match failure {
            None => {
                let output = json!({"go": true}).into();
                Event::AttemptSucceeded { node, part, attempt, output, account, cached: false }
            }
            Some(kind) => {
                let failure = Failure::new(kind, "by chance");
                Event::AttemptFailed { node, part, attempt, failure, account, cached: false }
            }
        });
    }

    fn decide(&mut self, at: usize, yes: bool) {
        let open: Vec<NodeId> = self.0.state.approvals().map(|open| open.node.clone()).collect();
        if !open.is_empty() {
            let decision = ApprovalDecision {
                decision: if yes { Verdict::Approve } else { Verdict::Reject },
                by: Some("ann".to_owned()),
                comment: None,
                form: Value::Null,
            };
            self.record(Event::ApprovalDecided { node: open[at % open.len()].clone(), decision });
        }
    }

    fn call_back(&mut self, at: usize) {
        let open: Vec<NodeId> = self
            .0
            .state
            .callbacks()
            .filter(|(_, token)| matches!(self.0.state.callback(token), Some(CallbackStanding::Open { .. })))
            .map(|(node, _)| node.clone())
            .collect();
        if !open.is_empty() {
            let body = json!({"go": true}).into();
            self.record(Event::CallbackReceived { node: open[at % open.len()].clone(), body });
        }
    }

    fn go_on_after_the_end(&mut self, from: u8) {
        let dead = self.0.state.dead_letters().iter().next().cloned();
        let from = match (from, dead) {
            (0, _) => ReopenFrom::Failed,
            (1, _) => ReopenFrom::Start,
            (2, Some((node, Part::Compensation))) => ReopenFrom::Compensation(node),
            _ => ReopenFrom::Node(node("n0")),
        };
        let standing = self.0.state.standing(&from);
        let by = Some("ann".to_owned());
        self.record(Event::RunReopened { from, edits: BTreeMap::new(), standing, by });
    }

    /// Lets everything succeed and every wait pass, until the run ends. A run that waits for neither is stuck.
    fn run_out(&mut self) {
        for _ in 0..400 {
            self.go_on();
            if self.0.state.outcome().is_some() {
                return;
            }
            if self.0.state.status() == RunStatus::Paused && !self.0.state.has_attempts() {
                self.record(Event::RunResumed { by: None });
                continue;
            }
            let child = self.0.state.children().next().map(|child| child.run);
            let asked = self.0.state.approvals().next().is_some();
            match (self.0.state.has_attempts(), child, asked) {
                (true, ..) => self.end_attempt(0, None),
                (_, Some(run), _) => {
                    self.end_child(run, RunOutcome::Succeeded { output: json!({"go": true}).into() });
                }
                (.., true) => self.decide(0, true),
                _ => self.0.now = self.0.wakes_at().expect("a run that does not end waits for something"),
            }
        }
        panic!("the run does not end: {:#?}", self.0.state.view());
    }
}

/// What was waited for ends once in each beginning of its node.
fn timers_fire_once(journal: &[Entry]) {
    let mut open: BTreeMap<&NodeId, usize> = BTreeMap::new();
    for entry in journal {
        match &entry.event {
            Event::WaitStarted { node, .. }
            | Event::ApprovalOpened { node, .. }
            | Event::CallbackOpened { node, .. } => *open.entry(node).or_default() += 1,
            Event::TimerFired { node } => {
                let left = open.get_mut(node).and_then(|left| left.checked_sub(1).map(|less| (left, less)));
                let (left, less) = left.expect("a timer that fires was set, and has not fired");
                *left = less;
            }
            _ => {}
        }
    }
}

/// Before the end of a run that failed, all that could be undone was, or is a dead letter.
fn compensations_are_complete(life: &Life) {
    if !matches!(life.state.outcome(), Some(RunOutcome::Failed { .. })) {
        return;
    }
    for node in life.state.view().nodes {
        let planned = &life.state.plan().nodes[&node.id];
        if planned.compensate.is_some() && node.status == NodeStatus::Succeeded {
            let compensation = node.compensation.expect("what succeeded is undone");
            let dead = life.state.dead_letters().contains(&(node.id, Part::Compensation));
            assert_eq!(compensation.status == NodeStatus::Failed, dead);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_run_is_read_back_as_it_was_lived_and_ends(definition in definitions(), chances in chances()) {
        let plan = plan(definition);
        let mut lived = Lived::of(&plan);
        for chance in &chances {
            lived.befall(chance);
            lived.go_on();
        }
        lived.run_out();
        timers_fire_once(&lived.0.journal);
        compensations_are_complete(&lived.0);
    }
}
