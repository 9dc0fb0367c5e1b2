//! What is done to runs from outside, and what runs do to those below them: signals, cancellations, sub-workflows, and restarts in between.

use std::time::Duration;

use serde_json::{Value, json};
use stepwell_core::id::RunId;
use stepwell_core::run::{NodeStatus, RunStatus, RunView};
use stepwell_engine::{Cancel, CancelOutcome, ControlError};
use stepwell_store::MarkKind;

use crate::support::{Ground, Life, tenant};

fn apply_as(life: &Life, name: &str, fields: &Value) {
    let mut definition = json!({"name": name, "version": "1.0.0"});
    definition.as_object_mut().unwrap().append(&mut fields.as_object().unwrap().clone());
    let (tenant, name) = (tenant(), name.parse().unwrap());
    life.block_on(life.engine.apply_workflow(&tenant, &name, definition)).unwrap();
}

fn signal(life: &Life, run: RunId, name: &str) -> Result<RunStatus, ControlError> {
    life.block_on(life.engine.signal(&tenant(), run, name, json!(name), None))
}

fn view(life: &Life, run: RunId) -> RunView {
    life.block_on(life.engine.run(&tenant(), run)).unwrap().unwrap()
}

/// The run of the sub-workflow at this node.
fn child_of(life: &Life, run: RunId, node: &str) -> RunId {
    let nodes = view(life, run).nodes;
    nodes.iter().find(|known| known.id.as_str() == node).unwrap().run.unwrap()
}

/// A run whose sub-workflow `kid` has sent a request that is held back, and the run of that.
fn under_way(ground: &Ground, life: &Life) -> (RunId, RunId) {
    life.apply(&json!({"nodes": {"sub": {"workflow": "kid@^1"}}}));
    let run = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    (run, child_of(life, run, "sub"))
}

#[test]
fn a_signal_that_is_waited_for_is_taken_however_many_others_are_kept() {
    let ground = Ground::new();
    let life = ground.life();
    life.apply(&json!({"nodes": {
        "first": {"wait": {"signal": "go"}},
        "second": {"needs": ["first"], "wait": {"signal": "later"}},
    }}));
    let run = life.start();
    life.block_on(async {
        while life.engine.run(&tenant(), run).await.unwrap().unwrap().nodes[0].status != NodeStatus::Waiting {
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..1_000 {
        signal(&life, run, "later").unwrap();
    }
    assert!(matches!(signal(&life, run, "later"), Err(ControlError::TooManySignals { .. })));
    signal(&life, run, "go").unwrap();
    assert_eq!(life.end_of(run).output, Some(json!({"second": "later"}).into()));
}

#[test]
fn a_signal_that_no_node_ever_waits_for_is_refused_with_those_there_are() {
    let ground = Ground::new();
    let life = ground.life();
    life.apply(&json!({"nodes": {"first": {"wait": {"signal": "go"}}}}));
    let run = life.start();
    let Err(ControlError::UnknownSignal { known, .. }) = signal(&life, run, "goo") else {
        panic!("it was kept")
    };
    assert_eq!(known, ["go"]);
}

#[test]
fn a_sub_workflow_that_is_full_for_the_moment_is_started_when_there_is_room() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    let full = json!({"limit": 1, "on_full": "reject"});
    apply_as(&life, "kid", &json!({"concurrency": full, "nodes": {"send": ground.courier(&["/hold/it"])}}));
    life.apply(&json!({"nodes": {"sub": {"workflow": "kid@^1"}}}));
    let first = life.start();
    life.block_on(ground.outside.arrived("/hold/it", 1));
    let second = life.start();
    let third = life.start();
    // It waits for a place that it no longer wants.
    life.cancel(third);
    ground.outside.let_go();
    assert_eq!(life.end_of(first).status, RunStatus::Succeeded);
    let second = life.end_of(second);
    assert_eq!(second.status, RunStatus::Succeeded, "{second:?}");
    assert_eq!(
        ground.outside.seen("/hold/it").len(),
        2,
        "nothing was started for the run that was cancelled"
    );
}

#[test]
fn what_expires_while_nobody_is_there_is_asked_of_nobody_afterwards() {
    for approval in [json!({"timeout": "50ms"}), json!({"timeout": "50ms", "on_timeout": "approve"})] {
        let ground = Ground::new();
        let life = ground.life();
        life.apply(&json!({"nodes": {"ask": {"approval": approval}}}));
        let run = life.start();
        life.crash();
        let life = ground.life();
        life.end_of(run);
        let asked = life.block_on(life.engine.journal().marks(&tenant(), MarkKind::Approval, None, 10));
        assert_eq!(asked.unwrap(), []);
    }
}

#[test]
fn a_run_that_undoes_what_it_did_has_the_runs_of_its_sub_workflows_do_the_same() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    let undo = ground.courier(&["/undo"]);
    let mut pay = ground.courier(&["/pay"]);
    pay["compensate"] = undo;
    let send = |needs: &[&str]| {
        let mut send = ground.courier(&["/hold/it"]);
        send["needs"] = json!(needs);
        send
    };
    apply_as(&life, "kid", &json!({"nodes": {"pay": pay, "send": send(&["pay"])}}));
    let (run, child) = under_way(&ground, &life);
    let wish = Cancel { compensate: true, ..Cancel::default() };
    let asked = life.block_on(life.engine.cancel(&tenant(), run, wish)).unwrap();
    assert_eq!(asked, CancelOutcome::Cancelling);
    assert_eq!(life.end_of(run).status, RunStatus::Cancelled);
    assert_eq!(ground.outside.seen("/undo").len(), 1);
    assert_eq!(life.end_of(child).status, RunStatus::Cancelled);
}

#[test]
fn a_second_wish_to_cancel_reaches_the_runs_of_sub_workflows_too() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("courier");
    apply_as(&life, "kid", &json!({"nodes": {"send": ground.courier(&["/hold/it"])}}));
    let (run, child) = under_way(&ground, &life);
    let patient = Cancel { grace: Duration::from_secs(3600), ..Cancel::default() };
    life.block_on(life.engine.cancel(&tenant(), run, patient)).unwrap();
    life.block_on(async {
        while life.engine.run(&tenant(), child).await.unwrap().unwrap().cancelling.is_none() {
            tokio::task::yield_now().await;
        }
    });
    life.cancel(run);
    assert_eq!(life.end_of(child).status, RunStatus::Cancelled);
}

#[test]
fn what_the_run_of_a_sub_workflow_used_stands_on_the_run_that_it_belongs_to() {
    let ground = Ground::new();
    let life = ground.life();
    life.publish("transform");
    let shape = json!({"step": "transform@^1", "config": {"template": 1}, "input": 1});
    apply_as(&life, "kid", &json!({"nodes": {"shape": shape}}));
    life.apply(&json!({"nodes": {"sub": {"workflow": "kid@^1"}}}));
    let run = life.complete(json!({}));
    assert_eq!(run.nodes[0].status, NodeStatus::Succeeded);
    let child = life.end_of(run.nodes[0].run.expect("which run it was stays to be seen"));
    assert!(child.totals.fuel > 0);
    assert_eq!(run.totals.fuel, child.totals.fuel);
}
