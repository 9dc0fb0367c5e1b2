//! Compensation: what succeeded is undone when the run fails later.

use super::*;

fn permanent() -> Failure {
    Failure::new(FailureKind::Permanent, "no")
}

/// Three nodes in a row; the first two can be undone.
fn three() -> Value {
    let undo = json!({"step": "work@^1", "input": {"was": "{{ original.input }}", "gave": "{{ original.output }}"},
        "retry": {"attempts": 2, "delay": "1s", "jitter": false}});
    json!({"nodes": {
        "a": {"input": {"n": 1}, "compensate": undo}, "b": {"needs": ["a"], "input": {"n": 2}, "compensate": undo}, "c": {"needs": ["b"]},
    }})
}

fn failed_at_the_end() -> Life {
    let mut life = Life::of(three(), json!({}));
    life.succeed("a", json!("A"));
    life.succeed("b", json!("B"));
    life.fail("c", permanent());
    life
}

#[test]
fn what_succeeded_is_undone_in_reverse_order_with_its_input_and_output() {
    let mut life = failed_at_the_end();
    assert_eq!(life.in_flight(), ["b~compensation"]);
    assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"was": {"n": 2}, "gave": "B"}));
    life.succeed("b~compensation", json!(null));
    assert_eq!(life.in_flight(), ["a~compensation"]);
    assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"was": {"n": 1}, "gave": "A"}));
    assert_eq!(life.state.outcome(), None, "the end is told when all is undone");
    life.succeed("a~compensation", json!(null));
    assert_eq!(life.run_failure().1.as_deref(), Some("c"));
    assert_eq!(life.node("a").compensation.unwrap().status, NodeStatus::Succeeded);
    assert_eq!(life.node("a").status, NodeStatus::Succeeded, "that it succeeded stays true");
}

#[test]
fn a_compensation_that_fails_is_a_dead_letter_and_the_rest_goes_on() {
    let mut life = failed_at_the_end();
    life.fail("b~compensation", Failure::new(FailureKind::Retryable, "busy"));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(1)), "it has its own retries");
    life.let_pass(Duration::from_secs(1));
    life.fail("b~compensation", permanent());
    assert_eq!(life.in_flight(), ["a~compensation"]);
    life.succeed("a~compensation", json!(null));
    assert_eq!(life.run_failure().1.as_deref(), Some("c"));
    let letters: Vec<String> =
        life.state.dead_letters().iter().map(|(node, part)| format!("{node}{part}")).collect();
    assert_eq!(letters, ["b~compensation", "c"]);
}

#[test]
fn a_dead_compensation_can_be_tried_again_alone() {
    let mut life = failed_at_the_end();
    life.fail("b~compensation", permanent());
    life.succeed("a~compensation", json!(null));
    let ended = life.state.outcome().cloned();
    let from = ReopenFrom::Compensation(node("b"));
    life.happens(Event::RunReopened {
        from,
        edits: BTreeMap::new(),
        standing: BTreeSet::new(),
        by: Some("ann".to_owned()),
    });
    assert_eq!(life.in_flight(), ["b~compensation"]);
    life.succeed("b~compensation", json!(null));
    assert_eq!(life.state.outcome().cloned(), ended, "the run ends as it had");
    assert!(!life.state.dead_letters().contains(&(node("b"), Part::Compensation)));
}

#[test]
fn a_dead_compensation_can_be_mended_with_another_input_or_config() {
    let mut life = failed_at_the_end();
    life.fail("b~compensation", permanent());
    life.succeed("a~compensation", json!(null));
    let edit =
        Edit { input: Some(json!({"mended": true}).into()), config: Some(json!({"slow": true}).into()) };
    for edits in [BTreeMap::from([(node("b"), edit.clone())]), BTreeMap::new()] {
        let from = ReopenFrom::Compensation(node("b"));
        life.happens(Event::RunReopened { from, edits, standing: BTreeSet::new(), by: None });
        assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"mended": true}));
        assert_eq!(life.state.edit(&node("b"), Part::Compensation), Some(&edit));
        assert_eq!(life.state.edit(&node("b"), Part::Whole), Some(&Edit::default()), "b itself is as it was");
        life.fail("b~compensation", permanent());
    }
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn a_cancelled_run_is_undone_if_that_is_asked_for() {
    let cancel = |compensate| Event::CancelRequested { reason: None, grace_ms: 0, compensate, by: None };
    let mut life = Life::of(three(), json!({}));
    life.succeed("a", json!("A"));
    life.happens(cancel(true));
    assert_eq!(life.in_flight(), ["a~compensation"], "what was in flight is dropped");
    life.succeed("a~compensation", json!(null));
    assert_eq!(life.state.status(), RunStatus::Cancelled);

    let mut life = Life::of(three(), json!({}));
    life.succeed("a", json!("A"));
    life.happens(cancel(false));
    assert_eq!(life.state.status(), RunStatus::Cancelled);
}

#[test]
fn a_cancellation_with_grace_lets_what_is_in_flight_end() {
    let mut life = Life::of(three(), json!({}));
    life.happens(Event::CancelRequested { reason: None, grace_ms: 5_000, compensate: true, by: None });
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(5)));
    life.succeed("a", json!("A"));
    assert_eq!(life.in_flight(), ["a~compensation"], "what ended in time is undone too");

    let mut life = Life::of(three(), json!({}));
    life.happens(Event::CancelRequested { reason: None, grace_ms: 5_000, compensate: true, by: None });
    life.let_pass(Duration::from_secs(5));
    assert_eq!(life.state.status(), RunStatus::Cancelled, "nothing had succeeded");
}

#[test]
fn a_paused_run_that_fails_undoes_nothing_before_it_goes_on() {
    let mut life = Life::of(three(), json!({}));
    life.succeed("a", json!("A"));
    life.happens(Event::RunPaused { by: None, reason: None });
    life.fail("b", permanent());
    assert_eq!(life.in_flight(), Vec::<String>::new());
    assert_eq!(life.state.outcome(), None);
    life.happens(Event::RunResumed { by: None });
    assert_eq!(life.in_flight(), ["a~compensation"]);
}

fn cancel(reason: Option<&str>, grace_ms: u64, compensate: bool) -> Event {
    Event::CancelRequested {
        reason: reason.map(str::to_owned),
        grace_ms,
        compensate,
        by: Some("ann".to_owned()),
    }
}

#[test]
fn of_two_wishes_to_cancel_the_shorter_grace_the_compensation_and_the_later_reason_count() {
    let mut life = Life::of(three(), json!({}));
    life.succeed("a", json!("A"));
    life.happens(cancel(None, 10_000, false));
    life.happens(cancel(Some("undo it"), 1_000, true));
    let view = life.state.view().cancelling.unwrap();
    assert_eq!((view.reason.as_deref(), view.by.as_deref()), (Some("undo it"), Some("ann")));
    assert!(view.compensate);
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(1)));
    life.happens(cancel(None, 3_600_000, false));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(1)), "a longer grace takes nothing back");
    life.let_pass(Duration::from_secs(1));
    assert_eq!(life.in_flight(), ["a~compensation"]);
    life.succeed("a~compensation", json!(null));
    let reason = Some("undo it".to_owned());
    assert_eq!(life.state.outcome(), Some(&RunOutcome::Cancelled { reason }));
    assert_eq!(life.state.view().cancelling, None, "it is over");
}

#[test]
fn a_second_wish_without_grace_ends_the_run_at_once() {
    let mut life = Life::of(three(), json!({}));
    life.happens(cancel(None, 3_600_000, false));
    life.happens(cancel(Some("now!"), 0, false));
    assert_eq!(life.state.outcome(), Some(&RunOutcome::Cancelled { reason: Some("now!".to_owned()) }));
}

#[test]
fn a_wish_to_cancel_ends_a_pause_and_no_pause_holds_it_up() {
    let mut life = Life::of(three(), json!({}));
    life.succeed("a", json!("A"));
    life.happens(Event::RunPaused { by: None, reason: None });
    life.happens(cancel(None, 0, true));
    assert_eq!(
        (life.state.status(), life.in_flight()),
        (RunStatus::Running, vec!["a~compensation".to_owned()])
    );
    life.happens(Event::RunPaused { by: None, reason: None });
    assert_eq!(life.state.status(), RunStatus::Running);
}
