//! What people and programs see of a run.

use super::*;
use crate::attempt::{Account, LogLevel, LogLine, ModelCall};

fn call(cost_micro_usd: Option<u64>) -> ModelCall {
    let (provider, model) = ("openai".to_owned(), "gpt-4o".to_owned());
    ModelCall { provider, model, input_tokens: 10, output_tokens: 20, cost_micro_usd }
}

#[test]
fn a_view_shows_the_nodes_in_the_order_of_their_needs() {
    let life = Life::of(json!({"nodes": {"z": {}, "m": {"needs": ["z"]}, "a": {"needs": ["m"]}}}), json!({}));
    let ids: Vec<String> = life.state.view().nodes.iter().map(|node| node.id.to_string()).collect();
    assert_eq!(ids, ["z", "m", "a"]);
}

#[test]
fn a_view_sums_up_what_all_attempts_used() {
    let mut life = Life::of(
        json!({"nodes": {"a": {"retry": {"attempts": 2, "delay": "1s", "jitter": false}}}}),
        json!({}),
    );
    let (id, _, first) = life.attempt_of("a");
    life.record(Event::EffectAnswered {
        node: id.clone(),
        part: Part::Whole,
        attempt: first,
        effect: effect(0),
    });
    life.record(Event::AttemptFailed {
        node: id.clone(),
        part: Part::Whole,
        attempt: first,
        failure: Failure::new(FailureKind::Retryable, "busy"),
        account: Account { fuel: 5, usage: vec![call(Some(7))], ..Account::default() },
        cached: false,
    });
    life.let_pass(Duration::from_secs(1));
    let line = LogLine { level: LogLevel::Info, message: "well".to_owned(), fields: serde_json::Map::new() };
    life.record(Event::AttemptSucceeded {
        node: id,
        part: Part::Whole,
        cached: false,
        attempt: first.next(),
        output: json!("done").into(),
        account: Account { fuel: 6, usage: vec![call(None)], log: vec![line], ..Account::default() },
    });
    life.go_on();

    let view = life.state.view();
    let expected = Totals {
        attempts: 2,
        effects: 1,
        fuel: 11,
        model_calls: 2,
        input_tokens: 20,
        output_tokens: 40,
        cost_micro_usd: 7,
    };
    assert_eq!(view.totals, expected);
    let [failed, succeeded] = &view.nodes[0].attempts[..] else { panic!("two attempts") };
    assert_eq!((failed.status, succeeded.status), (AttemptStatus::Failed, AttemptStatus::Succeeded));
    assert_eq!(failed.effects[0].summary, "GET https://example.com/");
    assert_eq!(succeeded.bill.log_lines, 1);
    assert_eq!(succeeded.started_at, failed.ended_at.unwrap() + SignedDuration::from_secs(1));
}

#[test]
fn a_view_is_this_json() {
    let mut life =
        Life::of(json!({"nodes": {"a": {}, "b": {"needs": ["a"], "when": "false"}}}), json!({"n": 1}));
    life.now += SignedDuration::from_millis(40);
    life.succeed("a", json!({"m": 2}));
    let expected = json!({
        "id": "01920000-0000-7000-8000-000000000001",
        "workflow": "tried",
        "version": "1.0.0",
        "status": "succeeded",
        "trigger": {"kind": "api"},
        "traceparent": "00-00000000000000000000000000000001-0000000000000001-01",
        "priority": "normal",
        "input": {"n": 1},
        "output": {},
        "accepted_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:00.04Z",
        "nodes": [
            {
                "id": "a", "kind": "step",
                "step": "work",
                "step_version": "1.0.0",
                "status": "succeeded",
                "output": {"m": 2},
                "attempts": [{
                    "number": 1,
                    "status": "succeeded",
                    "started_at": "2026-01-01T00:00:00Z",
                    "ended_at": "2026-01-01T00:00:00.04Z",
                    "fuel": 0,
                    "duration_us": 0,
                    "log_lines": 0,
                }],
            },
            {
                "id": "b", "kind": "step",
                "step": "work",
                "step_version": "1.0.0",
                "status": "skipped",
                "skip_reason": "when",
                "attempts": [],
            },
        ],
        "totals": {
            "attempts": 1, "effects": 0, "fuel": 0,
            "model_calls": 0, "input_tokens": 0, "output_tokens": 0, "cost_micro_usd": 0,
        },
    });
    let view = life.state.view();
    assert_eq!(serde_json::to_value(&view).unwrap(), expected);
    assert_eq!(serde_json::from_value::<RunView>(expected).unwrap(), view);
}
