//! When a node starts, when it is skipped, and when it fails before it starts.

use super::*;

#[test]
fn nodes_without_needs_start_at_once_and_together() {
    let life = Life::of(json!({"nodes": {"a": {}, "b": {}, "c": {"needs": ["a", "b"]}}}), json!({}));
    assert_eq!(life.in_flight(), ["a", "b"]);
    assert_eq!(life.status("c"), NodeStatus::Pending);
}

#[test]
fn a_node_waits_for_all_that_it_needs() {
    let mut life = Life::of(json!({"nodes": {"a": {}, "b": {}, "c": {"needs": ["a", "b"]}}}), json!({}));
    life.succeed("a", json!(1));
    assert_eq!(life.in_flight(), ["b"]);
    life.succeed("b", json!(2));
    assert_eq!(life.in_flight(), ["c"]);
}

#[test]
fn joining_any_waits_for_the_first_success() {
    let definition = json!({"nodes": {"a": {}, "b": {}, "c": {
        "needs": ["a", "b"], "join": "any",
        "input": {"a": "{{ nodes.a.status }}", "b": "{{ nodes.b.status }}"},
    }}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("b", json!(2));
    assert_eq!(life.in_flight(), ["a", "c"]);
    let input = life.state.in_flight().last().unwrap().input.clone();
    assert_eq!(
        *input,
        json!({"a": "running", "b": "succeeded"}),
        "expressions see where an unfinished need stands"
    );
    life.succeed("a", json!(1));
    assert_eq!(life.in_flight(), ["c"], "the second success does not start it again");
}

#[test]
fn joining_any_is_skipped_when_no_need_succeeded() {
    let definition = json!({"nodes": {
        "a": {"when": "false"}, "b": {"when": "false"}, "c": {"needs": ["a", "b"], "join": "any"},
    }});
    let life = Life::of(definition, json!({}));
    assert_eq!(life.node("c").skip_reason, Some(SkipReason::Needs));
    assert_eq!(life.run_output(), json!({}));
}

#[test]
fn when_that_is_false_skips_the_node_and_what_needs_it_alone() {
    let definition = json!({"nodes": {
        "a": {"when": "input.go"}, "b": {"needs": ["a"]}, "c": {}, "d": {"needs": ["b", "c"]},
    }});
    let mut life = Life::of(definition, json!({"go": false}));
    assert_eq!(life.node("a").skip_reason, Some(SkipReason::When));
    assert_eq!(life.node("b").skip_reason, Some(SkipReason::Needs));
    life.succeed("c", json!(3));
    assert_eq!(life.in_flight(), ["d"], "one need that succeeded is enough if the others were skipped");
}

#[test]
fn when_sees_the_outputs_of_needs() {
    let definition =
        json!({"nodes": {"a": {}, "b": {"needs": ["a"], "when": "nodes.a.output.label == 'x'"}}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!({"label": "x"}));
    assert_eq!(life.in_flight(), ["b"]);
}

#[test]
fn when_must_be_true_or_false() {
    let life = Life::of(json!({"nodes": {"a": {"when": "input.count"}}}), json!({"count": 3}));
    let (failure, node) = life.run_failure();
    assert_eq!((failure.kind, node.as_deref()), (FailureKind::Expression, Some("a")));
    assert!(failure.message.contains("/nodes/a/when"), "{failure}");
    assert!(failure.message.contains('3'), "says what it got: {failure}");
    assert_eq!(life.node("a").attempts, [], "nothing was started");
}

#[test]
fn the_output_of_a_skipped_need_is_undefined_and_its_status_is_not() {
    let nodes = |input: &str| {
        json!({"nodes": {
            "a": {"when": "false"}, "b": {}, "c": {"needs": ["a", "b"], "input": {"seen": input}},
        }})
    };
    let mut life = Life::of(nodes("{{ nodes.a.status }}"), json!({}));
    life.succeed("b", json!({}));
    assert_eq!(**life.state.in_flight().last().unwrap().input, json!({"seen": "skipped"}));

    let mut life = Life::of(nodes("{{ nodes.a.output.text }}"), json!({}));
    life.succeed("b", json!({}));
    let (failure, node) = life.run_failure();
    assert_eq!((failure.kind, node.as_deref()), (FailureKind::Expression, Some("c")));
    assert!(failure.message.contains("/nodes/c/input/seen"), "{failure}");
}

#[test]
fn input_that_does_not_match_the_schema_fails_the_node_before_it_starts() {
    let definition = json!({"nodes": {"a": {"step": "read@^1", "input": {"text": "{{ input.text }}"}}}});
    let life = Life::of(definition.clone(), json!({"text": 7}));
    let (failure, node) = life.run_failure();
    assert_eq!((failure.kind, node.as_deref()), (FailureKind::InvalidInput, Some("a")));
    assert!(
        failure.message.contains("/nodes/a/input") && failure.message.contains("read@1.0.0"),
        "{failure}"
    );
    assert_eq!(failure.detail.unwrap()["violations"][0]["pointer"], "/text");

    let life = Life::of(definition, json!({"text": "good"}));
    assert_eq!(life.in_flight(), ["a"]);
}

#[test]
fn a_node_that_cannot_start_keeps_others_from_starting_beside_it() {
    let definition = json!({"nodes": {"a": {}, "b": {"input": "{{ input.missing }}"}}});
    let life = Life::of(definition, json!({}));
    assert_eq!(life.status("a"), NodeStatus::Cancelled);
    assert_eq!(life.node("a").attempts, []);
}

#[test]
fn an_attempt_may_take_the_timeout_of_its_node() {
    let life = Life::of(json!({"nodes": {"a": {"timeout": "7s"}}}), json!({}));
    let attempt = life.state.in_flight().next().unwrap();
    assert_eq!(attempt.deadline.duration_since(attempt.started_at), SignedDuration::from_secs(7));
}

#[test]
fn a_step_through_a_large_workflow_decides_one_node_only() {
    let mut nodes = serde_json::Map::from_iter([("n0".to_owned(), json!({}))]);
    nodes.extend((1..900).map(|i| (format!("n{i}"), json!({"needs": [format!("n{}", i - 1)]}))));
    let mut life = Life::of(json!({ "nodes": nodes }), json!({}));
    for i in 0..900 {
        assert_eq!(life.in_flight(), [format!("n{i}")]);
        life.succeed(&format!("n{i}"), json!(i));
    }
    assert_eq!(life.run_output(), json!({"n899": 899}));
}
