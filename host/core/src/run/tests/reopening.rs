//! Going on with a run that has ended.

use super::*;

fn permanent() -> Failure {
    Failure::new(FailureKind::Permanent, "no")
}

fn reopen(from: ReopenFrom) -> Event {
    Event::RunReopened { from, edits: BTreeMap::new(), by: Some("ann".to_owned()) }
}

fn failed() -> Life {
    let definition = json!({"nodes": {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["b"]}, "d": {"needs": ["a"], "when": "false"}}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    life.fail("b", permanent());
    life
}

#[test]
fn a_run_goes_on_from_what_failed_with_its_history_kept() {
    let mut life = failed();
    assert_eq!(life.state.dead_letters().len(), 1);
    life.happens(reopen(ReopenFrom::Failed));
    assert_eq!(life.in_flight(), ["b"]);
    assert!(life.state.dead_letters().is_empty());
    assert_eq!(life.attempt_of("b").2, AttemptNumber(2));
    life.succeed("b", json!(2));
    life.succeed("c", json!(3));
    assert_eq!(life.run_output(), json!({"c": 3}));
    assert_eq!(life.node("b").attempts.len(), 2);
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn a_run_goes_on_from_a_node_and_all_behind_it_is_done_again() {
    let mut life = failed();
    life.happens(reopen(ReopenFrom::Node(node("a"))));
    assert_eq!(life.in_flight(), ["a"]);
    life.succeed("a", json!(10));
    life.succeed("b", json!(20));
    life.succeed("c", json!(30));
    assert_eq!(life.run_output(), json!({"c": 30}));
}

#[test]
fn a_run_begins_anew() {
    let mut life = failed();
    life.happens(reopen(ReopenFrom::Start));
    assert_eq!(life.in_flight(), ["a"]);
    assert_eq!(life.status("d"), NodeStatus::Pending);
}

#[test]
fn an_edited_node_gets_its_new_input_instead_of_the_workflows() {
    let mut life = failed();
    let edit = Edit { input: Some(json!({"mended": true}).into()), config: None };
    let edits = BTreeMap::from([(node("b"), edit)]);
    life.happens(Event::RunReopened { from: ReopenFrom::Failed, edits, by: None });
    assert_eq!(**life.state.in_flight().next().unwrap().input, json!({"mended": true}));
}

#[test]
fn what_was_undone_is_done_again() {
    let definition = json!({"nodes": {"a": {"compensate": {"step": "work@^1"}}, "b": {"needs": ["a"]}}});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    life.fail("b", permanent());
    life.succeed("a~compensation", json!(null));
    life.happens(reopen(ReopenFrom::Failed));
    assert_eq!(life.in_flight(), ["a"], "b cannot build on what was undone");
}

#[test]
fn a_run_that_goes_on_has_its_time_again() {
    let definition = json!({"budget": {"time": "1m"}, "nodes": {"a": {}}});
    let mut life = Life::of(definition, json!({}));
    life.let_pass(Duration::from_secs(60));
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
    life.happens(reopen(ReopenFrom::Failed));
    assert_eq!(life.in_flight(), ["a"]);
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(60)));
}

#[test]
fn a_run_that_has_not_ended_cannot_go_on() {
    let mut life = Life::of(json!({"nodes": {"a": {}}}), json!({}));
    let error = life.state.record(life.now, reopen(ReopenFrom::Failed)).unwrap_err();
    assert_eq!(error.misfit, Misfit::NotEnded);
    life.succeed("a", json!(1));
    assert!(life.state.record(life.now, reopen(ReopenFrom::Node(node("nowhere")))).is_err());
}

#[test]
fn a_dead_letter_is_let_be_once() {
    let mut life = failed();
    let discard = || Event::DeadLetterDiscarded {
        node: node("b"),
        part: Part::Whole,
        reason: "not worth it".to_owned(),
        by: None,
    };
    life.record(discard());
    assert!(life.state.dead_letters().is_empty());
    assert!(life.state.record(life.now, discard()).is_err());
}

/// Effects are known by their attempt: with a number given twice, an answer of the one would stand for the other.
#[test]
fn no_attempt_of_an_item_or_a_compensation_has_a_number_again_when_the_run_begins_anew() {
    let undo = json!({"step": "work@^1"});
    let mut life = Life::of(
        json!({"nodes": {"a": {"compensate": undo}, "m": {"needs": ["a"], "map": {"over": [1, 2], "on_item_error": "fail"}}}}),
        json!({}),
    );
    for attempt in 1..=3 {
        life.succeed("a", json!("A"));
        assert_eq!(life.attempt_of("m[0]").2, AttemptNumber(attempt));
        assert_eq!(life.attempt_of("m[1]").2, AttemptNumber(attempt));
        life.succeed("m[1]", json!("x"));
        life.fail("m[0]", permanent());
        assert_eq!(life.attempt_of("a~compensation").2, AttemptNumber(attempt));
        life.succeed("a~compensation", json!(null));
        assert_eq!(life.again().view(), life.state.view());
        life.happens(reopen(ReopenFrom::Start));
    }
}

#[test]
fn a_run_that_gave_its_place_away_with_its_end_is_admitted_again_before_it_goes_on() {
    let mut life = Life::of(json!({"concurrency": {"limit": 1}, "nodes": {"a": {}}}), json!({}));
    life.happens(Event::RunAdmitted);
    life.fail("a", permanent());
    life.happens(reopen(ReopenFrom::Failed));
    assert_eq!(life.state.status(), RunStatus::Queued);
    assert_eq!(life.in_flight(), Vec::<String>::new());
    life.happens(Event::RunAdmitted);
    assert_eq!(life.in_flight(), ["a"]);
}

#[test]
fn whoever_comes_with_a_url_of_before_a_new_beginning_is_told_that_nobody_waits() {
    let definition =
        json!({"nodes": {"a": {"callback": {"expires": "1h"}, "input": {"url": "{{ callback.url }}"}}}});
    let mut life = Life::of(definition, json!({}));
    let token = |life: &Life| life.state.callbacks().next().unwrap().1.to_owned();
    let first = token(&life);
    life.fail("a", permanent());
    life.happens(reopen(ReopenFrom::Start));
    let second = token(&life);
    assert_ne!(first, second);
    for state in [&life.state, &life.again()] {
        assert!(matches!(state.callback(&first), Some(CallbackStanding::Closed { .. })));
        assert!(matches!(state.callback(&second), Some(CallbackStanding::Open { .. })));
        assert_eq!(state.callback("guessed"), None);
    }
}
