//! The journal's format: each event as it was written when it came to be. A test that fails here says that a
//! journal on somebody's disk cannot be read any more.

use super::*;
use crate::attempt::{Decision, LogLevel, LogLine, ModelCall};
use crate::failure::LimitHit;
use crate::limits::LimitKind;
use crate::split::{Chosen, Percent, Split};

const AT: i64 = 1_767_225_600_123;

/// The event is written like this, and read from it.
fn golden(event: Event, written: &Value) {
    assert_eq!(written["type"], event.type_name());
    assert_eq!(written["type"], event.type_name());
    let entry = Entry::new(7, Timestamp::from_millisecond(AT).unwrap(), event);
    let mut expected = json!({"seq": 7, "at": AT});
    expected.as_object_mut().unwrap().extend(written.as_object().unwrap().clone());
    assert_eq!(serde_json::to_value(&entry).unwrap(), expected);
    assert_eq!(serde_json::from_str::<Entry>(&expected.to_string()).unwrap(), entry);
}

fn account() -> Account {
    Account {
        fuel: 12_345,
        duration_us: 678,
        effects: 1,
        usage: vec![ModelCall {
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            input_tokens: 10,
            output_tokens: 20,
            cost_micro_usd: Some(30),
        }],
        decisions: vec![Decision {
            decided: json!("Billing"),
            confidence: Some(0.9),
            explanation: Some("an invoice is named".to_owned()),
            model_version: "gpt-4o".to_owned(),
        }],
        log: vec![LogLine {
            level: LogLevel::Info,
            message: "asked".to_owned(),
            fields: serde_json::Map::from_iter([("tokens".to_owned(), json!(30))]),
        }],
    }
}

fn account_written() -> Value {
    json!({
        "fuel": 12_345,
        "duration_us": 678,
        "effects": 1,
        "usage": [{
            "provider": "openai", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 20, "cost_micro_usd": 30,
        }],
        "decisions": [{
            "decided": "Billing", "confidence": 0.9, "explanation": "an invoice is named", "model_version": "gpt-4o",
        }],
        "log": [{"level": "info", "message": "asked", "fields": {"tokens": 30}}],
    })
}

#[test]
fn run_accepted() {
    let traceparent = "00-00000000000000000000000000000001-0000000000000001-01";
    let mut event = accepted(json!({"subject": "Invoice"}));
    if let Event::RunAccepted { rules, .. } = &mut event {
        *rules = 0;
    }
    golden(
        event.clone(),
        &json!({
            "type": "run-accepted",
            "workflow": "tried",
            "version": "1.0.0",
            "input": {"subject": "Invoice"},
            "trigger": {"kind": "api"},
            "traceparent": traceparent,
        }),
    );
    for (other, json) in [
        (Trigger::Http { path: "/tickets".to_owned() }, json!({"kind": "http", "path": "/tickets"})),
        (
            Trigger::Cron { schedule: "@daily".to_owned(), at: Timestamp::from_millisecond(AT).unwrap() },
            json!({"kind": "cron", "schedule": "@daily", "at": Timestamp::from_millisecond(AT).unwrap().to_string()}),
        ),
        (
            Trigger::Event {
                id: "A-1".to_owned(),
                source: "/shop".to_owned(),
                event_type: "order".to_owned(),
            },
            json!({"kind": "event", "id": "A-1", "source": "/shop", "event_type": "order"}),
        ),
    ] {
        if let Event::RunAccepted { trigger, priority, split, rules, .. } = &mut event {
            *trigger = other;
            *rules = 1;
            *priority = Priority::High;
            *split = Some(Split {
                canary: Version::new(1, 1, 0),
                percent: Percent::new(10).unwrap(),
                chosen: Chosen::Current,
            });
        }
        golden(
            event.clone(),
            &json!({
                "type": "run-accepted",
                "workflow": "tried",
                "version": "1.0.0",
                "input": {"subject": "Invoice"},
                "trigger": json,
                "traceparent": traceparent,
                "priority": "high",
                "split": {"canary": "1.1.0", "percent": 10, "chosen": "current"},
                "rules": 1,
            }),
        );
    }
}

#[test]
fn run_admitted() {
    golden(Event::RunAdmitted, &json!({"type": "run-admitted"}));
}

#[test]
fn attempt_started() {
    golden(
        Event::AttemptStarted {
            node: node("classify"),
            part: Part::Whole,
            call: 0,
            attempt: AttemptNumber(2),
            input: json!({"prompt": "x"}).into(),
            deadline: Timestamp::from_millisecond(AT + 20_000).unwrap(),
        },
        &json!({
            "type": "attempt-started",
            "node": "classify",
            "attempt": 2,
            "input": {"prompt": "x"},
            "deadline": AT + 20_000,
        }),
    );
}

#[test]
fn effect_answered() {
    golden(
        Event::EffectAnswered {
            node: node("classify"),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            effect: effect(0),
        },
        &json!({
            "type": "effect-answered",
            "node": "classify",
            "attempt": 1,
            "effect": {
                "index": 0,
                "capability": "http",
                "summary": "GET https://example.com/",
                "request_digest": Digest::of(b"request").to_string(),
                "answer": {"status": 200},
            },
        }),
    );
}

#[test]
fn attempt_succeeded() {
    golden(
        Event::AttemptSucceeded {
            node: node("classify"),
            part: Part::Whole,
            cached: false,
            attempt: AttemptNumber::FIRST,
            output: json!({"label": "Billing"}).into(),
            account: account(),
        },
        &json!({
            "type": "attempt-succeeded",
            "node": "classify",
            "attempt": 1,
            "output": {"label": "Billing"},
            "account": account_written(),
        }),
    );
}

#[test]
fn attempt_failed() {
    let refused = Event::AttemptFailed {
        node: node("classify"),
        part: Part::Whole,
        attempt: AttemptNumber::FIRST,
        failure: Failure::new(FailureKind::Gate, "too short"),
        account: Account::default(),
        cached: true,
    };
    golden(
        refused,
        &json!({
            "type": "attempt-failed",
            "node": "classify",
            "attempt": 1,
            "failure": {"kind": "gate", "message": "too short"},
            "account": {"fuel": 0, "duration_us": 0, "effects": 0},
            "cached": true,
        }),
    );
    let failure = Failure {
        kind: FailureKind::Timeout,
        message: "too long".to_owned(),
        detail: Some(json!({"where": "here"})),
        retry_after_ms: Some(1_500),
        limit: Some(LimitHit { name: LimitKind::TimeMs, value: 20_000 }),
    };
    golden(
        Event::AttemptFailed {
            node: node("classify"),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            failure,
            account: Account::default(),
            cached: false,
        },
        &json!({
            "type": "attempt-failed",
            "node": "classify",
            "attempt": 1,
            "failure": {
                "kind": "timeout",
                "message": "too long",
                "detail": {"where": "here"},
                "retry_after_ms": 1_500,
                "limit": {"name": "time_ms", "value": 20_000},
            },
            "account": {"fuel": 0, "duration_us": 0, "effects": 0},
        }),
    );
}

#[test]
fn node_skipped() {
    for (reason, written) in [(SkipReason::When, "when"), (SkipReason::Needs, "needs")] {
        golden(
            Event::NodeSkipped { node: node("route"), reason },
            &json!({"type": "node-skipped", "node": "route", "reason": written}),
        );
    }
}

#[test]
fn node_failed() {
    golden(
        Event::NodeFailed {
            node: node("route"),
            part: Part::Whole,
            failure: Failure::new(FailureKind::Expression, "undefined"),
            falls_back: false,
        },
        &json!({
            "type": "node-failed",
            "node": "route",
            "failure": {"kind": "expression", "message": "undefined"},
        }),
    );
    golden(
        Event::NodeFailed {
            node: node("route"),
            part: Part::Item(3),
            failure: Failure::new(FailureKind::Expression, "undefined"),
            falls_back: true,
        },
        &json!({
            "type": "node-failed",
            "node": "route",
            "part": {"item": 3},
            "failure": {"kind": "expression", "message": "undefined"},
            "falls_back": true,
        }),
    );
}

#[test]
fn run_reopened() {
    let from = ReopenFrom::Failed;
    let event =
        |standing, by| Event::RunReopened { from: from.clone(), edits: BTreeMap::new(), standing, by };
    golden(event(BTreeSet::new(), None), &json!({"type": "run-reopened", "from": "failed"}));
    golden(
        event(BTreeSet::from([node("pay")]), Some("ann".to_owned())),
        &json!({"type": "run-reopened", "from": "failed", "standing": ["pay"], "by": "ann"}),
    );
}

#[test]
fn cancel_requested() {
    golden(
        Event::CancelRequested { reason: None, grace_ms: 0, compensate: false, by: None },
        &json!({"type": "cancel-requested"}),
    );
    golden(
        Event::CancelRequested {
            reason: Some("wrong ticket".to_owned()),
            grace_ms: 0,
            compensate: false,
            by: None,
        },
        &json!({"type": "cancel-requested", "reason": "wrong ticket"}),
    );
}

#[test]
fn child_ended() {
    let ended = |spent| Event::ChildEnded {
        node: node("resize"),
        run: RUN,
        outcome: RunOutcome::Cancelled { reason: None },
        spent,
    };
    let written =
        json!({"type": "child-ended", "node": "resize", "run": RUN, "outcome": {"status": "cancelled"}});
    golden(ended(None), &written);
    let spent = json!({
        "fuel": 7, "model_calls": 1, "input_tokens": 0, "output_tokens": 0, "cost_micro_usd": 20_000,
    });
    let mut written = written;
    written["spent"] = spent;
    golden(
        ended(Some(Spent { fuel: 7, model_calls: 1, cost_micro_usd: 20_000, ..Spent::default() })),
        &written,
    );
}

#[test]
fn run_ended() {
    let ended = |outcome| Event::RunEnded { outcome };
    golden(
        ended(RunOutcome::Succeeded { output: json!({"department": "Billing"}).into() }),
        &json!({"type": "run-ended", "outcome": {"status": "succeeded", "output": {"department": "Billing"}}}),
    );
    golden(
        ended(RunOutcome::Failed {
            failure: Failure::new(FailureKind::Permanent, "no such account"),
            node: Some(node("classify")),
            partial: None,
        }),
        &json!({"type": "run-ended", "outcome": {
            "status": "failed",
            "failure": {"kind": "permanent", "message": "no such account"},
            "node": "classify",
        }}),
    );
    golden(
        ended(RunOutcome::Cancelled { reason: None }),
        &json!({"type": "run-ended", "outcome": {"status": "cancelled"}}),
    );
}

#[test]
fn an_account_of_an_older_version_may_lack_what_it_did_not_know() {
    let written = json!({
        "seq": 7, "at": AT, "type": "attempt-succeeded", "node": "a", "attempt": 1, "output": null, "account": {},
    });
    let entry: Entry = serde_json::from_value(written).unwrap();
    assert!(matches!(entry.event, Event::AttemptSucceeded { account, .. } if account == Account::default()));
}
