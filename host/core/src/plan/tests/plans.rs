use std::time::Duration;

use serde_json::json;

use super::{plan, workflow};
use crate::cloud_event::CloudEvent;
use crate::definition::digest_of;
use crate::expression::Scope;
use crate::failure::FailureKind;
use crate::limits::Limits;
use crate::plan::{Join, OnFull, Overlap, RetryPolicy};
use crate::priority::Priority;
use crate::schedule::{Missed, Timetable};

#[test]
fn a_definition_becomes_a_plan() {
    let definition = json!({
        "name": "triage",
        "version": "1.2.3",
        "summary": "sorts tickets",
        "input": {"type": "object", "required": ["subject"]},
        "triggers": [{"http": {"path": "/tickets", "open": true}}],
        "budget": {"time": "2m"},
        "nodes": {
            "classify": {
                "step": "chat@^1",
                "config": {"model": "m"},
                "input": {"prompt": "Subject: {{ input.subject }}"},
                "grants": {"http": [{"host": "api.example.com"}], "secrets": {"KEY": ["api.example.com"]}},
                "retry": {"attempts": 4, "delay": "250ms", "on": ["retryable", "trap"]},
                "timeout": "20s",
                "limits": {"memory_bytes": "64 MiB", "fuel": 5_000_000},
            },
            "answer": {"step": "echo@1.0", "needs": ["classify"], "when": "nodes.classify.output != null", "join": "any"},
        },
        "output": "{{ nodes.answer.output }}",
        "layout": {"classify": [0, 0]},
    });
    let plan = plan(&definition);

    assert_eq!((plan.name.as_str(), plan.version.to_string().as_str()), ("triage", "1.2.3"));
    assert!(plan.input.check(&json!({})).is_err());
    let hook = plan.http_triggers().next().unwrap();
    assert_eq!((hook.path.as_str(), hook.method.as_str(), hook.open), ("/tickets", "POST", true));
    assert_eq!(plan.budget.time, Some(Duration::from_secs(120)));
    assert_eq!(plan.order.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["classify", "answer"]);

    let classify = &plan.nodes["classify"];
    let call = &classify.work.step().unwrap().calls[0];
    assert_eq!(call.step.version.to_string(), "1.2.0");
    assert!(!call.effect_free);
    assert_eq!(&*call.config, r#"{"model":"m"}"#);
    assert_eq!(classify.dependents, plan.order[1..]);
    assert_eq!(call.retry.attempts, 4);
    assert_eq!(call.retry.delay, Duration::from_millis(250));
    assert_eq!(call.retry.on, [FailureKind::Retryable, FailureKind::Trap]);
    let limits = Limits { time_ms: 20_000, memory_bytes: 64 << 20, fuel: 5_000_000, ..Limits::default() };
    assert_eq!(call.limits, limits);

    let answer = &plan.nodes["answer"];
    let call = &answer.work.step().unwrap().calls[0];
    assert!(call.effect_free && answer.when.is_some());
    assert_eq!((answer.join, &call.retry), (Join::Any, &RetryPolicy::never()));
    assert_eq!(plan.lock.0["answer"].step().unwrap().version.to_string(), "1.4.0", "`1.0` means `^1.0`");
}

#[test]
fn flow_control_has_its_defaults() {
    let mut definition = workflow(&json!({"a": {"step": "echo@^1"}}));
    let unbounded = plan(&definition);
    assert!(unbounded.concurrency.is_none() && unbounded.priority == Priority::Normal);
    definition["priority"] = json!("low");
    definition["concurrency"] = json!({"limit": 5});
    let plan = plan(&definition);
    let concurrency = plan.concurrency.unwrap();
    assert_eq!(plan.priority, Priority::Low);
    assert_eq!((concurrency.limit, concurrency.on_full, concurrency.max_queued), (5, OnFull::Queue, 1_000));
}

#[test]
fn nodes_are_ordered_behind_their_needs() {
    let node = |needs: &[&str]| json!({"step": "echo@^1", "needs": needs});
    let plan = plan(&workflow(
        &json!({"a": node(&["d", "c"]), "b": node(&["a"]), "c": node(&["d"]), "d": node(&[])}),
    ));
    assert_eq!(plan.order.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["d", "c", "a", "b"]);
}

#[test]
fn the_layout_is_no_part_of_the_digest() {
    let with = |layout| json!({"name": "a", "nodes": {}, "layout": layout});
    assert_eq!(digest_of(&with(json!(1))), digest_of(&with(json!({"a": [1, 2]}))));
    assert_eq!(digest_of(&with(json!(1))), digest_of(&json!({"nodes": {}, "name": "a"})));
    assert_ne!(digest_of(&with(json!(1))), digest_of(&json!({"name": "b", "nodes": {}})));
}

#[test]
fn a_thousand_nodes_are_planned() {
    // Each needs the hundred before it: as dense as people's graphs will ever be.
    let nodes: serde_json::Map<String, serde_json::Value> = (0..1_000usize)
        .map(|at| {
            let needs: Vec<String> = (at.saturating_sub(100)..at).map(|need| format!("n{need}")).collect();
            (format!("n{at}"), json!({"step": "echo@^1", "needs": needs}))
        })
        .collect();
    assert_eq!(plan(&workflow(&nodes.into())).order.len(), 1_000);
}

#[test]
fn cron_and_event_triggers_are_planned_with_their_defaults() {
    let mut definition = workflow(&json!({"a": {"step": "echo@^1"}}));
    definition["input"] = json!({"type": "object"});
    definition["triggers"] = json!([
        {"event": {"type": "com.example.*"}},
        {"cron": {"schedule": "0 9 * * 1-5"}},
        {"cron": {"schedule": "@daily", "zone": "Europe/Berlin", "input": {"n": 1}, "missed": "all", "overlap": "queue", "jitter": "30s"}},
        {"event": {"type": "order", "source": "/shop/*", "when": "event.data.amount > 100", "input": {"id": "{{ event.id }}", "all": "{{ event.data }}"}}},
    ]);
    let plan = plan(&definition);

    let crons: Vec<_> = plan.cron_triggers().collect();
    let (first, daily) = (crons[0], crons[1]);
    assert_eq!((first.0, daily.0), (1, 2), "each has its place among all triggers");
    let Timetable { schedule, missed, jitter } = &first.1.timetable;
    assert_eq!((schedule.zone.name(), *missed, *jitter), ("UTC", Missed::Once, Duration::ZERO));
    assert_eq!((first.1.overlap, &*first.1.input), (Overlap::Skip, &json!({})));
    let Timetable { schedule, missed, jitter } = &daily.1.timetable;
    assert_eq!((schedule.zone.name(), *missed, jitter.as_secs()), ("Europe/Berlin", Missed::All, 30));
    assert_eq!((daily.1.overlap, &*daily.1.input), (Overlap::Queue, &json!({"n": 1})));

    let events: Vec<_> = plan.event_triggers().collect();
    let event = CloudEvent::new("1", "/shop/berlin", "order", json!({"amount": 120}));
    let scope = Scope::of_event(&event.to_shown());
    assert!(!events[0].is_about(&event) && events[1].is_about(&event));
    assert!(events[1].wants(&scope).unwrap());
    assert_eq!(*events[1].input(&event, &scope).unwrap(), json!({"id": "1", "all": {"amount": 120}}));
    assert_eq!(
        *events[0].input(&event, &scope).unwrap(),
        json!({"amount": 120}),
        "the data, where nothing is said"
    );
    let small = CloudEvent::new("2", "/shop/berlin", "order", json!({"amount": 99}));
    assert!(!events[1].wants(&Scope::of_event(&small.to_shown())).unwrap());
    let odd = CloudEvent::new("3", "/shop/berlin", "order", json!({}));
    assert!(
        events[1]
            .wants(&Scope::of_event(&odd.to_shown()))
            .unwrap_err()
            .message
            .contains("/triggers/3/event/when")
    );
    assert!(!events[1].is_about(&CloudEvent { source: "/other".to_owned(), ..odd }));
}
