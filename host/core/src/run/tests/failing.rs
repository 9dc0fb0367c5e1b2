//! What a failure comes to: retries, fallbacks, the gate, `until`, `on_error`.

use super::*;

fn fault(kind: FailureKind) -> Failure {
    Failure::new(kind, "it failed")
}

/// What the attempt in flight would be judged.
fn judged(life: &Life, id: &str, output: Value) -> Result<(), FailureKind> {
    let (node, part, _) = life.attempt_of(id);
    life.state.judge(&node, part, &Arc::new(output)).map_err(|failure| failure.kind)
}

#[test]
fn fallbacks_are_tried_in_turn_each_with_its_own_retries() {
    let retry = json!({"attempts": 2, "delay": "1s", "jitter": false});
    let definition = json!({"nodes": {"a": {
        "retry": retry, "fallback": [{"config": {"second": true}}, {"step": "read@^1", "input": {"text": "x"}, "retry": {"attempts": 1}}],
    }}});
    let mut life = Life::of(definition, json!({}));
    let call = |life: &Life| life.state.in_flight().next().unwrap().call;
    assert_eq!(call(&life), 0);
    life.fail("a", fault(FailureKind::Retryable));
    life.let_pass(Duration::from_secs(1));
    assert_eq!(call(&life), 0, "its own retry first");
    life.fail("a", fault(FailureKind::Retryable));
    assert_eq!(call(&life), 1, "then the first fallback, at once");
    life.fail("a", fault(FailureKind::Permanent));
    assert_eq!(call(&life), 2, "what is not retried falls back at once");
    assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"text": "x"}));
    life.fail("a", fault(FailureKind::Timeout));
    assert_eq!(life.run_failure().0.kind, FailureKind::Timeout);
    let fallbacks: Vec<_> = life.node("a").attempts.iter().map(|attempt| attempt.fallback).collect();
    assert_eq!(fallbacks, [None, None, Some(0), Some(1)]);
}

#[test]
fn a_fallback_with_an_input_of_its_own_is_tried_where_the_nodes_own_cannot_be_made() {
    let node = json!({"input": {"v": "{{ input.nope }}"}, "fallback": [{"config": {"b": 1}}, {"input": {"v": "FB"}}]});
    let mut life = Life::of(json!({"nodes": {"a": node}}), json!({}));
    let attempt = life.state.in_flight().next().unwrap();
    assert_eq!((attempt.call, &**attempt.input), (2, &json!({"v": "FB"})));
    let why = |entry: &&Entry| matches!(&entry.event, Event::NodeFailed { falls_back: true, .. });
    assert_eq!(life.journal.iter().filter(why).count(), 2, "why the others were not is kept");
    assert_eq!(life.again().view(), life.state.view());
    life.succeed("a", json!("saved"));
    assert_eq!(life.run_output(), json!({"a": "saved"}));

    let node =
        json!({"input": {"v": "{{ input.nope }}"}, "fallback": [{"input": {"v": "{{ input.nor_this }}"}}]});
    let life = Life::of(json!({"nodes": {"a": node}}), json!({}));
    assert!(life.run_failure().0.message.contains("nor_this"), "the last one fails the node");

    let node = json!({"when": "input.nope", "fallback": [{"input": {"v": "FB"}}]});
    let life = Life::of(json!({"nodes": {"a": node}}), json!({}));
    assert_eq!(life.run_failure().1.as_deref(), Some("a"), "`when` is not the step's business");
}

#[test]
fn items_fall_back_from_an_input_that_cannot_be_made_each_for_itself() {
    let node = json!({
        "map": {"over": [{"v": 1}, {}, {}], "concurrency": 3}, "input": {"v": "{{ item.v }}"},
        "fallback": [{"input": {"v": "none of {{ index }}"}}],
    });
    let life = Life::of(json!({"nodes": {"a": node}}), json!({}));
    let inputs: Vec<Value> = life.state.in_flight().map(|attempt| attempt.input["v"].clone()).collect();
    assert_eq!(inputs, [json!(1), json!("none of 1"), json!("none of 2")]);
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn a_fallback_that_succeeds_is_a_success() {
    let mut life = Life::of(json!({"nodes": {"a": {"fallback": [{"config": {"b": 1}}]}}}), json!({}));
    life.fail("a", fault(FailureKind::Permanent));
    life.succeed("a", json!("saved"));
    assert_eq!(life.run_output(), json!({"a": "saved"}));
}

#[test]
fn an_output_that_does_not_pass_the_gate_is_a_failure_with_its_reason() {
    let gate = json!({"that": "output.score > 0.8", "reason": "only {{ output.score }}"});
    let life = Life::of(json!({"nodes": {"a": {"gate": gate}}}), json!({}));
    assert_eq!(judged(&life, "a", json!({"score": 0.9})), Ok(()));
    let (node, part, _) = life.attempt_of("a");
    let failure = life.state.judge(&node, part, &Arc::new(json!({"score": 0.5}))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Gate);
    assert!(
        failure.message.contains("output.score > 0.8") && failure.message.contains("only 0.5"),
        "{failure}"
    );
    assert_eq!(failure.detail.unwrap()["output"], json!({"score": 0.5}), "what was refused is not lost");
    assert_eq!(judged(&life, "a", json!({})), Err(FailureKind::Expression));
}

#[test]
fn a_gate_is_retried_and_then_fallen_back_from() {
    let definition = json!({"nodes": {"a": {
        "gate": "output == 'good'", "retry": {"attempts": 2, "delay": "1s", "on": ["gate"]}, "fallback": [{"config": {"b": 1}}],
    }}});
    let mut life = Life::of(definition, json!({}));
    life.fail("a", fault(FailureKind::Gate));
    assert_eq!(life.status("a"), NodeStatus::WaitingToRetry);
    life.let_pass(Duration::from_secs(1));
    life.fail("a", fault(FailureKind::Gate));
    assert_eq!(life.state.in_flight().next().unwrap().call, 1);
}

#[test]
fn until_repeats_a_step_with_backoff_and_uses_up_no_retries() {
    let until = json!({"that": "output.state == 'done'", "attempts": 3, "delay": "2s", "factor": 2});
    let definition =
        json!({"nodes": {"a": {"until": until, "retry": {"attempts": 2, "delay": "1s", "jitter": false}}}});
    let mut life = Life::of(definition, json!({}));
    assert_eq!(judged(&life, "a", json!({"state": "done"})), Ok(()));
    assert_eq!(judged(&life, "a", json!({"state": "busy"})), Err(FailureKind::Until));
    life.fail("a", fault(FailureKind::Until));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(2)));
    life.let_pass(Duration::from_secs(2));
    life.fail("a", fault(FailureKind::Retryable));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(1)), "a failure is the retries' business");
    life.let_pass(Duration::from_secs(1));
    life.fail("a", fault(FailureKind::Until));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(4)));
    life.let_pass(Duration::from_secs(4));
    life.fail("a", fault(FailureKind::Until));
    let failure = life.run_failure().0;
    assert_eq!(failure.kind, FailureKind::Until, "three times at most");
    assert!(failure.message.contains("within 3 attempts"), "{failure}");
}

fn polled_with_a_fallback() -> Value {
    let until = json!({"that": "output.done", "attempts": 2, "delay": "2s", "factor": 1});
    json!({"nodes": {"a": {"until": until, "fallback": [{"config": {"b": 1}}], "on_error": {"continue": "late"}}, "z": {"needs": ["a"]}}})
}

#[test]
fn an_until_that_is_used_up_is_fallen_back_from_and_the_fallback_has_as_many_attempts() {
    let mut life = Life::of(polled_with_a_fallback(), json!({}));
    let call = |life: &Life| life.state.in_flight().next().unwrap().call;
    for fallback in [0, 1] {
        assert_eq!(call(&life), fallback);
        life.fail("a", fault(FailureKind::Until));
        assert_eq!(life.wakes_after(), Some(Duration::from_secs(2)));
        life.let_pass(Duration::from_secs(2));
        assert_eq!(call(&life), fallback);
        life.fail("a", fault(FailureKind::Until));
    }
    assert_eq!((life.status("a"), life.in_flight()), (NodeStatus::Failed, vec!["z".to_owned()]));
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn a_run_of_before_an_until_fell_back_goes_on_as_it_went() {
    let mut first = accepted(json!({}));
    if let Event::RunAccepted { rules, .. } = &mut first {
        *rules = 0;
    }
    let mut life = Life::accepted_by(plan(polled_with_a_fallback()), first);
    life.go_on();
    for pause in [2, 0] {
        life.fail("a", fault(FailureKind::Until));
        life.let_pass(Duration::from_secs(pause));
    }
    assert_eq!((life.status("a"), life.in_flight()), (NodeStatus::Failed, vec!["z".to_owned()]));
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn an_open_circuit_is_waited_for_or_fallen_back_from_as_the_node_says() {
    let open = || Failure { retry_after_ms: Some(7_000), ..fault(FailureKind::CircuitOpen) };
    let mut life = Life::of(
        json!({"nodes": {"a": {"when_open": "wait", "fallback": [{"config": {"b": 1}}]}}}),
        json!({}),
    );
    for _ in 0..3 {
        life.fail("a", open());
        assert_eq!(life.wakes_after(), Some(Duration::from_secs(7)));
        life.let_pass(Duration::from_secs(7));
    }
    assert_eq!(life.state.in_flight().next().unwrap().call, 0, "it did not count");
    let definition = json!({"nodes": {"a": {"when_open": "fallback", "fallback": [{"config": {"b": 1}}]}}});
    let mut life = Life::of(definition, json!({}));
    life.fail("a", open());
    assert_eq!(life.state.in_flight().next().unwrap().call, 1);
    life.fail("a", open());
    assert_eq!(
        life.run_failure().0.kind,
        FailureKind::CircuitOpen,
        "the last fallback fails as any other call"
    );
    let retried = json!({"attempts": 2, "delay": "1s", "jitter": false, "on": ["circuit-open"]});
    let definition = json!({"nodes": {"a": {"when_open": "fallback", "fallback": [{"config": {"b": 1}, "retry": retried}]}}});
    let mut life = Life::of(definition, json!({}));
    life.fail("a", open());
    life.fail("a", open());
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(7)), "or is tried again");
    let mut life = Life::of(json!({"nodes": {"a": {}}}), json!({}));
    life.fail("a", open());
    assert_eq!(life.run_failure().0.kind, FailureKind::CircuitOpen, "a node that says nothing fails");
}

#[test]
fn a_run_goes_on_in_spite_of_a_node_that_may_fail() {
    let definition = json!({"nodes": {
        "a": {"on_error": {"continue": {"label": "{{ input.default }}"}}}, "b": {"needs": ["a"], "input": {"of": "{{ nodes.a.output.label }}"}},
    }});
    let mut life = Life::of(definition, json!({"default": "General"}));
    life.fail("a", fault(FailureKind::Permanent));
    assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"of": "General"}));
    let a = life.node("a");
    assert_eq!((a.status, a.handled), (NodeStatus::Failed, true));
    assert!(a.failure.is_some() && a.output.is_some());
    life.succeed("b", json!(1));
    assert_eq!(life.run_output(), json!({"b": 1}));
}

#[test]
fn a_failure_goes_to_the_node_that_handles_it_and_nowhere_else() {
    let definition = json!({"nodes": {
        "a": {"on_error": {"go_to": "apologise"}}, "next": {"needs": ["a"]},
        "apologise": {"input": {"why": "{{ nodes.a.error.message }}"}}, "last": {"needs": ["next", "apologise"]},
    }});
    let mut life = Life::of(definition.clone(), json!({}));
    life.fail("a", fault(FailureKind::Permanent));
    assert_eq!(life.in_flight(), ["apologise"]);
    assert_eq!(life.status("next"), NodeStatus::Skipped);
    life.succeed("apologise", json!("sorry"));
    life.succeed("last", json!("done"));
    assert_eq!(life.run_output(), json!({"last": "done"}));

    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    assert_eq!(life.in_flight(), ["next"]);
    assert_eq!(life.status("apologise"), NodeStatus::Skipped, "nothing failed");
}

#[test]
fn a_run_that_failed_can_tell_what_succeeded() {
    let definition = json!({"on_failure": "partial", "nodes": {"a": {}, "b": {"needs": ["a"]}}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!("kept"));
    life.fail("b", fault(FailureKind::Permanent));
    assert_eq!(life.state.view().partial.as_deref(), Some(&json!({"a": "kept"})));
}

#[test]
fn a_workflow_can_retry_what_failed_by_itself() {
    let definition = json!({"on_failure": {"retry": {"times": 1, "delay": "1m"}}, "nodes": {"a": {}, "b": {"needs": ["a"]}}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    life.fail("b", fault(FailureKind::Permanent));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(60)));
    let retry_at = Some(life.now + Duration::from_secs(60));
    assert_eq!((life.state.status(), life.state.view().retry_at), (RunStatus::Waiting, retry_at));
    life.let_pass(Duration::from_secs(60));
    assert_eq!((life.state.status(), life.state.view().retry_at), (RunStatus::Running, None));
    assert_eq!(life.in_flight(), ["b"], "what succeeded is kept");
    life.fail("b", fault(FailureKind::Permanent));
    assert_eq!(life.run_failure().1.as_deref(), Some("b"), "once at most");
    assert_eq!(life.node("b").attempts.len(), 2);
}

#[test]
fn a_workflow_can_begin_anew_by_itself_once_what_it_did_is_undone() {
    let definition = json!({"on_failure": {"restart": {"times": 1, "delay": "1s"}}, "nodes": {
        "a": {"compensate": {"step": "work@^1"}}, "b": {"needs": ["a"]},
    }});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    life.fail("b", fault(FailureKind::Permanent));
    assert_eq!(life.state.status(), RunStatus::Running, "it is undone first");
    life.succeed("a~compensation", json!("undone"));
    assert_eq!(life.state.status(), RunStatus::Waiting);
    assert_eq!(life.state.view().retry_at, life.wakes_at());
    life.let_pass(Duration::from_secs(1));
    assert_eq!(life.in_flight(), ["a"]);
    life.succeed("a", json!(2));
    life.succeed("b", json!(3));
    assert_eq!(life.run_output(), json!({"b": 3}));
}

#[test]
fn a_run_whose_time_is_over_with_work_in_flight_is_not_tried_again() {
    for again in ["retry", "restart"] {
        let definition = json!({
            "budget": {"time": "10s"}, "on_failure": {again: {"times": 2, "delay": "1s"}}, "nodes": {"a": {}, "b": {}},
        });
        let mut life = Life::of(definition, json!({}));
        life.let_pass(Duration::from_secs(5));
        life.fail("b", Failure::new(FailureKind::Permanent, "no"));
        assert_eq!(life.in_flight(), ["a"], "what is in flight may end");
        life.let_pass(Duration::from_secs(5));
        assert_eq!(life.run_failure().1.as_deref(), Some("b"));
    }
}
