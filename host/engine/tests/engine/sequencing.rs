//! The loop: what runs at the same time, what follows a failure, what a cancellation stops.

use serde_json::{Value, json};
use stepwell_core::failure::FailureKind;
use stepwell_core::id::RunId;
use stepwell_core::run::{NodeStatus, RunStatus};
use stepwell_engine::{Cancel, CancelOutcome, EngineConfig};
use uuid::Uuid;

use crate::support::{Ground, tenant};

fn shape(needs: &[&str], template: &Value, input: &str) -> Value {
    json!({"step": "transform@*", "needs": needs, "config": {"template": template}, "input": input})
}

#[test]
fn a_chain_hands_outputs_on() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    life.apply(&json!({"nodes": {
        "a": shape(&[], &json!({"n": "{{ input + 1 }}"}), "{{ input.n }}"),
        "b": shape(&["a"], &json!({"n": "{{ input + 1 }}"}), "{{ nodes.a.output.n }}"),
        "c": shape(&["b"], &json!("{{ input + 1 }}"), "{{ nodes.b.output.n }}"),
    }}));
    assert_eq!(life.complete(json!({"n": 1})).output, Some(json!({"c": 4}).into()));
}

#[test]
fn parallel_nodes_overlap_in_time() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    // Each is answered only while the other one is under way.
    life.apply(&json!({"nodes": {"left": ground.courier(&["/meet/here"]), "right": ground.courier(&["/meet/here"])}}));
    assert_eq!(life.complete(json!({})).status, RunStatus::Succeeded);
}

#[test]
fn attempts_beyond_the_cap_queue_and_all_get_their_turn() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_live_attempts: 1, ..EngineConfig::default() });
    let busy = life.occupy();
    life.publish("courier");
    life.apply(&json!({"nodes": {"a": ground.courier(&["/it"]), "b": ground.courier(&["/it"])}}));
    let run = life.start();
    life.block_on(life.queued(2));
    assert_eq!(ground.outside.seen("/it").len(), 0);
    life.cancel(busy);
    assert_eq!(life.end_of(run).status, RunStatus::Succeeded);
}

#[test]
fn attempts_that_wait_for_an_answer_leave_their_place_to_others() {
    let ground = Ground::new();
    let life = ground.life_with(EngineConfig { max_live_attempts: 1, ..EngineConfig::default() });
    life.publish("courier");
    life.publish("transform");
    // Each is answered only while the other one is under way; and what follows one of them is done before the third is answered.
    let shape =
        json!({"step": "transform@*", "needs": ["left"], "config": {"template": "{{ input }}"}, "input": 1});
    let mut last = ground.courier(&["/last"]);
    last["needs"] = json!(["shape"]);
    life.apply(&json!({"nodes": {
        "held": ground.courier(&["/hold/it"]),
        "left": ground.courier(&["/meet/here"]),
        "right": ground.courier(&["/meet/here"]),
        "shape": shape,
        "last": last,
    }}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/last", 1));
    assert_eq!(ground.outside.seen("/hold/it").len(), 1);
    ground.outside.let_go();
    let view = life.end_of(run);
    assert_eq!(view.status, RunStatus::Succeeded, "{view:?}");
    assert_eq!(ground.outside.all().len(), 4, "nothing is asked twice");
    let stats = life.engine.stats();
    assert_eq!((stats.live_attempts, stats.away_attempts, stats.queued_attempts), (0, 0, 0));
}

#[test]
fn an_attempt_that_failed_is_followed_by_another_and_then_the_run_fails() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("hostile");
    let retry = json!({"attempts": 3, "delay": "1ms", "on": ["trap"]});
    life.apply(&json!({"nodes": {"bad": {"step": "hostile@^1", "input": {"mode": "trap"}, "retry": retry}}}));
    let view = life.complete(json!({}));
    assert_eq!((view.status, view.nodes[0].attempts.len()), (RunStatus::Failed, 3));
    assert_eq!(view.failure.unwrap().kind, FailureKind::Trap);
}

#[test]
fn a_cancelled_run_drops_what_is_in_flight_and_is_on_disk_as_cancelled() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    life.apply(&json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    let cancel = || {
        life.block_on(life.engine.cancel(
            &tenant(),
            run,
            Cancel { reason: Some("changed my mind".to_owned()), ..Cancel::default() },
        ))
        .unwrap()
    };
    assert_eq!(cancel(), CancelOutcome::Cancelled);
    assert_eq!(cancel(), CancelOutcome::AlreadyEnded(RunStatus::Cancelled));
    life.crash();

    let life = ground.life();
    let view = life.end_of(run);
    assert_eq!((view.status, view.nodes[0].status), (RunStatus::Cancelled, NodeStatus::Cancelled));
    assert_eq!(view.cancel_reason.as_deref(), Some("changed my mind"));
    assert_eq!(ground.outside.seen("/hold/it").len(), 1, "nothing is sent again");
}

#[test]
fn a_run_that_is_not_there_is_unknown() {
    let ground = Ground::new();
    let life = ground.life();
    let run = RunId(Uuid::now_v7());
    assert_eq!(
        life.block_on(life.engine.cancel(&tenant(), run, Cancel::default())).unwrap(),
        CancelOutcome::Unknown
    );
    assert!(life.block_on(life.engine.run(&tenant(), run)).unwrap().is_none());
    assert!(life.block_on(life.engine.watch(&tenant(), run, None)).unwrap().is_none());
}
