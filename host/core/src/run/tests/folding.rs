//! What the fold refuses: an entry that cannot follow is an error that names it, and changes nothing.

use super::*;

/// Tries an event as the next entry; checks that a refused one leaves no trace.
fn misfit(life: &mut Life, event: Event) -> Misfit {
    let seq = life.state.next_seq();
    refused(life, &Entry::new(seq, life.now, event))
}

fn refused(life: &mut Life, entry: &Entry) -> Misfit {
    let (view, next_seq) = (life.state.view(), life.state.next_seq());
    let error = life.state.apply(entry).unwrap_err();
    assert_eq!(error.seq, entry.seq);
    assert_eq!((life.state.view(), life.state.next_seq()), (view, next_seq));
    error.misfit
}

fn two_nodes() -> Life {
    Life::of(json!({"nodes": {"a": {}, "b": {"needs": ["a"]}}}), json!({}))
}

fn started(id: &str, attempt: u32) -> Event {
    let deadline = start_of_time();
    Event::AttemptStarted {
        node: node(id),
        part: Part::Whole,
        call: 0,
        attempt: AttemptNumber(attempt),
        input: json!({}).into(),
        deadline,
    }
}

fn succeeded(id: &str, attempt: u32) -> Event {
    let account = Account::default();
    Event::AttemptSucceeded {
        node: node(id),
        part: Part::Whole,
        cached: false,
        attempt: AttemptNumber(attempt),
        output: json!({}).into(),
        account,
    }
}

#[test]
fn a_journal_starts_with_the_acceptance_of_this_workflow() {
    let plan = plan(json!({"nodes": {"a": {}}}));
    let accept = |event| RunState::accept(RUN, Arc::clone(&plan), &Entry::new(0, start_of_time(), event));
    let error = accept(Event::CancelRequested { reason: None, grace_ms: 0, compensate: false, by: None })
        .unwrap_err();
    assert_eq!(error.misfit, Misfit::NotAccepted);

    let mut other = accepted(json!({}));
    if let Event::RunAccepted { version, .. } = &mut other {
        *version = Version::new(2, 0, 0);
    }
    assert_eq!(
        accept(other).unwrap_err().to_string(),
        "entry 0 of the run's journal cannot follow what is before it: \
         the run was accepted for tried@2.0.0, but the plan is that of tried@1.0.0"
    );
    let late = Entry::new(1, start_of_time(), accepted(json!({})));
    let error = RunState::accept(RUN, Arc::clone(&plan), &late).unwrap_err();
    assert_eq!(error.misfit, Misfit::Sequence { expected: 0 });
    assert_eq!(RunState::replay(RUN, plan, []).unwrap_err().misfit, Misfit::NotAccepted);
}

#[test]
fn a_run_is_accepted_once() {
    assert_eq!(misfit(&mut two_nodes(), accepted(json!({}))), Misfit::AcceptedTwice);
}

#[test]
fn entries_come_without_gaps_and_once() {
    let mut life = two_nodes();
    let expected = life.state.next_seq();
    for seq in [expected - 1, expected + 1] {
        let entry = Entry::new(seq, life.now, succeeded("a", 1));
        assert_eq!(refused(&mut life, &entry), Misfit::Sequence { expected });
    }
}

#[test]
fn an_event_names_a_node_of_the_plan() {
    let unknown = Misfit::UnknownNode { node: node("z") };
    let mut life = two_nodes();
    assert_eq!(misfit(&mut life, started("z", 1)), unknown);
    assert_eq!(misfit(&mut life, succeeded("z", 1)), unknown);
    assert_eq!(misfit(&mut life, Event::NodeSkipped { node: node("z"), reason: SkipReason::When }), unknown);
}

#[test]
fn nothing_happens_to_a_node_before_its_needs_are_final() {
    let unmet = Misfit::UnmetNeeds { node: node("b") };
    let mut life = two_nodes();
    assert_eq!(misfit(&mut life, started("b", 1)), unmet);
    assert_eq!(misfit(&mut life, Event::NodeSkipped { node: node("b"), reason: SkipReason::When }), unmet);
    let failure = Failure::new(FailureKind::Expression, "no");
    assert_eq!(
        misfit(
            &mut life,
            Event::NodeFailed { node: node("b"), part: Part::Whole, failure, falls_back: false }
        ),
        unmet
    );
}

#[test]
fn an_attempt_starts_and_ends_once() {
    let mut life = two_nodes();
    let at = |id: &str, status| Misfit::NodeStatus { node: node(id), status };
    assert_eq!(misfit(&mut life, started("a", 1)), at("a", NodeStatus::Running));
    life.succeed("a", json!({}));
    assert_eq!(misfit(&mut life, succeeded("a", 1)), at("a", NodeStatus::Succeeded));
    let another = Misfit::Attempt { node: node("b"), found: AttemptNumber(2), expected: AttemptNumber(1) };
    assert_eq!(misfit(&mut life, succeeded("b", 2)), another);
}

#[test]
fn effects_are_answered_in_order_and_in_flight() {
    let mut life = two_nodes();
    let answered = |index| Event::EffectAnswered {
        node: node("a"),
        part: Part::Whole,
        attempt: AttemptNumber::FIRST,
        effect: effect(index),
    };
    let misses = |found, expected| Misfit::EffectIndex { node: node("a"), found, expected };
    assert_eq!(misfit(&mut life, answered(1)), misses(1, 0));
    life.record(answered(0));
    assert_eq!(misfit(&mut life, answered(0)), misses(0, 1));
    life.record(answered(1));
    assert_eq!(life.state.effects(&node("a"), Part::Whole, AttemptNumber::FIRST), [effect(0), effect(1)]);
    assert_eq!(life.state.effects(&node("a"), Part::Whole, AttemptNumber(2)), []);
    life.succeed("a", json!({}));
    let status = NodeStatus::Succeeded;
    assert_eq!(misfit(&mut life, answered(2)), Misfit::NodeStatus { node: node("a"), status });
}

#[test]
fn a_run_that_winds_down_starts_nothing() {
    let mut life = Life::of(json!({"nodes": {"a": {}, "b": {}, "c": {"needs": ["b"]}}}), json!({}));
    life.fail("a", Failure::new(FailureKind::Permanent, "no"));
    life.record(succeeded("b", 1));
    assert_eq!(misfit(&mut life, started("c", 1)), Misfit::WindingDown);
}

#[test]
fn a_run_ends_as_it_can() {
    let mut life = two_nodes();
    let ended = |outcome| Event::RunEnded { outcome };
    let success = || ended(RunOutcome::Succeeded { output: json!({}).into() });
    assert_eq!(misfit(&mut life, success()), Misfit::Outcome { status: RunStatus::Succeeded });
    let cancelled = ended(RunOutcome::Cancelled { reason: None });
    assert_eq!(misfit(&mut life, cancelled), Misfit::Outcome { status: RunStatus::Cancelled });
    life.succeed("a", json!({}));
    life.succeed("b", json!({}));
    assert_eq!(misfit(&mut life, success()), Misfit::Ended);
    assert_eq!(
        misfit(&mut life, Event::CancelRequested { reason: None, grace_ms: 0, compensate: false, by: None }),
        Misfit::Ended
    );
}

#[test]
fn times_are_kept_to_the_millisecond_that_the_journal_keeps() {
    let odd: Timestamp = "2026-01-01T00:00:00.123456789Z".parse().unwrap();
    let first = Entry { seq: 0, at: odd, event: accepted(json!({})) };
    let mut state = RunState::accept(RUN, plan(json!({"nodes": {"a": {}}})), &first).unwrap();
    let kept: Timestamp = "2026-01-01T00:00:00.123Z".parse().unwrap();
    assert_eq!(state.accepted_at(), kept);
    let [Action::Start { deadline, .. }] = &state.decide(odd)[..] else { panic!("a starts") };
    assert_eq!(deadline.subsec_nanosecond() % 1_000_000, 0);
    state.apply(&Entry { seq: 1, at: odd, event: started("a", 1) }).unwrap();
    assert_eq!(state.in_flight().next().unwrap().started_at, kept);
}
