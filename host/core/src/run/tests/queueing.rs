//! Runs of a workflow that bounds how many are under way: nothing of a run starts before it has its place.

use super::*;

fn bounded(more: &Value) -> Value {
    let mut definition = json!({"nodes": {"a": {}}, "concurrency": {"limit": 1}});
    definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    definition
}

#[test]
fn a_queued_run_does_nothing_until_it_is_admitted() {
    let mut life = Life::of(bounded(&json!({})), json!({}));
    assert!(life.state.is_queued());
    assert_eq!((life.state.status(), life.wakes_at()), (RunStatus::Queued, None));
    assert_eq!(life.state.view().status, RunStatus::Queued);
    life.record(Event::RunAdmitted);
    life.go_on();
    assert_eq!((life.state.status(), life.in_flight()), (RunStatus::Running, vec!["a".to_owned()]));
    life.succeed("a", json!(1));
    assert_eq!(life.run_output(), json!({"a": 1}));
}

#[test]
fn a_queued_run_can_be_cancelled() {
    let mut life = Life::of(bounded(&json!({})), json!({}));
    life.cancel("not needed");
    assert_eq!(life.state.status(), RunStatus::Cancelled);
    assert_eq!(life.status("a"), NodeStatus::Cancelled);
}

#[test]
fn the_time_in_the_queue_counts_toward_the_budget() {
    let mut life = Life::of(bounded(&json!({"budget": {"time": "1m"}})), json!({}));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(60)));
    life.let_pass(Duration::from_secs(60));
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
}

#[test]
fn a_journal_in_which_a_queued_run_starts_something_or_is_admitted_twice_does_not_fit() {
    let mut life = Life::of(bounded(&json!({})), json!({}));
    let skipped = Event::NodeSkipped { node: node("a"), reason: SkipReason::When };
    let refused = life.state.record(life.now, skipped).unwrap_err();
    assert_eq!(refused.misfit, Misfit::Queued);
    life.record(Event::RunAdmitted);
    assert_eq!(life.state.record(life.now, Event::RunAdmitted).unwrap_err().misfit, Misfit::AdmittedTwice);
    let mut unbounded = Life::of(json!({"nodes": {"a": {}}}), json!({}));
    let refused = unbounded.state.record(unbounded.now, Event::RunAdmitted).unwrap_err();
    assert_eq!(refused.misfit, Misfit::AdmittedTwice);
}

#[test]
fn runs_count_together_by_the_value_of_their_key() {
    let key = |input: Value| {
        let definition = bounded(&json!({"concurrency": {"limit": 1, "key": "{{ input.customer }}"}}));
        Life::of(definition, input).state.concurrency_key().unwrap()
    };
    assert_eq!(key(json!({"customer": {"b": 1, "a": 2}})), key(json!({"customer": {"a": 2, "b": 1}})));
    assert_ne!(key(json!({"customer": "1"})), key(json!({"customer": 1})));
    let failure = key(json!({})).unwrap_err();
    assert!(
        failure.kind == FailureKind::Expression && failure.message.contains("/concurrency/key"),
        "{failure}"
    );

    let without_key = Life::of(bounded(&json!({})), json!({"customer": 1}));
    assert_eq!(without_key.state.concurrency_key(), Some(Ok(String::new())));
    assert_eq!(Life::of(json!({"nodes": {"a": {}}}), json!({})).state.concurrency_key(), None);
}
