//! How a run ends: by its work, by a failure, by its budget, by somebody's wish.

use super::*;

fn permanent() -> Failure {
    Failure::new(FailureKind::Permanent, "no such account")
}

#[test]
fn a_run_without_an_output_gives_the_outputs_of_its_last_nodes() {
    let definition = json!({"nodes": {
        "a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}, "d": {"needs": ["a"], "when": "false"},
    }});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    life.succeed("b", json!(2));
    life.succeed("c", json!(3));
    assert_eq!(life.run_output(), json!({"b": 2, "c": 3}));
}

#[test]
fn a_run_gives_the_output_that_its_workflow_names() {
    let definition = json!({"nodes": {"a": {}}, "output": {"label": "{{ nodes.a.output.label }}"}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!({"label": ["kept", 1, 2.5]}));
    assert_eq!(life.run_output(), json!({"label": ["kept", 1, 2.5]}));
}

#[test]
fn an_output_that_cannot_be_made_fails_the_run() {
    let definition = json!({"nodes": {"a": {}}, "output": {"label": "{{ nodes.a.output.label }}"}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!({}));
    let (failure, node) = life.run_failure();
    assert_eq!((failure.kind, node), (FailureKind::Expression, None));
    assert!(failure.message.contains("/output/label"), "{failure}");
    assert_eq!(life.status("a"), NodeStatus::Succeeded);
}

#[test]
fn a_failed_node_fails_the_run_once_what_is_in_flight_has_ended() {
    let definition = json!({"nodes": {"a": {}, "b": {}, "c": {"needs": ["b"]}}});
    let mut life = Life::of(definition, json!({}));
    life.fail("a", permanent());
    assert_eq!(life.state.outcome(), None, "b is in flight");
    life.succeed("b", json!(2));
    assert_eq!(life.run_failure(), (permanent(), Some("a".to_owned())));
    assert_eq!(life.status("b"), NodeStatus::Succeeded, "its result is kept");
    assert_eq!(life.status("c"), NodeStatus::Cancelled, "nothing new starts");
}

#[test]
fn a_run_that_fails_does_not_retry_any_more() {
    let definition = json!({"nodes": {"a": {}, "b": {"retry": {"attempts": 3, "delay": "1s"}}}});
    let mut life = Life::of(definition, json!({}));
    life.fail("a", permanent());
    life.fail("b", Failure::new(FailureKind::Retryable, "busy"));
    assert_eq!(life.run_failure().1.as_deref(), Some("a"));
    assert_eq!(life.status("b"), NodeStatus::Cancelled);
}

#[test]
fn of_several_failed_nodes_the_first_is_named() {
    let mut life = Life::of(json!({"nodes": {"a": {}, "b": {}}}), json!({}));
    life.fail("b", permanent());
    life.fail("a", Failure::new(FailureKind::Trap, "unreachable"));
    assert_eq!(life.run_failure(), (permanent(), Some("b".to_owned())));
    assert_eq!(life.status("a"), NodeStatus::Failed);
}

#[test]
fn the_budget_of_time_ends_the_run_and_abandons_what_is_in_flight() {
    let definition = json!({"budget": {"time": "2m"}, "nodes": {"a": {}, "b": {"needs": ["a"]}}});
    let mut life = Life::of(definition, json!({}));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(120)));
    life.let_pass(Duration::from_secs(119));
    assert_eq!(life.state.outcome(), None);
    life.let_pass(Duration::from_secs(1));
    let (failure, node) = life.run_failure();
    assert_eq!((failure.kind, node), (FailureKind::BudgetExceeded, None));
    assert!(failure.message.contains("budget.time") && failure.message.contains("120s"), "{failure}");
    assert_eq!(life.node("a").attempts[0].status, AttemptStatus::Abandoned);
    assert_eq!((life.status("a"), life.status("b")), (NodeStatus::Cancelled, NodeStatus::Cancelled));
    assert_eq!(life.in_flight(), Vec::<String>::new());
}

#[test]
fn what_an_abandoned_attempt_had_used_is_the_run_s() {
    let definition = json!({"budget": {"time": "2m"}, "nodes": {"a": {}}});
    let mut life = Life::of(definition, json!({}));
    let (node, part, attempt) = life.attempt_of("a");
    let call = ModelCall {
        provider: "p".to_owned(),
        model: "m".to_owned(),
        input_tokens: 7,
        output_tokens: 1,
        cost_micro_usd: Some(5),
    };
    life.now += SignedDuration::from_hours(1);
    let account = Account { usage: vec![call], ..Account::default() };
    life.record(Event::AttemptAbandoned { node, part, attempt, account });
    life.go_on();
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
    let attempt = life.node("a").attempts.remove(0);
    assert_eq!((attempt.status, attempt.bill.usage.len()), (AttemptStatus::Abandoned, 1));
    let view = life.again().view();
    assert_eq!((view.totals.cost_micro_usd, view.totals.model_calls), (5, 1));
    assert_eq!(view.ai.0.len(), 1);
}

#[test]
fn work_that_is_done_counts_even_if_the_budget_ran_out_before_anybody_looked() {
    let mut life = Life::of(json!({"budget": {"time": "1s"}, "nodes": {"a": {}}}), json!({}));
    life.now += SignedDuration::from_hours(1);
    life.succeed("a", json!(1));
    assert_eq!(life.run_output(), json!({"a": 1}));
}

#[test]
fn a_run_that_fails_waits_for_its_attempts_no_longer_than_its_budget() {
    let mut life = Life::of(json!({"budget": {"time": "1m"}, "nodes": {"a": {}, "b": {}}}), json!({}));
    life.fail("a", permanent());
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(60)));
    life.let_pass(Duration::from_secs(60));
    assert_eq!(life.run_failure(), (permanent(), Some("a".to_owned())), "the cause is named, not the budget");
}

#[test]
fn the_next_thing_to_wake_for_is_the_sooner_one() {
    let definition = json!({
        "budget": {"time": "1m"},
        "nodes": {"a": {"retry": {"attempts": 9, "delay": "50s", "factor": 1, "jitter": false}}},
    });
    let mut life = Life::of(definition, json!({}));
    let busy = || Failure::new(FailureKind::Retryable, "busy");
    life.fail("a", busy());
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(50)));
    life.let_pass(Duration::from_secs(50));
    life.fail("a", busy());
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(10)));
    life.let_pass(Duration::from_secs(10));
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
}

#[test]
fn a_cancelled_run_ends_at_once() {
    let mut life = Life::of(json!({"nodes": {"a": {}, "b": {"needs": ["a"]}}}), json!({}));
    life.cancel("wrong ticket");
    assert_eq!(
        life.state.outcome(),
        Some(&RunOutcome::Cancelled { reason: Some("wrong ticket".to_owned()) })
    );
    assert_eq!((life.status("a"), life.status("b")), (NodeStatus::Cancelled, NodeStatus::Cancelled));
    assert_eq!(life.state.view().cancel_reason.as_deref(), Some("wrong ticket"));
}

#[test]
fn a_run_whose_nodes_are_all_skipped_succeeds() {
    let life = Life::of(json!({"nodes": {"a": {"when": "false"}}}), json!({}));
    assert_eq!(life.run_output(), json!({}));
}

#[test]
fn a_run_that_ended_decides_nothing() {
    let mut life = Life::of(json!({"budget": {"time": "1m"}, "nodes": {"a": {}}}), json!({}));
    life.succeed("a", json!(1));
    assert_eq!(life.state.decide(life.now), []);
    assert_eq!(life.state.decide(Timestamp::MAX), []);
}
