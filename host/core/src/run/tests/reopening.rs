//! Going on with a run that has ended.

use super::*;

fn permanent() -> Failure {
    Failure::new(FailureKind::Permanent, "no")
}

fn reopen(from: ReopenFrom) -> Event {
    Event::RunReopened { from, edits: BTreeMap::new(), standing: BTreeSet::new(), by: Some("ann".to_owned()) }
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
    life.happens(Event::RunReopened { from: ReopenFrom::Failed, edits, standing: BTreeSet::new(), by: None });
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

/// Two nodes with effects in a row and one that fails: the second could not be undone, the first was.
fn half_undone() -> Life {
    let undo = json!({"step": "work@^1"});
    let nodes = json!({
        "a": {"compensate": undo}, "b": {"needs": ["a"], "compensate": undo},
        "c": {"needs": ["b"], "input": {"of": "{{ nodes.b.output }}"}},
    });
    let mut life = Life::of(json!({ "nodes": nodes }), json!({}));
    life.succeed("a", json!("A"));
    life.succeed("b", json!("B"));
    life.fail("c", permanent());
    life.fail("b~compensation", permanent());
    life.succeed("a~compensation", json!(null));
    life
}

fn go_on_from(life: &mut Life, from: ReopenFrom) {
    let standing = life.state.standing(&from);
    life.happens(Event::RunReopened { from, edits: BTreeMap::new(), standing, by: Some("ann".to_owned()) });
}

#[test]
fn what_could_not_be_undone_stands_and_is_not_run_again() {
    let mut life = half_undone();
    go_on_from(&mut life, ReopenFrom::Failed);
    assert_eq!(life.in_flight(), ["a", "c"], "b did what it did once, and c goes on from it");
    assert_eq!((life.status("b"), life.state.dead_letters().len()), (NodeStatus::Succeeded, 0));
    life.succeed("a", json!("A2"));
    life.fail("c", permanent());
    assert_eq!(life.in_flight(), ["a~compensation"], "the last that succeeded");
    life.succeed("a~compensation", json!(null));
    assert_eq!(life.attempt_of("b~compensation").2, AttemptNumber(2), "what stands is to be undone again");
    life.fail("b~compensation", permanent());
    assert!(life.state.dead_letters().contains(&(node("b"), Part::Compensation)));
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn what_could_not_be_undone_is_run_again_only_once_somebody_has_dealt_with_it() {
    let mut life = half_undone();
    for from in [ReopenFrom::Start, ReopenFrom::Node(node("a")), ReopenFrom::Node(node("b"))] {
        assert_eq!(life.state.would_repeat(&from), Some(&node("b")));
        assert_eq!(life.state.standing(&from), BTreeSet::new(), "it is asked for");
    }
    for from in [ReopenFrom::Failed, ReopenFrom::Node(node("c")), ReopenFrom::Compensation(node("b"))] {
        assert_eq!(life.state.would_repeat(&from), None);
    }
    let reason = "refunded by hand".to_owned();
    life.record(Event::DeadLetterDiscarded { node: node("b"), part: Part::Compensation, reason, by: None });
    assert_eq!(life.state.would_repeat(&ReopenFrom::Start), None);
}

#[test]
fn a_journal_of_a_version_that_ran_again_what_was_not_undone_is_still_read() {
    let mut life = half_undone();
    life.happens(reopen(ReopenFrom::Failed));
    life.succeed("a", json!("A2"));
    assert_eq!(life.in_flight(), ["b"]);
    assert_eq!(life.again().view(), life.state.view());
}

#[test]
fn only_what_was_not_undone_can_stand() {
    let mut life = half_undone();
    let standing = BTreeSet::from([node("a")]);
    let event = Event::RunReopened { from: ReopenFrom::Failed, edits: BTreeMap::new(), standing, by: None };
    let error = life.state.record(life.now, event).unwrap_err();
    assert_eq!(error.misfit, Misfit::Part { node: node("a"), part: Part::Compensation });
}

#[test]
fn a_run_of_which_something_could_not_be_undone_does_not_begin_anew_by_itself() {
    let definition = json!({"on_failure": {"restart": {"times": 1, "delay": "1s"}}, "nodes": {
        "a": {"compensate": {"step": "work@^1"}}, "b": {"needs": ["a"]},
    }});
    let mut life = Life::of(definition, json!({}));
    life.succeed("a", json!(1));
    life.fail("b", permanent());
    life.fail("a~compensation", permanent());
    assert_eq!(life.run_failure().1.as_deref(), Some("b"));
    assert_eq!(life.state.dead_letters().len(), 2);
}
