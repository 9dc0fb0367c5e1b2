//! Random workflows, lived at random: what holds for every run, whatever happens to it in whatever order.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::plan::Join;

/// Something that happens to a run from outside.
#[derive(Debug, Clone)]
enum Chance {
    Succeeds { attempt: Index, output: Value },
    Fails { attempt: Index, kind: FailureKind, retry_after_ms: Option<u64> },
    AnswersEffect { attempt: Index },
    Passes { milliseconds: u16, microseconds: u16 },
    Cancels,
}

fn outputs() -> impl Strategy<Value = Value> {
    let finite = any::<f64>().prop_filter("JSON has finite numbers alone", |number| number.is_finite());
    prop_oneof![
        Just(json!({"go": true})),
        Just(json!({"go": false})),
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite.prop_map(|number| json!({"go": true, "number": number})),
        ".{0,8}".prop_map(Value::from),
    ]
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    let kinds = prop_oneof![
        4 => Just(FailureKind::Retryable),
        1 => Just(FailureKind::Timeout),
        1 => Just(FailureKind::Permanent),
    ];
    let chance = prop_oneof![
        8 => (any::<Index>(), outputs()).prop_map(|(attempt, output)| Chance::Succeeds { attempt, output }),
        4 => (any::<Index>(), kinds, option::of(0..3_000u64))
            .prop_map(|(attempt, kind, retry_after_ms)| Chance::Fails { attempt, kind, retry_after_ms }),
        3 => any::<Index>().prop_map(|attempt| Chance::AnswersEffect { attempt }),
        4 => (0..3_000u16, 0..1_000u16)
            .prop_map(|(milliseconds, microseconds)| Chance::Passes { milliseconds, microseconds }),
        1 => Just(Chance::Cancels),
    ];
    vec(chance, 0..60)
}

/// One node: which of the nodes before it are needed, and what else it says.
fn nodes() -> impl Strategy<Value = Vec<(Vec<bool>, Value)>> {
    let when = prop_oneof![
        6 => Just(None),
        2 => Just(Some("true")),
        2 => Just(Some("false")),
        1 => Just(Some("input.missing")),
        1 => Just(Some("input.number")),
    ];
    let retry = (1..4u32, 1..2_000u32, 1.0..3.0f64, any::<bool>()).prop_map(|(attempts, delay, factor, jitter)| {
        json!({
            "attempts": attempts, "delay": format!("{delay}ms"), "factor": factor, "cap": "2s", "jitter": jitter,
            "on": ["retryable", "timeout"],
        })
    });
    let rest = (when, any::<bool>(), option::of(retry), any::<bool>()).prop_map(
        |(when, joins_any, retry, reads)| {
            let mut node = json!({"join": if joins_any { "any" } else { "all" }});
            if let Some(when) = when {
                node["when"] = json!(when);
            }
            if let Some(retry) = retry {
                node["retry"] = retry;
            }
            node["reads"] = json!(reads);
            node
        },
    );
    vec((vec(prop::bool::weighted(0.4), 10), rest), 1..10)
}

fn definitions() -> impl Strategy<Value = Value> {
    (nodes(), option::of(1..60_000u32)).prop_map(|(nodes, budget)| {
        let id = |index: usize| format!("n{index}");
        let mut definition = json!({"nodes": {}});
        for (index, (edges, mut node)) in nodes.into_iter().enumerate() {
            let needs: Vec<String> = (0..index).filter(|&before| edges[before]).map(id).collect();
            let statuses =
                needs.iter().map(|need| (need.clone(), json!(format!("{{{{ nodes.{need}.status }}}}"))));
            let reads = node.as_object_mut().unwrap().remove("reads") == Some(json!(true));
            node["input"] = match needs.first().filter(|_| reads) {
                // Fails where the need was skipped or gave something else.
                Some(need) => json!({"go": format!("{{{{ nodes.{need}.output.go }}}}")}),
                None => Value::Object(statuses.collect()),
            };
            node["needs"] = json!(needs);
            definition["nodes"][id(index)] = node;
        }
        if let Some(budget) = budget {
            definition["budget"] = json!({"time": format!("{budget}ms")});
        }
        definition
    })
}

/// What the outside can see of a state.
#[derive(Debug, PartialEq)]
struct Seen {
    view: RunView,
    decided: Vec<Action>,
    in_flight: Vec<SeenAttempt>,
    next_seq: u64,
}

type SeenAttempt = (NodeId, AttemptNumber, Arc<Value>, Timestamp, Vec<Effect>);

fn see(state: &RunState, now: Timestamp) -> Seen {
    let in_flight = state.in_flight().map(|attempt| {
        (
            attempt.node.clone(),
            attempt.attempt,
            attempt.input.clone(),
            attempt.deadline,
            attempt.effects.to_vec(),
        )
    });
    Seen {
        view: state.view(),
        decided: state.decide(now),
        in_flight: in_flight.collect(),
        next_seq: state.next_seq(),
    }
}

/// A life that notes after every entry what could be seen.
struct Witnessed {
    life: Life,
    seen: Vec<(Timestamp, Seen)>,
}

impl Witnessed {
    fn new(plan: Arc<Plan>) -> Self {
        let mut life = Life::accepted(plan, json!({"number": 3}));
        life.now += SignedDuration::from_micros(250);
        let mut witnessed = Self { life, seen: Vec::new() };
        witnessed.note();
        witnessed.go_on();
        witnessed
    }

    fn note(&mut self) {
        self.seen.push((self.life.now, see(&self.life.state, self.life.now)));
    }

    fn record(&mut self, event: Event) {
        self.life.record(event);
        self.note();
    }

    fn go_on(&mut self) {
        loop {
            let actions = self.life.state.decide(self.life.now);
            let mint = &mut self.life.mint;
            let events: Vec<Event> =
                actions.into_iter().filter_map(|action| action.into_event(mint)).collect();
            if events.is_empty() {
                return;
            }
            events.into_iter().for_each(|event| self.record(event));
        }
    }

    fn live(&mut self, chances: Vec<Chance>) {
        for chance in chances {
            if self.life.state.outcome().is_some() {
                return;
            }
            self.befall(chance);
            self.go_on();
        }
        self.run_out();
    }

    fn befall(&mut self, chance: Chance) {
        match chance {
            Chance::Passes { milliseconds, microseconds } => {
                let time = i64::from(milliseconds) * 1_000 + i64::from(microseconds);
                self.life.now += SignedDuration::from_micros(time);
            }
            Chance::Cancels => {
                self.record(Event::CancelRequested { reason: None, grace_ms: 0, compensate: false, by: None })
            }
            Chance::Succeeds { attempt, output } => {
                if let Some((node, attempt, _)) = self.pick(&attempt) {
                    self.record(Event::AttemptSucceeded {
                        node,
                        part: Part::Whole,
                        cached: false,
                        attempt,
                        output: output.into(),
                        account: Account::default(),
                    });
                }
            }
            Chance::Fails { attempt, kind, retry_after_ms } => {
                if let Some((node, attempt, _)) = self.pick(&attempt) {
                    let failure = Failure { retry_after_ms, ..Failure::new(kind, "by chance") };
                    self.record(Event::AttemptFailed {
                        node,
                        part: Part::Whole,
                        attempt,
                        failure,
                        account: Account::default(),
                        cached: false,
                    });
                }
            }
            Chance::AnswersEffect { attempt } => {
                if let Some((node, attempt, answered)) = self.pick(&attempt) {
                    self.record(Event::EffectAnswered {
                        node,
                        part: Part::Whole,
                        attempt,
                        effect: effect(answered),
                    });
                }
            }
        }
    }

    /// One of the attempts in flight, with the number of its answered effects.
    fn pick(&self, index: &Index) -> Option<(NodeId, AttemptNumber, u32)> {
        let in_flight: Vec<_> = self.life.state.in_flight().collect();
        let picked = (!in_flight.is_empty()).then(|| index.get(&in_flight))?;
        Some((picked.node.clone(), picked.attempt, u32::try_from(picked.effects.len()).unwrap()))
    }

    /// Lets every attempt succeed and every wait pass, until the run ends. A run that waits for neither is stuck.
    fn run_out(&mut self) {
        while self.life.state.outcome().is_none() {
            let next =
                self.life.state.in_flight().next().map(|attempt| (attempt.node.clone(), attempt.attempt));
            match next {
                Some((node, attempt)) => {
                    let (output, account) = (json!({"go": true}), Account::default());
                    self.record(Event::AttemptSucceeded {
                        node,
                        part: Part::Whole,
                        cached: false,
                        attempt,
                        output: output.into(),
                        account,
                    });
                }
                None => {
                    self.life.now = self.life.wakes_at().expect("a run that does not end waits for something")
                }
            }
            self.go_on();
        }
    }
}

/// Reads a journal as if from disk, entry by entry, and sees the same after each as when it was lived.
fn folds_as_it_was_lived(plan: &Arc<Plan>, witnessed: &Witnessed) {
    let read_back = |entry: &Entry| {
        let read: Entry = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
        assert_eq!(&read, entry, "an entry is read as it was written");
        read
    };
    let mut entries = witnessed.life.journal.iter().map(read_back);
    let mut state = RunState::accept(RUN, Arc::clone(plan), &entries.next().unwrap()).unwrap();
    let mut seen = witnessed.seen.iter();
    for (now, lived) in seen.by_ref() {
        assert_eq!(&see(&state, *now), lived);
        if let Some(entry) = entries.next() {
            state.apply(&entry).unwrap();
        }
    }
    assert!(entries.next().is_none());
}

/// Which needs were final, and how, when each node first started or was skipped: judged from the journal alone.
fn nothing_starts_before_its_needs(plan: &Plan, journal: &[Entry]) {
    let mut finals: BTreeMap<&NodeId, bool> = BTreeMap::new();
    for entry in journal {
        match &entry.event {
            Event::AttemptStarted { node, .. } => {
                let planned = &plan.nodes[node];
                let all_final = planned.needs.iter().all(|need| finals.contains_key(need));
                let one_succeeded = planned.needs.iter().any(|need| finals.get(need) == Some(&true));
                assert!(all_final || planned.join == Join::Any, "{node} started before its needs were final");
                assert!(
                    one_succeeded || planned.needs.is_empty(),
                    "{node} started without a need that succeeded"
                );
            }
            Event::AttemptSucceeded { node, .. } => _ = finals.insert(node, true),
            Event::NodeSkipped { node, .. } => _ = finals.insert(node, false),
            _ => {}
        }
    }
}

/// Once a node is final it stays what it is; when the run has ended every node is final.
fn every_node_ends_in_one_final_state(witnessed: &Witnessed) {
    let mut finals: BTreeMap<&NodeId, NodeStatus> = BTreeMap::new();
    for (_, seen) in &witnessed.seen {
        for node in seen.view.nodes.iter().filter(|node| node.status.is_final()) {
            assert_eq!(*finals.entry(&node.id).or_insert(node.status), node.status, "{} changed", node.id);
        }
    }
    let (_, last) = witnessed.seen.last().unwrap();
    assert_eq!(finals.len(), last.view.nodes.len(), "some nodes never became final");
}

proptest! {
    #[test]
    fn whatever_happens_a_run_keeps_its_promises(definition in definitions(), chances in chances()) {
        let plan = plan(definition);
        let mut witnessed = Witnessed::new(Arc::clone(&plan));
        witnessed.live(chances);
        folds_as_it_was_lived(&plan, &witnessed);
        nothing_starts_before_its_needs(&plan, &witnessed.life.journal);
        every_node_ends_in_one_final_state(&witnessed);
    }
}
