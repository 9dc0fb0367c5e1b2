//! Approvals: a person decides, or nobody does in time.

use super::*;

fn approval(fields: &Value) -> Life {
    let mut approval = json!({"show": {"sum": "{{ input.sum }}"}, "who": ["ann"]});
    approval.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Life::of(json!({"nodes": {"a": {"approval": approval}}}), json!({"sum": 7}))
}

fn decided(verdict: Verdict) -> Event {
    let decision = ApprovalDecision {
        decision: verdict,
        by: Some("ann".to_owned()),
        comment: Some("fine".to_owned()),
        form: json!({"limit": 5}),
    };
    Event::ApprovalDecided { node: node("a"), decision }
}

#[test]
fn a_decision_is_the_nodes_output_with_who_what_and_when() {
    let mut life = approval(&json!({}));
    let open = life.state.approvals().next().unwrap();
    assert_eq!(**open.show, json!({"sum": 7}));
    life.happens(decided(Verdict::Approve));
    let expected = json!({"a": {
        "decision": "approve", "by": "ann", "comment": "fine", "form": {"limit": 5}, "at": "2026-01-01T00:00:00Z",
    }});
    assert_eq!(life.run_output(), expected);
    assert!(life.state.record(life.now, decided(Verdict::Reject)).is_err(), "one decision");
}

#[test]
fn a_refusal_fails_the_node_unless_it_is_to_go_on() {
    let mut life = approval(&json!({}));
    life.happens(decided(Verdict::Reject));
    let (failure, _) = life.run_failure();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.contains("ann") && failure.message.contains("fine"), "{failure}");
    let mut life = approval(&json!({"on_reject": "continue"}));
    life.happens(decided(Verdict::Reject));
    assert_eq!(life.run_output()["a"]["decision"], json!("reject"));
}

#[test]
fn others_are_asked_after_a_time_and_then_nobody_was_there() {
    let mut life = approval(&json!({"timeout": "2h", "escalate": {"after": "1h", "who": ["bob"]}}));
    life.let_pass(Duration::from_secs(3600));
    assert!(life.state.approvals().next().unwrap().escalated);
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(3600)));
    life.let_pass(Duration::from_secs(3600));
    assert_eq!(life.run_failure().0.kind, FailureKind::Expired);
}

#[test]
fn what_follows_if_nobody_decides_is_the_workflows_to_say() {
    let mut life = approval(&json!({"timeout": "1h", "on_timeout": "approve"}));
    life.let_pass(Duration::from_secs(3600));
    assert_eq!(life.run_output()["a"]["decision"], json!("approve"));
    let mut life = approval(&json!({"timeout": "1h", "on_timeout": "reject"}));
    life.let_pass(Duration::from_secs(3600));
    let failure = life.run_failure().0;
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.message.starts_with("nobody decided within 1h"), "{failure}");
}
