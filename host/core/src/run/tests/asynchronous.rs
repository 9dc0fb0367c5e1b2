//! Waiting for time, signals, callbacks and other runs; telling of events.

use super::*;

fn expired() -> FailureKind {
    FailureKind::Expired
}

#[test]
fn a_wait_ends_at_its_time_and_once() {
    let mut life = Life::of(json!({"nodes": {"a": {"wait": "10m"}, "b": {"needs": ["a"]}}}), json!({}));
    assert_eq!(life.state.status(), RunStatus::Waiting);
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(600)));
    life.let_pass(Duration::from_millis(599_999));
    assert_eq!(life.status("a"), NodeStatus::Waiting);
    life.let_pass(Duration::from_millis(1));
    assert_eq!(life.in_flight(), ["b"]);
    let fired = life.journal.iter().filter(|entry| matches!(entry.event, Event::TimerFired { .. })).count();
    assert_eq!(fired, 1);
}

#[test]
fn a_wait_takes_its_length_or_its_end_from_an_expression() {
    let waits =
        |wait: Value, input: Value| Life::of(json!({"nodes": {"a": {"wait": wait}}}), input).wakes_after();
    assert_eq!(waits(json!({"for": "{{ input.s }}"}), json!({"s": 90})), Some(Duration::from_secs(90)));
    assert_eq!(waits(json!("{{ input.s }}"), json!({"s": "2h"})), Some(Duration::from_secs(7200)));
    let until = json!({"until": "{{ input.at }}"});
    assert_eq!(waits(until.clone(), json!({"at": "2026-01-01T00:01:00Z"})), Some(Duration::from_secs(60)));
    for bad in [json!({"at": "tomorrow"}), json!({"at": 7}), json!({"at": null})] {
        let (failure, _) = Life::of(json!({"nodes": {"a": {"wait": until.clone()}}}), bad).run_failure();
        assert!(failure.message.contains("/nodes/a/wait/until"), "{failure}");
    }
    let past = Life::of(json!({"nodes": {"a": {"wait": until}}}), json!({"at": "2020-01-01T00:00:00Z"}));
    assert_eq!(past.state.status(), RunStatus::Succeeded, "what is past is over");
}

fn signal(name: &str, payload: Value) -> Event {
    Event::SignalReceived { name: name.to_owned(), payload: payload.into(), by: None }
}

#[test]
fn a_signal_is_taken_by_the_node_that_waits_for_it_or_kept_for_it() {
    let definition = json!({"nodes": {
        "a": {"wait": {"signal": "paid", "timeout": "1h"}}, "b": {"needs": ["a"], "wait": {"signal": "sent"}},
    }});
    let mut life = Life::of(definition.clone(), json!({}));
    life.happens(signal("sent", json!("early")));
    life.happens(signal("other", json!(0)));
    assert_eq!(life.status("a"), NodeStatus::Waiting);
    life.happens(signal("paid", json!({"sum": 7})));
    assert_eq!(life.run_output(), json!({"b": "early"}));
    assert_eq!(life.node("a").output.as_deref(), Some(&json!({"sum": 7})));

    let mut life = Life::of(definition, json!({}));
    life.let_pass(Duration::from_secs(3600));
    assert_eq!(life.run_failure().0.kind, expired());
}

fn callback() -> Value {
    json!({"nodes": {"a": {"callback": {"expires": "1h"}, "input": {"url": "{{ callback.url }}"}, "retry": {"attempts": 2, "delay": "1s", "jitter": false}}}})
}

fn called(body: Value) -> Event {
    Event::CallbackReceived { node: node("a"), body: body.into() }
}

#[test]
fn a_callback_hands_its_url_to_the_step_and_waits_for_the_call() {
    let mut life = Life::of(callback(), json!({}));
    let url = json!({"url": "https://here/v1/callbacks/token-1"});
    assert_eq!(**life.state.in_flight().next().unwrap().input, url);
    life.fail("a", Failure::new(FailureKind::Retryable, "busy"));
    life.let_pass(Duration::from_secs(1));
    assert_eq!(**life.state.in_flight().next().unwrap().input, url, "the same URL in every attempt");
    life.succeed("a", json!({"job": 7}));
    assert_eq!(life.state.status(), RunStatus::Waiting);
    life.happens(called(json!({"image": "x.png"})));
    assert_eq!(life.run_output(), json!({"a": {"image": "x.png"}}));
    assert_eq!(life.state.callback("token-1"), Some(CallbackStanding::Used));
    assert!(life.state.record(life.now, called(json!(2))).is_err(), "one call");
}

#[test]
fn a_call_that_comes_before_the_step_has_ended_counts() {
    let mut life = Life::of(callback(), json!({}));
    life.happens(called(json!("quick")));
    assert_eq!(life.in_flight(), ["a"]);
    life.fail("a", Failure::new(FailureKind::Timeout, "slow answer"));
    assert_eq!(life.run_output(), json!({"a": "quick"}), "the job was done all the same");
}

#[test]
fn a_callback_expires() {
    let mut life = Life::of(callback(), json!({}));
    life.succeed("a", json!(null));
    life.let_pass(Duration::from_secs(3600));
    let failure = life.run_failure().0;
    assert_eq!(failure.kind, expired());
    assert!(failure.message.contains("within 1h"), "{failure}");
    let closed = CallbackStanding::Closed { expires_at: life.now };
    assert_eq!(life.state.callback("token-1"), Some(closed));
}

#[test]
fn a_signal_that_does_not_come_is_named_with_how_long_it_was_waited_for() {
    let mut life =
        Life::of(json!({"nodes": {"a": {"wait": {"signal": "paid", "timeout": "90s"}}}}), json!({}));
    life.let_pass(Duration::from_secs(90));
    let failure = life.run_failure().0;
    assert!(failure.message.contains("`paid`") && failure.message.contains("within 1m 30s"), "{failure}");
}

fn child_of(life: &Life) -> RunId {
    life.state.children().next().unwrap().run
}

fn child_ended(run: RunId, outcome: RunOutcome) -> Event {
    Event::ChildEnded { node: node("a"), run, outcome, spent: None }
}

#[test]
fn a_sub_workflow_gives_its_output_and_its_failure_comes_up() {
    let definition = json!({"nodes": {"a": {"workflow": "other@^1", "input": {"x": "{{ input.x }}"}}}});
    let mut life = Life::of(definition.clone(), json!({"x": 1}));
    assert_eq!(**life.state.children().next().unwrap().input, json!({"x": 1}));
    let run = child_of(&life);
    life.happens(child_ended(run, RunOutcome::Succeeded { output: json!("up").into() }));
    assert_eq!(life.run_output(), json!({"a": "up"}));

    let mut life = Life::of(definition, json!({"x": 1}));
    let failure = Failure::new(FailureKind::Permanent, "deep down");
    let run = child_of(&life);
    life.happens(child_ended(run, RunOutcome::Failed { failure, node: None, partial: None }));
    let (failure, _) = life.run_failure();
    assert_eq!(failure.kind, FailureKind::ChildFailed);
    assert!(failure.message.contains("deep down"), "{failure}");
}

#[test]
fn a_run_that_ends_takes_its_children_with_it_first() {
    let definition = json!({"nodes": {"a": {"workflow": "other@^1"}}});
    let mut life = Life::of(definition, json!({}));
    let run = child_of(&life);
    life.cancel("enough");
    let cancel = Action::CancelChild { run, grace_until: Some(life.now), compensate: false };
    assert_eq!(life.state.decide(life.now), [cancel]);
    assert_eq!(life.state.outcome(), None);
    life.happens(child_ended(run, RunOutcome::Cancelled { reason: None }));
    assert_eq!(life.state.status(), RunStatus::Cancelled);
    assert_eq!(life.node("a").run, Some(run), "which run it was stays to be seen");
}

#[test]
fn a_run_that_undoes_what_it_did_has_its_children_undo_theirs() {
    let definition = json!({"nodes": {"a": {"workflow": "other@^1"}, "b": {}}});
    let mut life = Life::of(definition.clone(), json!({}));
    let run = child_of(&life);
    life.fail("b", Failure::new(FailureKind::Permanent, "no"));
    let cancel = Action::CancelChild { run, grace_until: None, compensate: true };
    assert_eq!(life.state.decide(life.now), [cancel]);

    let mut life = Life::of(definition, json!({}));
    let run = child_of(&life);
    life.succeed("b", json!(null));
    life.happens(Event::CancelRequested { reason: None, grace_ms: 5_000, compensate: true, by: None });
    let grace_until = Some(life.now + SignedDuration::from_secs(5));
    let cancel = Action::CancelChild { run, grace_until, compensate: true };
    assert_eq!(life.state.decide(life.now), [cancel], "what is in flight there has its grace, too");
}

#[test]
fn an_event_is_a_cloud_event_with_an_id_of_its_own() {
    let emit =
        json!({"type": "com.example.done", "subject": "{{ input.id }}", "data": {"n": "{{ input.n }}"}});
    let life = Life::of(json!({"nodes": {"a": {"emit": emit}}}), json!({"id": "x", "n": 7}));
    let told = life.journal.iter().find_map(|entry| match &entry.event {
        Event::EventEmitted { event, .. } => Some(Value::clone(event)),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!(told["id"], json!(format!("{RUN}.a")));
    assert_eq!((&told["specversion"], &told["type"]), (&json!("1.0"), &json!("com.example.done")));
    assert_eq!((&told["subject"], &told["data"]), (&json!("x"), &json!({"n": 7})));
    assert_eq!(life.state.status(), RunStatus::Succeeded);
}

#[test]
fn a_run_can_be_told_to_begin_later() {
    let plan = plan(json!({"nodes": {"a": {}}}));
    let Event::RunAccepted { workflow, version, input, trigger, traceparent, .. } = accepted(json!({}))
    else {
        unreachable!()
    };
    let start_at = Some(start_of_time() + Duration::from_secs(60));
    let first = Entry::new(
        0,
        start_of_time(),
        Event::RunAccepted {
            workflow,
            version,
            input,
            trigger,
            traceparent,
            start_at,
            priority: Priority::Normal,
            split: None,
            rules: Event::RULES,
        },
    );
    let mut life = Life {
        state: RunState::accept(RUN, plan, &first).unwrap(),
        journal: vec![first],
        now: start_of_time(),
        mint: Counter::default(),
    };
    life.go_on();
    assert_eq!((life.state.status(), life.wakes_after()), (RunStatus::Queued, Some(Duration::from_secs(60))));
    life.let_pass(Duration::from_secs(60));
    assert_eq!(life.in_flight(), ["a"]);
}

#[test]
fn a_paused_run_starts_nothing_and_makes_up_for_it_when_it_goes_on() {
    let definition =
        json!({"nodes": {"a": {}, "w": {"wait": "1m"}, "b": {"needs": ["a"]}, "c": {"needs": ["w"]}}});
    let mut life = Life::of(definition, json!({}));
    life.happens(Event::RunPaused { by: None, reason: None });
    assert_eq!(life.state.status(), RunStatus::Paused);
    life.succeed("a", json!(1));
    life.let_pass(Duration::from_secs(120));
    assert_eq!(life.in_flight(), Vec::<String>::new());
    life.happens(Event::RunResumed { by: None });
    assert_eq!(life.in_flight(), ["b", "c"]);
}

#[test]
fn a_wait_that_fails_the_run_stops_what_was_due_in_the_same_moment() {
    let wait = json!({"wait": {"signal": "go", "timeout": "1h"}});
    let again = json!({"retry": {"attempts": 2, "delay": "1h", "jitter": false}});
    let mut life = Life::of(json!({"nodes": {"a": again, "b": wait, "c": wait}}), json!({}));
    life.fail("a", Failure::new(FailureKind::Retryable, "busy"));
    life.let_pass(Duration::from_secs(3600));
    assert_eq!(life.run_failure().1.as_deref(), Some("b"));
    assert_eq!(life.again().view(), life.state.view());
}
