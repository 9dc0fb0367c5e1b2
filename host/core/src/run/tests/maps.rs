//! Maps: a step for each item of a list.

use super::*;

fn over(items: &Value, map: Value) -> Life {
    let mut spec = map;
    spec["over"] = json!("{{ input.items }}");
    let node = json!({"map": spec, "input": {"item": "{{ item }}", "at": "{{ index }}"}, "retry": {"attempts": 2, "delay": "1s", "jitter": false}});
    Life::of(json!({"nodes": {"a": node}}), json!({ "items": items }))
}

#[test]
fn a_map_runs_so_many_items_at_a_time_and_keeps_their_order() {
    let mut life = over(&json!(["x", "y", "z"]), json!({"concurrency": 2}));
    assert_eq!(life.in_flight(), ["a[0]", "a[1]"]);
    assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"item": "x", "at": 0}));
    life.succeed("a[1]", json!("Y"));
    assert_eq!(life.in_flight(), ["a[0]", "a[2]"]);
    life.succeed("a[2]", json!("Z"));
    life.succeed("a[0]", json!("X"));
    assert_eq!(life.run_output(), json!({"a": ["X", "Y", "Z"]}));
    let items = life.node("a").items.unwrap();
    assert_eq!((items.total, items.succeeded, items.failed, items.active), (3, 3, 0, 0));
}

#[test]
fn a_map_over_nothing_is_done_at_once() {
    assert_eq!(over(&json!([]), json!({})).run_output(), json!({"a": []}));
}

#[test]
fn a_map_over_what_is_no_list_says_so() {
    let (failure, node) = over(&json!({"x": 1}), json!({})).run_failure();
    assert_eq!((failure.kind, node.as_deref()), (FailureKind::Expression, Some("a")));
    assert!(
        failure.message.contains("/nodes/a/map/over") && failure.message.contains("an object"),
        "{failure}"
    );
}

#[test]
fn an_item_is_retried_and_its_failure_fails_the_map_once_the_others_have_ended() {
    let mut life = over(&json!([1, 2, 3]), json!({"concurrency": 2}));
    life.fail("a[0]", Failure::new(FailureKind::Retryable, "busy"));
    life.let_pass(Duration::from_secs(1));
    assert_eq!(life.in_flight(), ["a[0]", "a[1]"]);
    life.fail("a[0]", Failure::new(FailureKind::Permanent, "never"));
    assert_eq!(life.in_flight(), ["a[1]"], "no further item begins");
    life.succeed("a[1]", json!(2));
    let (failure, _) = life.run_failure();
    assert!(failure.message.contains("item 0 of 3"), "{failure}");
}

#[test]
fn a_map_can_go_on_without_the_items_that_fail() {
    let mut life = over(&json!([1, 2, 3]), json!({"concurrency": 3, "on_item_error": "continue"}));
    life.fail("a[1]", Failure::new(FailureKind::Permanent, "never"));
    life.succeed("a[0]", json!("one"));
    life.succeed("a[2]", json!("three"));
    assert_eq!(life.run_output(), json!({"a": ["one", null, "three"]}));
    let items = life.node("a").items.unwrap();
    assert_eq!((items.failed, items.failures[0].index), (1, 1));
}

#[test]
fn an_item_whose_input_cannot_be_made_is_that_items_failure() {
    let node = json!({"map": {"over": "{{ input.items }}", "on_item_error": "continue"}, "step": "read@^1", "input": {"text": "{{ item.text }}"}});
    let mut life =
        Life::of(json!({"nodes": {"a": node}}), json!({"items": [{"text": "x"}, {}, {"text": "z"}]}));
    assert_eq!(life.in_flight(), ["a[0]", "a[2]"]);
    life.succeed("a[0]", json!(1));
    life.succeed("a[2]", json!(3));
    assert_eq!(life.run_output(), json!({"a": [1, null, 3]}));
}

/// A map over items of which some have no `text`, which its step wants.
fn reads(items: &Value, map: Value, node: Value) -> Life {
    let mut node = node;
    node["map"] = map;
    node["map"]["over"] = json!("{{ input.items }}");
    (node["step"], node["input"]) = (json!("read@^1"), json!({"text": "{{ item.text }}"}));
    Life::of(json!({"nodes": {"a": node, "z": {"needs": ["a"]}}}), json!({ "items": items }))
}

#[test]
fn a_map_of_which_several_items_cannot_begin_fails_with_the_first_of_them() {
    let unfit = json!([{"text": 1}, {"text": 2}, {"text": 3}]);
    for (items, kind) in [(json!([{}, {}, {}]), FailureKind::Expression), (unfit, FailureKind::InvalidInput)]
    {
        let life = reads(&items, json!({}), json!({}));
        let (failure, node) = life.run_failure();
        assert_eq!((failure.kind, node.as_deref()), (kind, Some("a")));
        assert!(failure.message.starts_with("item 0 of 3: "), "{failure}");
        assert_eq!(life.node("a").items.unwrap().failed, 1, "no further item begins");
        assert_eq!(life.again().view(), life.state.view());
    }
}

#[test]
fn a_map_of_which_several_items_cannot_begin_may_be_gone_on_without() {
    let life = reads(&json!([{}, {}]), json!({}), json!({"on_error": {"continue": "none"}}));
    assert_eq!(life.in_flight(), ["z"]);
    let life = reads(&json!([{}, {}]), json!({"on_item_error": "continue"}), json!({}));
    assert_eq!(life.node("a").output.as_deref(), Some(&json!([null, null])));
}

#[test]
fn items_in_flight_end_before_their_map_fails_with_those_that_cannot_begin() {
    let mut life = reads(&json!([{"text": "x"}, {}, {}]), json!({}), json!({}));
    assert_eq!(life.in_flight(), ["a[0]"]);
    life.succeed("a[0]", json!(1));
    assert!(life.run_failure().0.message.starts_with("item 1 of 3: "));
}

#[test]
fn a_map_that_fails_leaves_the_nodes_beside_it_nothing_to_start() {
    let bad = json!({"map": {"over": [1, 2]}, "input": {"v": "{{ item.v }}"}});
    let nodes = json!({"a": bad, "b": bad, "c": {"map": {"over": [1, 2]}}});
    let life = Life::of(json!({ "nodes": nodes }), json!({}));
    assert_eq!(life.run_failure().1.as_deref(), Some("a"));
}
